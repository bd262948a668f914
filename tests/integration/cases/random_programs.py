"""Random programs, as tests/random_programs makes and predicts them, on the real engine: verdicts, bytes, attempts and
counters come out exactly, without kills and with kill -9 at seeded moments."""

import base64
import datetime
import hashlib
import http.client
import json
import os
import random
import subprocess
import threading
import time

from harness import expect
from harness.program_text import script_of
from harness.runner import Skipped, case
from harness.server import ROOT

# More or others: RANDOM_PROGRAMS=2000 RANDOM_PROGRAMS_SEED=5000 tests/integration/run -k random_programs
COUNT = int(os.environ.get("RANDOM_PROGRAMS", "0"))
SEED = int(os.environ.get("RANDOM_PROGRAMS_SEED", "1"))
CLIENTS = 24
GONE = (OSError, http.client.HTTPException)
PASSING = (429, 503)  # asked again a little later
STATUSES = ("completed", "failed", "timeout", "cancelled")


def generated(context, count):
    """The programs with their predictions, from the generator; without those that this machine cannot judge."""
    found = [path for preset in ("release", "dev", "asan")
             if (path := ROOT / f"build/{preset}/tests/random_programs/emit_random_programs").is_file()]
    if not found:
        raise Skipped("emit_random_programs is not built")
    print(f"    RANDOM_PROGRAMS_SEED={SEED} RANDOM_PROGRAMS={count}", flush=True)
    lines = subprocess.run([found[0], "--seed", str(SEED), "--count", str(count)], capture_output=True, check=True)
    programs = [json.loads(line) for line in lines.stdout.decode().splitlines()]
    return [one for one in programs if not (one["needs_enforced_limits"] and context.binary.limits_flags)]


class Engine:
    """The server, wherever it listens at the moment, and when it was killed."""

    def __init__(self, server):
        self.server = server
        self.kills = []  # as timestamps of events are written
        self.up = threading.Event()
        self.up.set()
        self.over = threading.Event()
        self.ended = 0  # programs

    def asked(self, act):
        """The answer to what `act` asks of a client; asked again after a restart, and when the server has no room."""
        while True:
            assert self.up.wait(120), "the server does not come back"
            client = self.server.client
            try:
                answer = act(client)
            except GONE:
                self.after_the_crash(client)
                continue
            if answer.status not in PASSING:
                return answer
            time.sleep(0.05)

    def after_the_crash(self, client):
        """Returns once there is another life; a server that nobody killed must not be gone."""
        deadline = time.monotonic() + 10
        while self.up.is_set() and self.server.client is client:
            assert time.monotonic() < deadline, "no answer, though nobody killed the server"
            time.sleep(0.01)

    def kill(self, shards):
        self.up.clear()
        self.server.kill()
        now = datetime.datetime.now(datetime.timezone.utc)
        self.kills.append(now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        self.server.start(shards=shards)
        self.up.set()


class Player:
    """The client of one program, from its post to the comparison."""

    def __init__(self, engine, program):
        self.engine = engine
        self.program = program
        self.own = program["own"]
        self.does = {kind: number for kind, number, _ in program["client"]}
        self.cancelled = "cancel_at_once" in self.does or "cancel_when_ready" in self.does
        self.body = {"script": script_of(program), "lang": program["lang"], "args": program["args"],
                     "stdin": program["input"], "priority": program["priority"], "limits": program["limits"],
                     "labels": {"program": str(program["seed"])}}
        if "retry" in program:
            self.body["retry"] = program["retry"]
        self.headers = {"Idempotency-Key": program["key"]} if program["key"] else {}
        self.identity = None
        self.first_answers = 0
        self.lock = threading.Lock()
        self.events = []
        self.predicted = None  # (status, attempts), once compared
        self.starved = False
        self.cancellation_acknowledged = False

    def play(self):
        self.post()
        for _ in range(self.does.get("repeat_key", 0)):
            self.entered(self.engine.asked(lambda client: self.execute(client)))
        if "other_body" in self.does:
            other = {**self.body, "script": self.body["script"] + "# another\n"}
            answer = self.engine.asked(lambda client: client.post("/api/v1/execute", other, self.headers))
            expect.problem(answer, 422, "idempotency_key_reused")
        if "cancel_at_once" in self.does:
            self.cancel()
        self.follow()
        self.close()

    # The post.

    def execute(self, client, wait_s=None):
        headers = dict(self.headers)
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
        return client.post("/api/v1/execute", self.body, headers)

    def entered(self, answer):
        assert answer.status in (200, 202), (answer.status, answer.body[:1000])
        identity = answer.json()["execution_id"]
        with self.lock:
            self.first_answers += answer.header("Idempotent-Replayed") is None
            assert self.first_answers <= 1, "it was accepted twice"
            expect.equal(identity, self.identity or identity, "the id of one key")
            self.identity = identity
        return answer

    def post(self):
        wait_s = 3 if "wait_for_result" in self.does and not self.cancelled else None
        if not self.program["key"]:
            self.post_without_key()
        elif "storm" in self.does:
            failures = in_threads([self.post_under_key] * self.does["storm"])
            assert not failures, failures[0]
        else:
            self.post_under_key(wait_s)

    def post_under_key(self, wait_s=None):
        self.entered(self.engine.asked(lambda client: self.execute(client, wait_s)))

    def post_without_key(self):
        """A post that got no answer was taken or not: its label tells."""
        while self.identity is None:
            assert self.engine.up.wait(120), "the server does not come back"
            client = self.engine.server.client
            try:
                answer = self.execute(client)
            except GONE:
                self.engine.after_the_crash(client)
                listed = self.engine.asked(
                    lambda client: client.get(f"/api/v1/executions?label=program:{self.program['seed']}"))
                items = listed.json()["items"]
                assert len(items) <= 1, f"one post made {len(items)} executions"
                self.identity = items[0]["execution_id"] if items else None
                continue
            if answer.status in PASSING:
                time.sleep(0.05)
            else:
                self.entered(answer)

    # Until the end.

    def path(self, rest=""):
        return f"/api/v1/executions/{self.identity}{rest}"

    def get(self, rest="", headers=None):
        return self.engine.asked(lambda client: client.get(self.path(rest), headers=headers))

    def cancel(self):
        answer = self.engine.asked(lambda client: client.cancel(self.identity))
        if answer.status == 202:
            self.cancellation_acknowledged = True
        else:
            expect.problem(answer, 409, "already_finished")

    def ready(self):
        """Everything that the program writes was seen of its present attempt, which hangs now."""
        seen = {"stdout": 0, "stderr": 0}
        started = False
        for event in self.events:
            if event.type == "execution_attempt_ended":
                started = False
            elif event.type == "execution_started":
                started, seen = True, {"stdout": 0, "stderr": 0}
            elif event.type == "execution_output":
                body = event.body
                seen[body["stream"]] += len(body["text"].encode() if "text" in body else base64.b64decode(body["base64"]))
        return started and all(seen[stream] == self.own[stream]["visible"] for stream in seen)

    def cancel_when_ready(self):
        early = self.get("/result")
        # There is one already only if a kill has lost the last attempt meanwhile, or the cancellation is done.
        if early.status != 409:
            assert early.json()["error_type"] in ("infrastructure", "cancelled"), early.body[:1000]
        self.cancel()

    def follow(self):
        """To the terminal event, over crashes, and once over an end of the stream of the client's own making."""
        drop_at = self.does.get("resubscribe")
        while not self.ended():
            assert self.engine.up.wait(120), "the server does not come back"
            client = self.engine.server.client
            try:
                with client.stream(self.identity, after=self.events[-1].number if self.events else None) as stream:
                    if stream.status in PASSING:
                        time.sleep(0.05)
                        continue
                    expect.equal(stream.status, 200, "status of a stream")
                    drop_at = self.read(stream, drop_at)
            except GONE:
                self.engine.after_the_crash(client)

    def ended(self):
        return bool(self.events) and self.events[-1].type.removeprefix("execution_") in STATUSES

    def read(self, stream, drop_at):
        for event in stream:
            if event.number is None:
                continue
            self.events.append(event)
            if "cancel_when_ready" in self.does and self.ready():
                self.cancel_when_ready()
            if drop_at is not None and len(self.events) >= drop_at:
                return None
        return drop_at

    # After the end.

    def close(self):
        number = self.events[-1].number
        stream = f"/api/v1/events/executions/{self.identity}"
        expect.equal(self.engine.asked(lambda client: client.get(stream + f"?after={number}")).status, 204, "no more")
        beyond = self.engine.asked(lambda client: client.get(stream + f"?after={number + 1}"))
        expect.problem(beyond, 400)
        if "cancel_again" in self.does:
            expect.problem(self.engine.asked(lambda client: client.cancel(self.identity)), 409, "already_finished")
        result = self.get("/result").json()
        if "wait_for_result" in self.does:
            answer = self.entered(self.engine.asked(lambda client: self.execute(client, wait_s=10)))
            expect.equal((answer.status, answer.json()), (200, result), "the result by the key")
        if "read_again" in self.does:
            again = self.engine.asked(lambda client: client.get(stream)).body
            seen = b"".join(event.data for event in self.events)
            expect.equal(b"".join(line[6:] for line in again.splitlines() if line.startswith(b"data: ")) == seen, True,
                         "the same bytes, read again")
        self.compare(result, self.get().json()["attempt"])

    def lost_attempts(self):
        """Those that must have ended as `infrastructure`: a kill lies between their launch and their end."""
        scheduled, cancelled, lost = {}, {}, set()
        for event in self.events:
            at, attempt = event.body["timestamp"], event.body["attempt"]
            if event.type == "execution_scheduled":
                scheduled[attempt] = at
            if event.type == "execution_cancellation_requested":
                cancelled[attempt] = at
            over = event.type == "execution_attempt_ended" or event.type.removeprefix("execution_") in STATUSES
            kills = [kill for kill in self.engine.kills if over and scheduled.get(attempt, at) <= kill < at]
            # One that was cancelled had to go anyway. If it was asked for while the next life took up its executions,
            # that came in time or too late.
            if kills and not (attempt in cancelled and
                              (cancelled[attempt] <= kills[0] or event.type == "execution_cancelled")):
                lost.add(attempt)
        return lost

    def end_of(self, attempt, lost):
        if attempt in lost:
            return {"status": "failed", "error_type": "infrastructure", "exit_code": None, "signal": None}
        return {name: self.own[name] for name in ("status", "error_type", "exit_code", "signal")}

    def infrastructure(self):
        """Why attempts ended so, in the server's words and at what time; for a failure's text."""
        ends = [event.body for event in self.events if event.body.get("error_type") == "infrastructure"]
        return [(end["attempt"], end["timestamp"], end["error_message"]) for end in ends]

    def compare(self, result, attempt):
        lost = self.lost_attempts()
        policy = self.program.get("retry", {"max_attempts": 3, "on": ["infrastructure"]})
        wanted = 1
        while wanted < policy["max_attempts"] and self.end_of(wanted, lost)["error_type"] in policy["on"]:
            wanted += 1
        if not lost:
            expect.equal(wanted, self.program["attempts"], "attempts by both predictors")
        known = f"({sorted(lost)} lost; {self.infrastructure()})"
        expect.equal(attempt, wanted, f"attempts {known}")
        if self.cancellation_acknowledged:
            expect.equal(result["status"], "cancelled", "status after its cancellation")
        expect.whole_history(self.events, self.identity)
        ends = [event.body for event in self.events if event.type == "execution_attempt_ended"]
        for number, seen in enumerate([*ends, self.events[-1].body, result], 1):
            number = min(number, wanted)
            end = self.end_of(number, lost)
            expect.equal({name: seen[name] for name in end}, end, f"end of attempt {number} {known}")
        # On a machine that gives boxes next to nothing the wall limit may come before the program has come to its hang.
        seen = sum(len(expect.stream_of(result, stream)) for stream in ("stdout", "stderr"))
        self.starved = wanted not in lost and end["error_type"] == "timeout_wall" and seen < sum(
            self.own[stream]["bytes"] for stream in ("stdout", "stderr"))
        for stream in ("stdout", "stderr"):
            self.compare_stream(stream, result, wanted in lost or self.starved)
        usage = result["resource_usage"]
        exact = wanted not in lost and not self.starved and self.own["output_bytes"] is not None
        if exact and usage is not None:
            expect.equal(usage["output_bytes"], self.own["output_bytes"], "output_bytes")
        self.predicted = (end["status"], wanted)

    def compare_stream(self, stream, result, cut_off):
        own, seen = self.own[stream], expect.stream_of(result, stream)
        same(expect.output_of(self.events, stream), seen, f"{stream} in events")
        same(self.get(f"/output/{stream}").body, seen, f"{stream} by its route")
        whole = base64.b64decode(own["base64"]) if own["base64"] is not None else None
        if cut_off:
            assert len(seen) <= own["bytes"] and (whole is None or whole.startswith(seen)), f"{stream} is no beginning"
            return
        if whole is not None:
            same(seen, whole, stream)
        expect.equal((len(seen), hashlib.sha256(seen).hexdigest()), (own["bytes"], own["sha256"]), stream)
        expect.equal(result[stream + "_truncated"], own["truncated"], stream + "_truncated")


def same(seen, wanted, what):
    if seen != wanted:
        at = next((n for n, (a, b) in enumerate(zip(seen, wanted, strict=False)) if a != b), min(len(seen), len(wanted)))
        raise AssertionError(f"{what}: {len(seen)} bytes, wanted {len(wanted)}; they differ at {at}: "
                             f"{seen[at:at + 40]!r} instead of {wanted[at:at + 40]!r}")


def in_threads(functions):
    """Runs them all at once; gives what they raised."""
    failures = []

    def guarded(function):
        try:
            function()
        except Exception as failure:  # shown by the caller
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def play_all(engine, programs):
    """Plays the programs, some at a time; gives the players, and fails with every difference found."""
    todo, players, failures, lock = list(reversed(programs)), [], [], threading.Lock()

    def one_after_the_other():
        while not engine.over.is_set():
            with lock:
                if not todo or len(failures) >= 5:
                    return
                program = todo.pop()
            player = Player(engine, program)
            try:
                player.play()
                players.append(player)
                engine.ended = len(players)
            except Exception as failure:  # the others go on
                kinds = [command[0] for command in program["commands"] + program["client"]]
                failures.append(f"kills so far {engine.kills[-3:]}; program {program['seed']} ({player.identity}, {program['lang']}, {kinds}): "
                                f"{type(failure).__name__} {failure}")

    problems = in_threads([one_after_the_other] * CLIENTS)
    engine.over.set()
    assert not problems and not failures, "\n".join([*failures, *map(str, problems)])
    expect.equal(len(players), len(programs), "programs that were played")
    return players


def counted(players):
    return {status: sum(player.predicted[0] == status for player in players) for status in STATUSES}


def check_lists(server, players):
    wanted = counted(players)
    everything = server.client.list_all("")
    expect.equal(len(everything), len(players), "executions")
    seen = {status: sum(item["status"] == status for item in everything) for status in STATUSES}
    expect.equal(seen, wanted, "executions by status")
    for status in STATUSES:
        expect.equal(len(server.client.list_all(f"&status={status}")), wanted[status], f"listed as {status}")
    expect.equal(server.stuck(), [], "stuck executions")
    return wanted


def summary(players):
    attempts = sum(player.predicted[1] for player in players)
    lost = sum(len(player.lost_attempts()) for player in players)
    starved = sum(player.starved for player in players)
    return f"{len(players)} programs, {attempts} attempts, {lost} lost, {starved} starved"


def metric(text, series):
    for line in text.splitlines():
        if line.startswith(series + " "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"{series} is not among the metrics")


@case()
def the_counters_come_out_exactly(context):
    server = context.own(executor="sandbox", shards=2).start()
    players = play_all(Engine(server), generated(context, COUNT or 60))
    wanted = check_lists(server, players)
    text = server.client.get("/metrics").body.decode()
    for status, count in wanted.items():
        expect.equal(metric(text, f'weir_executions_finished_total{{status="{status}"}}'), count, f"finished: {status}")
    expect.equal(metric(text, "weir_executions_accepted_total"), len(players), "accepted")
    keys = sum(bool(player.program["key"]) for player in players)
    expect.equal(metric(text, "weir_idempotency_keys"), keys, "keys")
    print(f"    {summary(players)}, {wanted}", flush=True)
    expect.equal(server.stop(), 0, "exit code")


def outcome_of(function):
    """What brings the function's value, or raises what it raised."""
    try:
        value = function()
    except Exception as failure:
        raised = failure

        def again():
            raise raised

        return again
    return lambda: value


def kill_now_and_then(engine, choose, count):
    """Each time a share of the programs has come to its end; on a slow machine also without that."""
    share = 40 if COUNT else count // 8
    while not engine.over.wait(choose.uniform(0.2, 2.5)):
        enough = engine.ended + share
        deadline = time.monotonic() + 20
        while engine.ended < enough and time.monotonic() < deadline and not engine.over.wait(0.01):
            pass
        if engine.over.is_set():
            return
        engine.kill(choose.choice((1, 2)))
        if choose.random() < 0.2:  # once more, while what it found is taken up
            time.sleep(choose.uniform(0, 0.3))
            engine.kill(2)


@case()
def kills_change_no_verdict(context):
    programs = generated(context, COUNT or 40)
    server = context.own(executor="sandbox", shards=2).start()
    engine = Engine(server)
    players = []
    # A server dies with the thread that started it, so it is this one that kills and starts.
    playing = threading.Thread(target=lambda: players.append(outcome_of(lambda: play_all(engine, programs))))
    playing.start()
    try:
        kill_now_and_then(engine, random.Random(SEED), len(programs))
    finally:
        engine.up.set()
        playing.join()
    players = players[0]()
    wanted = check_lists(server, players)
    print(f"    {len(engine.kills)} kills, {summary(players)}, {wanted}", flush=True)
    expect.equal(server.stop(), 0, "exit code")
