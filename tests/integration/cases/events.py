"""Event streams: order, no gap, resume, live delivery, and bytes that never change."""

import time

from harness import expect
from harness.runner import case

FIRST_FIVE = ["execution_requested", "execution_accepted", "execution_queued", "execution_scheduled",
              "execution_started"]
def types_of(events):
    """The types in order, neighbouring outputs as one: how a program's writes fall into events is its own timing."""
    types = [event.type for event in events]
    return [one for i, one in enumerate(types) if one != "execution_output" or i == 0 or types[i - 1] != one]


def text_of(events):
    return "".join(event.body["text"] for event in events if event.type == "execution_output")


VERDICT = {"status", "exit_code", "signal", "error_type", "error_message", "resource_usage", "stdout_truncated",
           "stderr_truncated"}


@case()
def every_execution_tells_its_life_in_order(context):
    client = context.shared().client
    identity = client.accept("print('hello')")
    with client.stream(identity) as stream:
        expect.equal(stream.status, 200)
        expect.equal(stream.headers.get("Content-Type").partition(";")[0], "text/event-stream")
        events = list(stream)
        expect.equal(stream.end, "closed", "how the stream ended")
    expect.whole_history(events, identity)
    expect.equal(types_of(events), FIRST_FIVE + ["execution_output", "execution_completed"])
    last = events[-1].body
    assert VERDICT <= set(last), last
    result = client.result(identity)
    for member in VERDICT:
        expect.equal(result[member], last[member], member)
    expect.equal(text_of(events), "hello\n")


@case()
def the_result_is_there_before_the_terminal_event(context):
    client = context.shared("noop").client
    for _ in range(50):
        identity = client.accept("a")
        for event in client.stream(identity):
            if event.type == "execution_completed":
                expect.equal(client.result(identity)["status"], "completed")


@case()
def resuming_gives_exactly_the_rest(context):
    client = context.shared("noop").client
    identity = client.execute("a", wait_s=10).json()["execution_id"]
    events = client.events(identity)
    last = events[-1].number
    for after in range(last):
        rest = client.events(identity, after=after)
        expect.equal([(event.number, event.data) for event in rest],
                     [(event.number, event.data) for event in events[after:]], f"after {after}")
        with client.stream(identity, query=f"?after={after}") as stream:
            expect.equal([event.data for event in stream], [event.data for event in events[after:]], f"?after={after}")
    with client.stream(identity, after=last) as stream:
        expect.equal(stream.status, 204, "after the last event")
    with client.stream(identity, after=last - 1, query="?after=0") as stream:
        expect.equal([event.number for event in stream], [last], "the header wins")


@case()
def wrong_numbers_are_400(context):
    client = context.shared("noop").client
    identity = client.execute("a", wait_s=10).json()["execution_id"]
    last = client.view(identity)["last_event"]
    path = f"/api/v1/events/executions/{identity}"
    for wrong in ("x", "-1", "1.5", str(last + 1), "99999999999999999999", "0x1"):
        expect.problem(client.get(path, {"Last-Event-ID": wrong}), 400)
        expect.problem(client.get(f"{path}?after={wrong}"), 400)


@case()
def the_first_line_arrives_while_the_program_runs(context):
    client = context.shared().client
    script = "import time\nprint('first', flush=True)\ntime.sleep(3)\nprint('second', flush=True)\n"
    identity = client.accept(script)
    with client.stream(identity) as stream:
        for event in stream:
            if event.type == "execution_output":
                break
        expect.equal(event.body["text"].strip(), "first")
        expect.equal(client.view(identity)["status"], "running", "status when the first line arrived")
        first_at = event.seen_at
        rest = list(stream)
    second = next(event for event in rest if "second" in event.body.get("text", ""))
    assert second.seen_at - first_at > 2, "both lines came together"
    expect.equal(types_of(rest), ["execution_output", "execution_completed"])


@case()
def many_subscribers_see_the_same(context):
    client = context.shared().client
    identity = client.accept("import time\nfor i in range(40):\n    print(i, flush=True); time.sleep(0.02)\n")
    streams = []
    for _ in range(20):
        streams.append(client.stream(identity))
        time.sleep(0.03)
    seen = {tuple(event.data for event in stream) for stream in streams}
    for stream in streams:
        stream.close()
    expect.equal(len(seen), 1, "different histories")
    history = client.events(identity)
    expect.whole_history(history, identity)
    expect.equal(expect.output_of(history, "stdout"), "".join(f"{i}\n" for i in range(40)).encode())


@case()
def silence_is_filled_with_comments(context):
    client = context.shared().client
    identity = client.accept("import time; time.sleep(17)")
    with client.stream(identity) as stream:
        list(stream)
        assert stream.comments >= 1, "no comment in 17 s of silence"


@case()
def a_restart_changes_no_byte_of_any_event(context):
    server = context.own(executor="sandbox", shards=2).start()
    scripts = [("python", "print('é'); import sys; sys.stderr.write('x'*100000)"), ("bash", "exit 3"),
               ("bash", r"printf '\xff\x00'"), ("node", "console.log('n')")]
    ids = [server.client.accept(script, lang=lang, labels={"n": str(number)})
           for number, (lang, script) in enumerate(scripts * 5)]
    before = {}
    for identity in ids:
        server.client.wait(identity)
        before[identity] = [(event.number, event.type, event.data) for event in server.client.events(identity)]
    results = {identity: server.client.result(identity) for identity in ids}
    for shards, hard in ((1, False), (2, True), (1, True)):
        server.restart(shards=shards, hard=hard)
        for identity in ids:
            after = server.client.events(identity)
            expect.equal([(event.number, event.type, event.data) for event in after], before[identity],
                         f"events on {shards} shards")
            expect.equal(server.client.result(identity), results[identity], f"result on {shards} shards")
