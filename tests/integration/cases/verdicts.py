"""Every end has its own name: verdicts of programs that behave in all the wrong ways."""

import time

from harness import expect
from harness.runner import case


def verdict(context, script, lang="python", **fields):
    """Runs it; gives (status, error_type, exit_code, signal) and the whole result."""
    result = context.shared().client.run(script, lang=lang, **fields)
    return (result["status"], result["error_type"], result["exit_code"], result["signal"]), result


@case()
def exit_codes(context):
    for code in (1, 2, 42, 255):
        seen, result = verdict(context, f"import sys; print('partial'); sys.exit({code})")
        expect.equal(seen, ("failed", "exit_code", code, None))
        expect.equal(result["stdout"], "partial\n")
    seen, _ = verdict(context, "exit 0", "bash")
    expect.equal(seen, ("completed", None, 0, None))
    seen, _ = verdict(context, "process.exit(7)", "node")
    expect.equal(seen, ("failed", "exit_code", 7, None))


@case()
def signals_have_names(context):
    for name in ("SIGSEGV", "SIGKILL", "SIGTERM", "SIGABRT"):
        seen, _ = verdict(context, f"import os, signal; os.kill(os.getpid(), signal.{name})")
        expect.equal(seen, ("failed", "signal", None, name))


@case()
def a_traceback_is_standard_error(context):
    seen, result = verdict(context, "1/0")
    expect.equal(seen, ("failed", "exit_code", 1, None))
    assert "ZeroDivisionError" in result["stderr"] and result["stdout"] == "", result


@case()
def the_wall_limit_ends_a_sleeper(context):
    begun = time.monotonic()
    seen, result = verdict(context, "print('before', flush=True)\nimport time; time.sleep(60)", limits={"wall_ms": 700})
    expect.equal(seen[:2], ("timeout", "timeout_wall"))
    expect.equal(result["stdout"], "before\n")
    assert time.monotonic() - begun < 10, "it took far longer than its limit"
    assert 0.6 < result["resource_usage"]["execution_time_wall_seconds"] < 5, result["resource_usage"]


@case()
def the_wall_limit_ends_a_whole_tree(context):
    seen, _ = verdict(context, "trap '' TERM INT HUP\n(trap '' TERM; sleep 600) & (setsid sleep 601) & sleep 602", "bash",
                      limits={"wall_ms": 700})
    expect.equal(seen[:2], ("timeout", "timeout_wall"))


@case(needs="limits")
def the_cpu_limit_ends_a_burner(context):
    seen, result = verdict(context, "while True: pass", limits={"cpu_ms": 500})
    expect.equal(seen[:2], ("timeout", "timeout_cpu"))
    assert 0.4 < result["resource_usage"]["cpu_time_seconds"] < 5, result["resource_usage"]


@case(needs="limits")
def the_cpu_limit_counts_the_whole_tree(context):
    script = "for i in 1 2 3 4; do (while :; do :; done) & done; wait"
    seen, _ = verdict(context, script, "bash", limits={"cpu_ms": 800})
    expect.equal(seen[:2], ("timeout", "timeout_cpu"))


@case(needs="limits")
def the_memory_limit_names_itself(context):
    script = "print('before', flush=True)\nx = bytearray(200_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('after')"
    seen, result = verdict(context, script, limits={"memory_bytes": 64 << 20})
    expect.equal(seen[:2], ("failed", "out_of_memory"))
    expect.equal(result["stdout"], "before\n")


@case(needs="limits")
def the_memory_limit_counts_the_whole_tree(context):
    script = ("import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = b'x' * 30_000_000\n"
              "        time.sleep(5); os._exit(0)\nfor _ in range(4): os.wait()\n")
    seen, _ = verdict(context, script, limits={"memory_bytes": 64 << 20})
    expect.equal(seen[:2], ("failed", "out_of_memory"))


@case(needs="limits")
def the_process_limit_names_itself(context):
    script = ("import os, time, sys\nfor _ in range(100):\n    try:\n        pid = os.fork()\n"
              "    except OSError:\n        sys.exit(9)\n    if pid == 0:\n        time.sleep(20); os._exit(0)\n")
    seen, result = verdict(context, script, limits={"processes": 10})
    expect.equal(seen, ("failed", "process_limit", 9, None))
    assert result["resource_usage"]["peak_processes"] <= 10, result["resource_usage"]


@case(needs="limits")
def a_fork_bomb_is_contained(context):
    seen, _ = verdict(context, ":(){ :|:& };:\nsleep 60", "bash", limits={"processes": 32, "wall_ms": 3000})
    assert seen[0] in ("failed", "timeout"), seen
    expect.equal(context.shared().client.run("print('alive')")["stdout"], "alive\n")


@case()
def the_disk_limit_names_itself(context):
    script = ("import sys\ntry:\n    with open('big', 'wb') as f:\n        for _ in range(100): f.write(bytes(1 << 20))\n"
              "except OSError as e:\n    print(e.errno); sys.exit(5)\n")
    seen, _ = verdict(context, script, limits={"disk_bytes": 8 << 20})
    expect.equal(seen, ("failed", "disk_limit", 5, None))


@case()
def a_hit_limit_is_no_failure_when_the_exit_is_0(context):
    script = ("try:\n    with open('big', 'wb') as f:\n        for _ in range(100): f.write(bytes(1 << 20))\n"
              "except OSError: print('full')\n")
    seen, result = verdict(context, script, limits={"disk_bytes": 8 << 20})
    expect.equal(seen, ("completed", None, 0, None))
    expect.equal(result["stdout"], "full\n")


@case()
def usage_is_measured(context):
    script = "x = bytearray(50_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\ns = 0\nfor i in range(3000000): s += i"
    _, result = verdict(context, script)
    usage = result["resource_usage"]
    expect.equal(set(usage), {"execution_time_wall_seconds", "cpu_time_seconds", "cpu_time_jiffies", "clk_tck_hertz",
                              "peak_memory_kb", "peak_processes", "output_bytes"}, "members of resource_usage")
    assert usage["execution_time_wall_seconds"] > 0.05, usage
    if usage["cpu_time_seconds"] is not None:
        assert 0.02 < usage["cpu_time_seconds"] < 60, usage
    if usage["peak_memory_kb"] is not None:
        assert 48_000 < usage["peak_memory_kb"] < 262_144, usage


@case()
def a_box_is_closed(context):
    """No network, not root, no way to the host's files or other boxes' processes."""
    script = """
import os, socket
seen = {}
try:
    socket.create_connection(("127.0.0.1", %d), timeout=2).close(); seen["network"] = "open"
except OSError: seen["network"] = "closed"
seen["root"] = os.getuid() == 0
seen["data"] = os.path.exists(%r)
seen["processes"] = len([p for p in os.listdir("/proc") if p.isdigit()]) if os.path.isdir("/proc") else 0
try:
    open("/usr/bin/weir-was-here", "w"); seen["usr"] = "writable"
except OSError: seen["usr"] = "read-only"
seen["secrets"] = [n for n in os.environ if n.startswith("WEIR")] + [p for p in ("/root/.ssh", "/etc/shadow") if os.access(p, os.R_OK)]
print(seen)
"""
    server = context.shared()
    _, result = verdict(context, script % (server.client.port, str(server.data)))
    import ast

    seen = ast.literal_eval(result["stdout"])
    expect.equal((seen["network"], seen["root"], seen["data"], seen["usr"], seen["secrets"]),
                 ("closed", False, False, "read-only", []), "the box")
    assert seen["processes"] < 5, seen


@case()
def boxes_leave_nothing_for_the_next(context):
    client = context.shared().client
    write = "import os\nfor d in ('.', '/tmp', '/dev/shm'):\n    try: open(d + '/left-behind', 'w').close()\n    except OSError: pass"
    client.run(write)
    seen = client.run("import os\nprint([d for d in ('.', '/tmp', '/dev/shm') if os.path.exists(d + '/left-behind')])")
    expect.equal(seen["stdout"], "[]\n")


@case()
def all_languages_run(context):
    client = context.shared().client
    for lang, script in (("python", "import sys; print('hi', sys.argv[1])"), ("bash", 'echo "hi $1"'),
                         ("node", "console.log('hi', process.argv[2])")):
        result = client.run(script, lang=lang, args=["there"])
        expect.equal((result["status"], result["stdout"]), ("completed", "hi there\n"), lang)
