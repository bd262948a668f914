"""Programs that take the place of what had booted before them: told truly, never waited for, and lost with nothing."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import expect
from harness.runner import Skipped, case
from harness.warm import start_of, warmed, with_python_manifest


def has(client, lang):
    return lang in client.get("/api/v1/k8s-limits").json()["supported_runtimes"]


def name_of(process):
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def children(process):
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def brokers(server):
    return [broker for nursery in children(server.pid) for broker in children(nursery)]


def zygotes(server):
    """The interpreters that are a broker's own children; boxes have names that begin with weir-."""
    return [one for broker in brokers(server) for one in children(broker) if name_of(one).startswith("python")]


def wait_until(met, what, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline, f"{what}: not after {timeout_s} s"
        time.sleep(0.05)


@case()
def results_tell_how_a_program_began(context):
    client = context.own(shards=1).start().client
    expect.equal(start_of(client), "cold", "the first one finds nothing that has booted")
    warmed(client)
    expect.equal(start_of(client, isolation="warm"), "zygote")
    expect.equal(start_of(client, isolation="cold"), "cold")
    expect.equal(start_of(client, "int main() {}", "c"), "cold")
    for lang in ("bash", "perl"):
        warmed(client, lang, "exit 0")
        expect.equal(start_of(client, "exit 0", lang, isolation="cold"), "cold")
    if has(client, "node"):
        warmed(client, "node")
        expect.equal(start_of(client, lang="node", isolation="cold"), "cold")
    expect.problem(client.execute("1", isolation="hot"), 422, "invalid")


@case()
def a_warm_program_is_like_a_cold_one(context):
    client = context.shared().client
    warmed(client)
    script = ("import os, sys\nprint(sys.argv, sys.stdin.read(), open('in').read(), os.getcwd(), sorted(os.environ))\n"
              "open('out', 'w').write('o')\nprint('e', file=sys.stderr)\nsys.exit(3)")
    fields = {"args": ["a b", ""], "stdin": "i", "files": [{"path": "in", "text": "f"}], "outputs": ["out"]}
    cold, warm = (client.run(script, isolation=kind, **fields) for kind in ("cold", "warm"))
    for name in ("status", "exit_code", "error_type", "stdout", "stderr", "artifacts"):
        expect.equal(warm[name], cold[name], name)
    expect.equal((warm["exit_code"], warm["isolation"]["start"]), (3, "zygote"))
    assert warm["resource_usage"]["cpu_time_seconds"] is not None


# What had booted before is kept out of the collector's way; what the program itself has made is not.
@case()
def a_warm_programs_objects_end_with_it(context):
    client = context.shared().client
    warmed(client)
    script = ("import __main__, gc, sys\n"
              "class Ends:\n def __init__(self, name): self.name = name\n def __del__(self): print('ended', self.name)\n"
              "def held(): return kept\n"
              "kept, ring = Ends('global'), Ends('ring')\nring.self = ring\n"
              "lost = Ends('garbage')\nlost.self = lost\ndel lost\nprint(gc.collect() > 0)\n"
              "print(__main__.__dict__ is globals(), sys.modules['__main__'] is __main__, sorted(globals()))")
    cold, warm = (client.run(script, isolation=kind) for kind in ("cold", "warm"))
    expect.equal(warm["isolation"]["start"], "zygote")
    expect.equal(sorted(warm["stdout"].splitlines()), sorted(cold["stdout"].splitlines()))
    expect.equal(warm["stdout"].count("ended"), 3)


@case()
def without_pools_everything_is_cold(context):
    client = context.own(shards=1, environment={"WEIR_SANDBOX__POOL_MAX": "0"}).start().client
    for _ in range(5):
        expect.equal(start_of(client), "cold")
        time.sleep(0.1)
    expect.equal((client.metric("weir_pool_ready"), client.metric("weir_zygotes_started_total")), (0, 0))


# A stopped zygote owes every program a process; when it dies these attempts end as infrastructure, and policy repeats them.
@case()
def a_killed_zygote_loses_no_execution(context):
    server = context.own(shards=1).start()
    client = server.client
    warmed(client)
    stopped = zygotes(server)
    expect.equal(len(stopped), 1)
    os.kill(stopped[0], signal.SIGSTOP)
    posted = [client.accept(f"print({number})") for number in range(6)]
    once = [client.accept("print('once')", retry={"max_attempts": 1}) for _ in range(2)]
    time.sleep(0.5)
    os.kill(stopped[0], signal.SIGKILL)
    for number, identity in enumerate(posted):
        result = client.wait(identity)
        expect.equal((result["status"], result["stdout"]), ("completed", f"{number}\n"), result["error_message"])
    ends = [event.body for identity in posted for event in client.events(identity)
            if event.type == "execution_attempt_ended"]
    assert ends, "no attempt was lost; was the zygote not used?"
    expect.equal({end["error_type"] for end in ends}, {"infrastructure"})
    for identity in once:
        result = client.wait(identity)
        assert result["error_type"] in (None, "infrastructure"), result
    wait_until(lambda: zygotes(server) and zygotes(server) != stopped, "another zygote")
    warmed(client)
    assert client.metric("weir_zygotes_started_total") >= 2


@case()
def a_killed_broker_loses_no_execution(context):
    server = context.own(shards=1).start()
    client = server.client
    warmed(client)
    posted = [client.accept(f"import time\ntime.sleep(1)\nprint({number})") for number in range(4)]
    for identity in posted:
        client.wait_for_status(identity, ("running",))
    before = brokers(server)
    expect.equal(len(before), 1)
    os.kill(before[0], signal.SIGKILL)
    for number, identity in enumerate(posted):
        result = client.wait(identity)
        expect.equal((result["status"], result["stdout"]), ("completed", f"{number}\n"), result["error_message"])
        expect.equal(client.view(identity)["attempt"], 2)
    assert brokers(server) != before
    warmed(client)


# In a box each of these is told to its first process, which must hear of it although no program is there yet.
@case()
def a_hook_may_make_sockets_ahead_of_the_program(context):
    mark = "            # In a box."
    client = with_python_manifest(
        context, mark, "            import socket\n            os.kept = socket.socketpair()\n" + mark)
    result = client.run("import os\nos.kept[0].send(b'through')\nprint(os.kept[1].recv(9))")
    expect.equal((result["stdout"], result["isolation"]["start"]), ("b'through'\n", "zygote"), result["stderr"])


@case()
def pools_follow_demand_and_shrink(context):
    server = context.own(shards=1, environment={"WEIR_SANDBOX__POOL_MAX": "4"}).start()
    client = server.client
    warmed(client)

    def wanted():
        return client.metric("weir_pool_wanted")

    with ThreadPoolExecutor(8) as pool:
        deadline = time.monotonic() + 30
        while wanted() < 4 and time.monotonic() < deadline:
            list(pool.map(lambda _: client.run("import time; time.sleep(0.05)"), range(16)))
    assert wanted() >= 4, "more demand, and the pools don't grow"
    missed, taken = client.metric("weir_pool_missed_total"), client.metric("weir_pool_taken_total")
    assert missed > 0 and taken > 0, (missed, taken)
    idle = time.monotonic()
    # One of boxes without a program, and one of boxes with python.
    wait_until(lambda: wanted() <= 2 and client.metric("weir_pool_ready") <= 2, "the pools at rest", 11)
    print(f"    at rest after {time.monotonic() - idle:.1f} s", flush=True)
    assert client.metric("weir_pool_given_up_total") > 0
    expect.equal(start_of(client), "zygote", "one still waits")
    if not zygotes(server):
        raise Skipped("no zygote on this machine")
