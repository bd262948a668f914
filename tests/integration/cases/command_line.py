"""The command line: output, exit codes, and JSON for machines."""

import json
import signal
import subprocess
import time

from harness import expect
from harness.runner import case
from harness.server import clean_environment


def script(server, name, text):
    path = server.home / name
    path.write_text(text)
    return path


@case()
def run_gives_the_programs_streams_and_exit_code(context):
    server = context.shared()
    weir = context.binary
    done = weir.cli("run", script(server, "hello.py", "import sys\nprint('out'); print('err', file=sys.stderr)"),
                    server=server)
    expect.equal((done.returncode, done.stdout), (0, "out\n"), done.stderr)
    assert done.stderr.startswith("err\n") and "completed" in done.stderr, done.stderr
    for name, text, code in (("seven.sh", "exit 7", 7), ("kill.sh", "kill -SEGV $$", 128 + 11),
                             ("node.js", "console.log('x'); process.exit(3)", 3)):
        done = weir.cli("run", script(server, name, text), server=server)
        expect.equal(done.returncode, code, f"{name}: {done.stderr}")
    server.client.get("/livez")


@case()
def run_tells_of_limits_and_refusals(context):
    server = context.shared()
    weir = context.binary
    done = weir.cli("run", server.home / "not-there.py", server=server)
    assert done.returncode not in (0, 124, 130), done
    done = weir.cli("run", script(server, "empty.py", ""), server=server)
    assert done.returncode not in (0, 124, 130) and "script" in done.stderr, done


@case()
def usage_errors_are_2(context):
    weir = context.binary
    for arguments in (["--no-such-flag"], ["no-such-command"], ["run"], ["show"], ["list", "--nonsense"], []):
        done = weir.cli(*arguments)
        expect.equal(done.returncode, 2, f"weir {' '.join(arguments)}: {done.stdout}{done.stderr}")
        assert done.stderr, "an error without a word"
    for arguments in (["--help"], ["run", "--help"], ["version"]):
        done = weir.cli(*arguments)
        expect.equal(done.returncode, 0, f"weir {' '.join(arguments)}")
        assert done.stdout, "help without a word"


@case()
def an_absent_server_is_7(context):
    weir = context.binary
    for command in (["list"], ["show", "01890a5d-ac96-774b-bcce-b302099a8057"], ["admin", "stuck"]):
        done = weir.cli(*command, "--server", "http://127.0.0.1:9")
        expect.equal(done.returncode, 7, f"{command}: {done.stderr}")
        assert "127.0.0.1:9" in done.stderr, done.stderr


@case()
def show_list_logs_and_cancel(context):
    server = context.shared()
    weir = context.binary
    identity = server.client.run("print('line')", labels={"cli": "yes"})["execution_id"]
    shown = weir.cli("show", identity, "-o", "json", server=server)
    expect.equal((shown.returncode, json.loads(shown.stdout)["execution_id"]), (0, identity), shown.stderr)
    listed = weir.cli("list", "-o", "json", server=server)
    body = json.loads(listed.stdout)
    items = body["items"] if isinstance(body, dict) else body
    assert identity in [item["execution_id"] for item in items], "not in the list"
    for command in (["logs", identity], ["logs", "-f", identity]):
        logged = weir.cli(*command, server=server)
        expect.equal((logged.returncode, logged.stdout), (0, "line\n"), f"{command} {logged.stderr}")
    plain = weir.cli("list", server=server)
    assert identity in plain.stdout and "\x1b" not in plain.stdout, "escape codes in a pipe"
    expect.equal(weir.cli("cancel", identity, server=server).returncode, 5, "cancelling what has ended")
    for command in ("show", "logs", "cancel"):
        done = weir.cli(command, "01890a5d-ac96-774b-bcce-b302099a8057", server=server)
        expect.equal(done.returncode, 3, f"{command} of nothing")
    running = server.client.accept("sleep 60", lang="bash")
    expect.equal(weir.cli("cancel", running, server=server).returncode, 0, "cancel")
    expect.equal(server.client.wait(running)["status"], "cancelled")


@case()
def the_server_can_come_from_the_environment(context):
    server = context.shared("noop")
    done = context.binary.cli("list", "-o", "json", environment={"WEIR_SERVER": server.url})
    expect.equal(done.returncode, 0, done.stderr)


@case()
def logs_follow_a_running_program(context):
    server = context.shared()
    identity = server.client.accept("for i in 1 2 3; do echo $i; sleep 0.5; done", lang="bash")
    process = subprocess.Popen([str(context.binary.path), "logs", "-f", identity, "--server", server.url],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
    times = []
    lines = []
    for line in process.stdout:
        lines.append(line)
        times.append(time.monotonic())
    process.stdout.close()
    expect.equal((process.wait(10), lines), (0, [b"1\n", b"2\n", b"3\n"]))
    assert times[-1] - times[0] > 0.7, "the lines did not come as they were written"


@case()
def interrupting_run_cancels_and_is_130(context):
    server = context.shared()
    path = script(server, "sleeper.sh", "echo up; sleep 60")
    process = subprocess.Popen([str(context.binary.path), "run", str(path), "--server", server.url],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
    expect.equal(process.stdout.readline(), b"up\n")
    process.send_signal(signal.SIGINT)
    expect.equal(process.wait(15), 130, "exit code")
    process.stdout.close()


@case()
def stuck_is_empty_and_the_log_verifies(context):
    server = context.own(executor="noop").start()
    for _ in range(50):
        server.client.execute("a", wait_s=10)
    expect.equal(server.stuck(), [])
    expect.equal(server.stop(), 0)
    done = context.binary.cli("log", "verify", server.data)
    expect.equal(done.returncode, 0, f"{done.stdout}{done.stderr}")
    segments = [path for path in server.data.rglob("*") if path.is_file() and path.stat().st_size > 4096]
    assert segments, "no file of the log"


@case()
def version_is_told(context):
    done = context.binary.cli("version", "-o", "json")
    expect.equal(done.returncode, 0, done.stderr)
    assert "version" in json.loads(done.stdout), done.stdout
