"""Retries, priorities and the bounded queue."""

import time
import uuid

from harness import expect
from harness.runner import case


@case()
def a_failing_program_is_tried_again(context):
    client = context.shared().client
    identity = client.accept("echo attempt; exit 4", lang="bash",
                             retry={"max_attempts": 3, "on": ["exit_code"], "backoff_ms": 50})
    result = client.wait(identity)
    expect.equal((result["status"], result["error_type"], result["exit_code"]), ("failed", "exit_code", 4))
    expect.equal(result["stdout"], "attempt\n", "output is the last attempt's")
    expect.equal(client.view(identity)["attempt"], 3)
    events = client.events(identity)
    expect.whole_history(events, identity)
    types = [event.type for event in events]
    expect.equal(types.count("execution_attempt_ended"), 2, "closed attempts")
    expect.equal(types.count("execution_started"), 3, "starts")
    for number, event in enumerate(events):
        if event.type == "execution_attempt_ended":
            expect.equal(types[number + 1:number + 4],
                         ["execution_queued", "execution_scheduled", "execution_started"], "after an attempt's end")
            expect.equal(event.body["error_type"], "exit_code")


@case()
def only_named_ends_are_tried_again(context):
    client = context.shared().client
    for fields in ({}, {"retry": {"max_attempts": 5, "on": ["timeout_wall"]}}, {"retry": {"max_attempts": 5, "on": []}}):
        identity = client.accept("exit 4", lang="bash", **fields)
        client.wait(identity)
        expect.equal(client.view(identity)["attempt"], 1, str(fields))
    identity = client.accept("exit 0", lang="bash", retry={"max_attempts": 5, "on": ["exit_code"]})
    client.wait(identity)
    expect.equal(client.view(identity)["attempt"], 1)


@case()
def backoff_is_waited_for(context):
    client = context.shared().client
    identity = client.accept("exit 1", lang="bash", retry={"max_attempts": 3, "on": ["exit_code"], "backoff_ms": 400})
    begun = time.monotonic()
    client.wait(identity)
    assert time.monotonic() - begun > 1.1, "400 ms and 800 ms were not waited"


@case()
def a_cancel_during_backoff_ends_it(context):
    client = context.shared().client
    identity = client.accept("exit 1", lang="bash",
                             retry={"max_attempts": 2, "on": ["exit_code"], "backoff_ms": 60_000})
    for event in client.stream(identity):
        if event.type == "execution_attempt_ended":
            break
    expect.equal(client.cancel(identity).status, 202)
    expect.equal(client.wait(identity, 10)["status"], "cancelled")
    expect.whole_history(client.events(identity), identity)


@case()
def higher_priorities_go_first(context):
    server = context.own(executor="sandbox", shards=1, flags=["--seats", "1"]).start()
    client = server.client
    blocker = client.accept("sleep 60", lang="bash")
    client.wait_for_status(blocker, ("running",))
    order = ["background", "low", "normal", "normal", "high", "critical", "high"]
    ids = [client.accept("true", lang="bash", priority=name) for name in order]
    expect.equal(client.view(ids[5])["queue_position"], 1, "the critical one's position")
    expect.equal(client.view(ids[0])["queue_position"], 7, "the background one's position")
    client.cancel(blocker)
    for identity in ids:
        client.wait(identity)
    started = sorted(range(len(ids)), key=lambda number: client.view(ids[number])["started_at"])
    expect.equal(started, [5, 4, 6, 2, 3, 1, 0], "the order of starts")


@case()
def a_full_queue_is_named(context):
    server = context.own(executor="sandbox", shards=1, flags=["--seats", "1"],
                         environment={"WEIR_ADMISSION__QUEUED_MAX": "10"}).start()
    client = server.client
    blocker = client.accept("sleep 60", lang="bash")
    client.wait_for_status(blocker, ("running",))
    answers = [client.execute("true", lang="bash") for _ in range(15)]
    taken = [answer for answer in answers if answer.status == 202]
    refused = [answer for answer in answers if answer.status != 202]
    expect.equal((len(taken), len(refused)), (10, 5), "accepted and refused")
    for answer in refused:
        assert answer.status in (429, 503), answer.status
        body = expect.problem(answer, answer.status)
        expect.equal((body["limit"], body["limit_value"]), ("admission.queued_max", 10))
        assert int(answer.header("Retry-After")) >= 1, answer.headers.items()
    client.cancel(blocker)
    for answer in taken:
        client.wait(answer.json()["execution_id"])
    expect.equal(client.execute("true", lang="bash", wait_s=20).status, 200, "room again")


@case()
def seats_bound_what_runs_at_once(context):
    server = context.own(executor="sandbox", shards=2, flags=["--seats", "4"]).start()
    client = server.client
    label = uuid.uuid4().hex
    ids = [client.accept("sleep 0.4", lang="bash", labels={"seats": label}) for _ in range(24)]
    most = 0
    while True:
        states = [item["status"] for item in client.list_all(f"&label=seats:{label}")]
        most = max(most, sum(state in ("scheduled", "running") for state in states))
        if all(state == "completed" for state in states):
            break
        assert not any(state in ("failed", "timeout", "cancelled") for state in states), states
    assert 2 <= most <= 4, f"{most} at once with 4 seats"
    expect.equal(len(states), len(ids))
