"""The server as a process: start, configuration, drain, exit codes, and what is there after the next start."""

import os
import signal
import socket
import threading
import time

from harness import expect
from harness.runner import case
from harness.server import StartFailed


def refuses_to_start(context, words, extra=(), environment=None, **options):
    server = context.own(executor="noop", environment=environment, **options)
    try:
        server.start(extra)
    except StartFailed as failure:
        assert failure.exit_code not in (0, "none (killed)"), f"exit code {failure.exit_code}"
        for word in words:
            assert word in failure.stderr, f"{word!r} is not in: {failure.stderr}"
        return failure
    raise AssertionError(f"it started with {extra} {environment}")


@case()
def it_refuses_what_it_does_not_understand(context):
    refuses_to_start(context, [], ["--no-such-flag"])
    refuses_to_start(context, [], ["--seats", "many"])
    refuses_to_start(context, ["insecure-no-auth"], ["--listen", "0.0.0.0:0"])
    server = context.own(executor="noop")
    configuration = server.home / "weir.yaml"
    configuration.write_text("admission:\n  queued_maximum: 5\n")
    refuses_to_start(context, ["queued_maximum"], ["--config", str(configuration)])


@case()
def configuration_comes_from_file_environment_and_flags(context):
    server = context.own(executor="noop", environment={"WEIR_NO_SUCH_THING": "1"})
    configuration = server.home / "weir.yaml"
    configuration.write_text("admission:\n  queued_max: 1234\n")
    server.start(["--config", str(configuration)])
    assert "WEIR_NO_SUCH_THING" in server.stderr(), f"no warning about an unknown variable: {server.stderr()}"
    expect.equal(server.client.execute("a", wait_s=10).status, 200)


@case()
def a_data_directory_has_one_owner(context):
    server = context.own(executor="noop").start()
    begun = time.monotonic()
    refuses_to_start(context, [str(server.data)], data=server.data)
    assert time.monotonic() - begun < 20
    expect.equal(server.client.execute("a", wait_s=10).status, 200, "the owner goes on")


@case()
def a_taken_port_is_named(context):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refuses_to_start(context, [address], ["--listen", address])
    # A server's shards share their port, but not with another server's.
    server = context.own(executor="noop").start()
    address = server.url.removeprefix("http://")
    refuses_to_start(context, [address], ["--listen", address])
    expect.equal(server.client.execute("a", wait_s=10).status, 200, "the first goes on")


@case()
def sigterm_drains(context):
    server = context.own(executor="sandbox", shards=1, flags=["--seats", "3"]).start()
    client = server.client
    quick = client.accept("echo started; sleep 2; echo done", lang="bash")
    slow = client.accept("sleep 60", lang="bash", retry={"max_attempts": 2, "on": ["infrastructure"]})
    once = client.accept("sleep 60", lang="bash", retry={"max_attempts": 1})
    for identity in (quick, slow, once):
        client.wait_for_status(identity, ("running",))
    queued = [client.accept("echo later", lang="bash") for _ in range(5)]
    with client.stream(queued[4]) as stream:
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(stream))
        reader.start()
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        during = [client.request("GET", "/readyz", fresh=True), client.request("POST", "/api/v1/execute",
                                                                             {"script": "a"}, fresh=True)]
        expect.equal(server.wait(), 0, "exit code")
        reader.join(5)
        expect.equal([event.type for event in seen if event.number is None], ["drain"], "events without a number")
        expect.equal(stream.end, "closed", "the end of the stream")
    expect.equal([answer.status for answer in during], [503, 503], "/readyz and new work during the drain")
    assert int(during[1].header("Retry-After")) >= 1, during[1].headers.items()

    server.start()
    client = server.client
    result = client.wait(quick)
    expect.equal((result["status"], result["stdout"]), ("completed", "started\ndone\n"), "what had time to finish")
    result = client.wait(once)
    expect.equal((result["status"], result["error_type"]), ("failed", "infrastructure"), "what was cut off")
    for identity in queued:
        expect.equal(client.wait(identity)["stdout"], "later\n", "what was queued")
    expect.equal(client.wait_for_status(slow, ("running",))["attempt"], 2, "the attempt that follows")
    client.cancel(slow)
    for identity in (quick, slow, once, *queued):
        client.wait(identity)
        expect.whole_history(client.events(identity), identity)
    expect.equal(server.stuck(), [])


@case()
def a_second_signal_ends_it_at_once(context):
    server = context.own(executor="sandbox", environment={"WEIR_SHUTDOWN__GRACE_S": "60"}).start()
    identity = server.client.accept("sleep 600", lang="bash")
    server.client.wait_for_status(identity, ("running",))
    server.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert server.running(), "it did not wait for the running program"
    begun = time.monotonic()
    server.signal(signal.SIGTERM)
    server.wait(10)
    assert time.monotonic() - begun < 3, "the second signal took long"
    server.start()
    expect.equal(server.client.view(identity)["execution_id"], identity, "what was accepted is still there")
    server.client.cancel(identity)


@case()
def another_number_of_shards_finds_everything(context):
    server = context.own(executor="noop", shards=2).start()
    ids = {server.client.accept("a", labels={"n": str(number)}) for number in range(100)}
    for shards in (1, 3, 2, 1):
        server.restart(shards=shards)
        expect.equal({item["execution_id"] for item in server.client.list_all("", page=30)}, ids, f"{shards} shards")
        for identity in ids:
            expect.equal(server.client.wait(identity)["status"], "completed")
        ids.add(server.client.accept("a"))
    expect.equal(server.stuck(), [])


@case()
def no_program_outlives_a_killed_server(context):
    server = context.own(executor="sandbox").start()
    marker = f"weir-survivor-{os.getpid()}-{time.monotonic_ns()}"
    ids = [server.client.accept("(setsid sleep 300 &) ; sleep 300", lang="bash", args=[marker]) for _ in range(4)]
    for identity in ids:
        server.client.wait_for_status(identity, ("running",))
    deadline = time.monotonic() + 10
    while len(processes_with(marker)) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(processes_with(marker)) >= 4, "the programs are not to be seen"
    server.kill()
    deadline = time.monotonic() + 3
    while processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.02)
    expect.equal(processes_with(marker), [], "processes left behind")


def processes_with(marker):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if marker.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                pass
    return found
