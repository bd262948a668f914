"""kill -9 at seeded moments with 200 executions in flight: nothing accepted is lost, nothing starts twice."""

import os
import random
import threading
import time

from harness import expect
from harness.client import TERMINAL
from harness.runner import case
from harness.sightings import Sightings
from harness.threads import GONE, join, started

# Other moments: KILL_ROUNDS=40 KILL_SEED=7 tests/integration/run -k kill_nine
ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
EXECUTIONS = 200
POSTERS = 8
SUBSCRIBERS = 6
SCRIPT = "echo begun; sleep 0.$1; echo done; echo problem >&2; exit $2"


class Round:
    """200 executions, the record of the answers about them, and what subscribers have seen."""

    def __init__(self, number, seed, sightings):
        self.number = number
        self.sightings = sightings
        self.random = random.Random(f"{seed}/{number}")
        self.accepted = {}  # number of the post -> id, from 2xx answers alone
        self.unanswered = set()
        self.refused = []  # answers other than 202
        self.seen = {}  # id -> events of its subscriber
        self.lock = threading.Lock()

    def request(self, post):
        """The request of one post: always the same for the same number, so that it can be sent again."""
        choose = random.Random(f"{self.number}/{post}")
        fields = {"lang": "bash", "args": [f"{choose.randrange(5, 51):02}", str(choose.choice((0, 0, 0, 3)))],
                  "labels": {"round": str(self.number), "post": str(post)}}
        if post % 4 == 0:
            fields["retry"] = {"max_attempts": 1}
        if post % 5 == 0:
            fields["priority"] = "high"
        return fields, f"kill-{self.number}-{post}" if post % 2 else None

    def post_all(self, client):
        """Posts from several threads until everything is posted or the server is gone."""
        todo = list(range(EXECUTIONS))
        self.random.shuffle(todo)

        def poster():
            while True:
                with self.lock:
                    if not todo:
                        return
                    post = todo.pop()
                fields, key = self.request(post)
                try:
                    answer = client.execute(SCRIPT, key=key, **fields)
                except GONE:
                    with self.lock:
                        self.unanswered.add(post)
                    return
                with self.lock:
                    if answer.status == 202:
                        self.accepted[post] = answer.json()["execution_id"]
                        self.sightings.acknowledged(self.accepted[post], key)
                    else:
                        self.refused.append((answer.status, answer.body))

        return started([poster] * POSTERS)

    def subscribe(self, client, chosen):
        """Follows executions, each from the last number seen of it, until they end or the server is gone."""

        def follow(identity):
            seen = self.seen.setdefault(identity, [])
            try:
                with client.stream(identity, after=seen[-1].number if seen else None) as stream:
                    if stream.status == 200:
                        for event in stream:
                            if event.number is None:
                                continue
                            self.sightings.delivered(identity, [event], seen[-1].number if seen else 0)
                            seen.append(event)
            except GONE:
                pass

        return started((lambda identity=identity: follow(identity)) for identity in chosen)


def wait_until_all_ended(client, label, timeout_s=180):
    deadline = time.monotonic() + timeout_s
    while True:
        items = client.list_all(f"&label=round:{label}")
        open_ones = [item for item in items if item["status"] not in TERMINAL]
        if not open_ones:
            return items
        assert time.monotonic() < deadline, f"{len(open_ones)} have not ended: {open_ones[:3]}"
        time.sleep(0.05)


def check_round(server, current):
    """After the restart: everything accepted ends once, keys still lead to the same executions, streams have no gap."""
    client = server.client
    expect.equal(current.refused, [], "posts that were refused")
    for post in sorted(current.accepted):
        fields, key = current.request(post)
        if key is not None and post % 3 == 0:
            again = client.execute(SCRIPT, key=key, **fields)
            expect.equal(again.json()["execution_id"], current.accepted[post], f"the id of key {key}")
    for post in sorted(current.unanswered):
        fields, key = current.request(post)
        if key is not None:
            current.accepted[post] = client.execute(SCRIPT, key=key, **fields).json()["execution_id"]
    join(current.subscribe(client, list(current.seen)))
    items = wait_until_all_ended(client, current.number)
    expect.equal(server.stuck(), [], "stuck executions")

    listed = {item["execution_id"]: item for item in items}
    lost = set(current.accepted.values()) - set(listed)
    assert not lost, f"{len(lost)} accepted executions are lost: {sorted(lost)[:3]}"
    posts = [item["labels"]["post"] for item in items]
    expect.equal(len(posts), len(set(posts)), "executions of one post")
    for identity, item in listed.items():
        events = client.events(identity)
        expect.whole_history(events, identity)
        current.sightings.delivered(identity, events)
        current.sightings.ended(identity, item["status"])
        check_verdict(current, client, item, events)
        if identity in current.seen:
            expect.equal([(event.number, event.data) for event in current.seen[identity]],
                         [(event.number, event.data) for event in events],
                         f"what a subscriber saw of {identity}, over the restart")


def check_verdict(current, client, item, events):
    fields, _ = current.request(int(item["labels"]["post"]))
    result = client.result(item["execution_id"])
    code = int(fields["args"][1])
    if result["error_type"] == "infrastructure":
        expect.equal(item["attempt"], fields.get("retry", {}).get("max_attempts", 3), "attempts before giving up")
        return
    expect.equal((result["status"], result["exit_code"]), ("failed" if code else "completed", code), "verdict")
    expect.equal((result["stdout"], result["stderr"]), ("begun\ndone\n", "problem\n"), "output of the last attempt")
    for stream in ("stdout", "stderr"):
        expect.equal(expect.output_of(events, stream).decode(), result[stream], f"{stream} in events")


@case()
def nothing_is_lost_or_started_twice(context):
    seed = os.environ.get("KILL_SEED", "1")
    print(f"    KILL_SEED={seed} KILL_ROUNDS={ROUNDS}", flush=True)
    server = context.own(executor="sandbox", shards=1).start()
    sightings = Sightings(server.home)
    for number in range(ROUNDS):
        current = Round(number, seed, sightings)
        posters = current.post_all(server.client)
        moment = current.random.uniform(0.02, 2.5)
        begun = time.monotonic()
        while len(current.accepted) < SUBSCRIBERS and time.monotonic() - begun < moment:
            time.sleep(0.005)
        chosen = [current.accepted[post] for post in sorted(current.accepted)[:SUBSCRIBERS]]
        subscribers = current.subscribe(server.client, chosen)
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        server.kill()
        join(posters + subscribers)
        server.start(shards=2 - number % 2)
        if current.random.random() < 0.3:  # once more, while it recovers and starts what is left
            time.sleep(current.random.uniform(0, 0.3))
            server.restart(hard=True)
        try:
            check_round(server, current)
        except AssertionError as failure:
            raise AssertionError(f"round {number} (killed after {moment:.3f} s, {len(current.accepted)} accepted): "
                                 f"{failure}") from failure
    everything = server.client.list_all("")
    print(f"    {sightings.judge(at_rest=True)}", flush=True)
    assert len(everything) >= ROUNDS * 10, f"only {len(everything)} executions in {ROUNDS} rounds"
    expect.equal(server.stop(), 0, "exit code")
