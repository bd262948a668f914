"""kill -9 over and over, each time with at least a thousand executions accepted and not ended: promises P1 to P4.

The record of what was promised is kept here, from 2xx answers alone. After each restart: nothing acknowledged is lost,
keys lead to their executions, a subscriber goes on without a gap, and nothing is stuck. Each execution's history is read
once, when it has ended, with the verdict it must have. What clients saw is judged by the simulation's own checkers.
"""

import os
import random
import threading
import time

from harness import expect
from harness.client import TERMINAL
from harness.runner import case
from harness.sightings import Sightings
from harness.threads import GONE, join, started

# The long run: tests/integration/kill_loop CYCLES [SEED]
CYCLES = int(os.environ.get("KILL_LOOP_CYCLES", "5"))
SEED = os.environ.get("KILL_LOOP_SEED", "1")
OPEN_MIN = 1000
POSTERS = 6
SUBSCRIBERS = 4
RETRIES = (None, None, 1, 2, 10)  # max_attempts; None leaves the default of 3


class Ledger:
    """What the server has promised, and what has been checked of it."""

    def __init__(self, sightings):
        self.sightings = sightings
        self.lock = threading.Lock()
        self.posts = 0
        self.promised = {}  # id -> number of its post
        self.unanswered = []  # posts with a key that got no answer
        self.refused = []
        self.verified = set()
        self.seen = {}  # id -> events of its subscriber

    def next_post(self):
        with self.lock:
            self.posts += 1
            return self.posts

    def unverified(self):
        with self.lock:
            return self.promised.keys() - self.verified


def request(post):
    """The fields and the key of one post: always the same for the same number, so that it can be sent again."""
    choose = random.Random(f"{SEED}/{post}")
    fields = {"lang": "bash", "labels": {"post": str(post)}}
    attempts = choose.choice(RETRIES)
    if attempts is not None:
        fields["retry"] = {"max_attempts": attempts}
    return fields, f"loop-{SEED}-{post}" if choose.random() < 0.5 else None, attempts or 3


def send(client, ledger, post):
    """Posts, and enters the promise; False when the server is gone."""
    fields, key, _ = request(post)
    try:
        answer = client.execute("true", key=key, **fields)
        # Only a whole answer is a promise.
        identity = answer.json()["execution_id"] if answer.status in (200, 202) else None
    except GONE:
        with ledger.lock:
            if key is not None:
                ledger.unanswered.append(post)
        return False
    with ledger.lock:
        if identity is None:
            ledger.refused.append((answer.status, answer.body))
        else:
            ledger.promised[identity] = post
    if identity is not None:
        ledger.sightings.acknowledged(identity, key)
    return True


def start_posting(client, ledger, stop):
    def poster():
        while not stop.is_set() and send(client, ledger, ledger.next_post()):
            pass

    return started(poster for _ in range(POSTERS))


def follow(client, ledger, identity):
    """Goes on from the last number seen, until the execution has ended or the server is gone."""
    seen = ledger.seen.setdefault(identity, [])
    try:
        with client.stream(identity, after=seen[-1].number if seen else None) as stream:
            if stream.status == 200:
                for event in stream:
                    if event.number is None:
                        continue
                    ledger.sightings.delivered(identity, [event], seen[-1].number if seen else 0)
                    seen.append(event)
    except GONE:
        pass


def listed_since(client, oldest):
    """Every execution not older than `oldest`, by id; lists go from the newest on."""
    items, cursor = {}, ""
    while True:
        answer = client.get("/api/v1/executions?limit=1000" + cursor)
        expect.equal(answer.status, 200, "status of a list")
        body = answer.json()
        for item in body["items"]:
            assert item["execution_id"] not in items, f"{item['execution_id']} is listed twice"
            items[item["execution_id"]] = item
        if not body["next_cursor"] or body["items"][-1]["execution_id"] < oldest:
            return items
        cursor = "&cursor=" + body["next_cursor"]


def open_count(client):
    """Executions that have not ended, as the server counts them."""
    return sum(1 for item in client.list_all("&status=queued") + client.list_all("&status=running")
               + client.list_all("&status=scheduled") if item["status"] not in TERMINAL)


def check_promises(server, ledger):
    """Nothing acknowledged is lost; what has ended is read to its last event, once."""
    client = server.client
    expect.equal(ledger.refused, [], "posts that were refused")
    todo = ledger.unverified()
    if not todo:
        return
    items = listed_since(client, min(todo))
    lost = todo - items.keys()
    for identity in lost:
        ledger.sightings.not_found(identity, "the list")
    assert not lost, f"{len(lost)} acknowledged executions are lost: {sorted(lost)[:3]}"
    ended = [identity for identity in sorted(todo) if items[identity]["status"] in TERMINAL]
    for identity in ended:
        check_history(client, ledger, items[identity])
    ledger.verified.update(ended)
    posts = [item["labels"]["post"] for item in items.values()]
    expect.equal(len(posts), len(set(posts)), "executions of one post")


def check_history(client, ledger, item):
    identity = item["execution_id"]
    events = client.events(identity)
    expect.whole_history(events, identity)
    ledger.sightings.delivered(identity, events)
    result = client.result(identity)
    ledger.sightings.ended(identity, result["status"])
    expect.equal(result["status"], item["status"], "status in the result and in the list")
    if result["status"] == "completed":
        expect.equal(result["exit_code"], 0, "exit code")
    else:
        _, _, attempts = request(ledger.promised[identity])
        expect.equal((result["status"], result["error_type"], item["attempt"]), ("failed", "infrastructure", attempts),
                     f"the verdict of {identity}")
    if identity in ledger.seen:
        follow(client, ledger, identity)
        expect.equal([(event.number, event.data) for event in ledger.seen.pop(identity)],
                     [(event.number, event.data) for event in events],
                     f"what a subscriber saw of {identity}, over the restarts")


def check_keys(client, ledger, choose):
    """Keys lead to what they led to; a post that got no answer has happened once or not at all."""
    with ledger.lock:
        promised = dict(ledger.promised)
        unanswered, ledger.unanswered = ledger.unanswered, []
    with_key = [identity for identity, post in promised.items() if request(post)[1] is not None]
    for identity in choose.sample(with_key, min(20, len(with_key))):
        fields, key, _ = request(promised[identity])
        again = client.execute("true", key=key, **fields)
        expect.equal(again.json()["execution_id"], identity, f"the id of key {key}")
    for post in unanswered:
        assert send(client, ledger, post), "the server went away by itself"


def one_cycle(server, ledger, choose):
    """Posts until enough is open, kills, starts again on another number of shards, and checks."""
    client = server.client
    stop = threading.Event()
    before = len(ledger.promised)
    posters = start_posting(client, ledger, stop)
    try:
        while len(ledger.promised) - before < SUBSCRIBERS:
            time.sleep(0.002)
        with ledger.lock:
            chosen = list(ledger.promised)[-SUBSCRIBERS:] + list(ledger.seen)
        followers = started((lambda identity=identity: follow(client, ledger, identity)) for identity in set(chosen))
        deadline = time.monotonic() + 120
        while open_count(client) < OPEN_MIN:
            assert time.monotonic() < deadline, f"only {open_count(client)} open executions after 120 s"
            time.sleep(0.02)
        time.sleep(choose.uniform(0, 0.5))
    finally:
        server.kill()
        stop.set()
        join(posters)
    join(followers)
    server.executor = f"noop:{choose.choice((5000, 8000, 15000))}"
    server.start(shards=choose.choice((1, 2, 3)))
    if choose.random() < 0.2:  # once more, while what it found is taken up
        time.sleep(choose.uniform(0, 0.3))
        server.restart(hard=True)
    check_promises(server, ledger)
    check_keys(server.client, ledger, choose)
    expect.equal(server.stuck(), [], "stuck executions")


@case()
def acknowledged_is_never_lost(context):
    print(f"    KILL_LOOP_SEED={SEED} KILL_LOOP_CYCLES={CYCLES}", flush=True)
    choose = random.Random(SEED)
    server = context.own(executor="noop:5000", shards=1, flags=["--log.segment_bytes", "4MiB"]).start()
    ledger = Ledger(Sightings(server.home))
    for number in range(CYCLES):
        try:
            one_cycle(server, ledger, choose)
        except AssertionError as failure:
            raise AssertionError(f"cycle {number + 1} of {CYCLES}: {failure}") from failure
        if CYCLES > 5:
            print(f"    cycle {number + 1}: {len(ledger.promised)} acknowledged, {len(ledger.verified)} read to the end",
                  flush=True)
    server.executor = "noop"
    server.restart(hard=True)
    deadline = time.monotonic() + 120
    while ledger.unverified():
        assert time.monotonic() < deadline, f"{len(ledger.unverified())} executions do not end"
        check_promises(server, ledger)
    expect.equal(server.stuck(), [], "stuck executions")
    expect.equal(ledger.seen, {}, "streams that were not compared")
    print(f"    {len(ledger.promised)} acknowledged, each read to its one end: {ledger.sightings.judge(at_rest=True)}",
          flush=True)
    expect.equal(server.stop(), 0, "exit code")
