"""Clients that type to a running program: pipes, terminals, signals, and what becomes of it when somebody goes."""

import fcntl
import hashlib
import json
import os
import select
import socket
import struct
import subprocess
import termios
import time

from harness import expect
from harness.runner import case
from harness.websocket import BINARY, PING, TEXT, Attached, Refused

PTY = {"pty": {"rows": 30, "columns": 100}}


def live(context, script, lang="bash", interactive=True, **fields):
    server = context.shared()
    identity = server.client.accept(script, lang=lang, interactive=interactive, **fields)
    return server, identity


def refused(server, identity, **options):
    try:
        Attached(server, identity, **options)
    except Refused as answer:
        return answer
    raise AssertionError("it was let in")


@case()
def what_is_typed_reaches_the_program(context):
    server, identity = live(context, "while read -r line; do echo \"got $line\"; done; echo end", stdin="first\n")
    client = Attached(server, identity).until_output("got first\n")
    expect.equal(client.messages[0], {"type": "attached", "execution_id": identity, "interactive": {}})
    client.type("second\n")
    client.until_output("got second\n")
    client.tell(type="end")
    client.until_closed()
    expect.equal((client.close_code, client.output["stdout"]), (1000, b"got first\ngot second\nend\n"))
    expect.equal([event["seq"] for event in client.events], list(range(1, len(client.events) + 1)))
    expect.equal(client.events[-1]["event_type"], "execution_completed")
    # The same bytes as the event stream's.
    stream = server.client.events(identity)
    expect.equal([event["raw"] for event in client.events], [event.data for event in stream])


@case()
def every_byte_arrives_once(context):
    script = ("import sys, hashlib\ndata = sys.stdin.buffer.read()\n"
              "print(len(data), hashlib.sha256(data).hexdigest())")
    server, identity = live(context, script, "python")
    data = bytes(range(256)) * 12_000
    client = Attached(server, identity)
    for at in range(0, len(data), 60_000):
        client.type(data[at:at + 60_000])
    client.tell(type="end")
    client.until_closed()
    expect.equal(client.output["stdout"], f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode())


@case()
def a_client_that_comes_again_resumes(context):
    server, identity = live(context, "while read -r line; do echo \"got $line\"; done")
    first = Attached(server, identity)
    first.type("one\n")
    first.until_output("got one\n")
    last = first.events[-1]["seq"]
    first.close()
    second = Attached(server, identity, after=last)
    second.type("two\n")
    second.until_output("got two\n")
    expect.equal(second.events[0]["seq"], last + 1)
    second.tell(type="end")
    second.until_closed()
    expect.equal(second.output["stdout"], b"got two\n")


@case()
def two_clients_type_to_one_program(context):
    server, identity = live(context, "read -r a; read -r b; echo \"$a $b\"")
    one, two = Attached(server, identity), Attached(server, identity)
    one.type("left\n")
    time.sleep(0.2)
    two.type("right\n")
    for client in (one, two):
        client.until_closed()
        expect.equal(client.output["stdout"], b"left right\n")


@case()
def too_many_clients_are_refused(context):
    server, identity = live(context, "sleep 60")
    clients = [Attached(server, identity) for _ in range(8)]
    answer = refused(server, identity)
    expect.equal((answer.status, answer.problem["limit"]), (429, "attach.clients_max"))
    clients.pop().close()
    deadline = time.monotonic() + 10
    while True:  # the server sees it go at its own time
        try:
            clients.append(Attached(server, identity))
            break
        except Refused:
            assert time.monotonic() < deadline, "the place was not given back"
            time.sleep(0.02)
    server.client.post(f"/api/v1/executions/{identity}/cancel")
    for client in clients:
        client.until_closed()
        expect.equal(client.close_code, 1000)


@case()
def a_program_that_does_not_read_slows_its_client_down(context):
    server, identity = live(context, "read -r line < <(sleep 60); cat | wc -c")
    client = Attached(server, identity)
    client.socket.settimeout(2.0)
    sent = 0
    try:
        while sent < 64 << 20:
            client.type(b"x" * 60_000)
            sent += 60_000
    except TimeoutError:
        pass
    assert sent < 32 << 20, "64 MiB were taken, although nobody reads"
    metrics = server.client.get("/metrics").body.decode()
    reached = [line for line in metrics.splitlines()
               if line.startswith('weir_limit_reached_total{limit="attach.input_bytes_max"')]
    assert reached and not all(line.endswith(" 0") for line in reached), reached
    server.client.post(f"/api/v1/executions/{identity}/cancel")
    result = server.client.wait(identity)
    expect.equal(result["status"], "cancelled")
    client.close()


@case()
def a_program_has_a_terminal(context):
    script = ("import os, sys, termios, fcntl, struct\n"
              "print(os.isatty(0), os.isatty(1), os.isatty(2), os.ttyname(0), os.environ['TERM'])\n"
              "print(struct.unpack('HHHH', fcntl.ioctl(0, termios.TIOCGWINSZ, b'\\0' * 8))[:2])\n"
              "tty = open('/dev/tty', 'w'); tty.write('by name\\n'); tty.flush()\n"
              "print(os.tcgetpgrp(0) == os.getpgrp(), os.getsid(0) == os.getpid())\n"
              "print('name?', flush=True)\nname = input()\nprint('hello', name)\n")
    server, identity = live(context, script, "python", PTY)
    client = Attached(server, identity).until_output("name?")
    expect.equal(client.messages[0]["interactive"], PTY)
    client.type("Ada\n")
    client.until_closed()
    expect.equal(client.output["stdout"].decode().splitlines(),
                 ["True True True /dev/pts/0 xterm-256color", "(30, 100)", "by name", "True True", "name?", "Ada",
                  "hello Ada"])
    expect.equal(client.output["stderr"], b"")


@case()
def a_terminal_has_lines_signals_and_an_end(context):
    server, identity = live(context, "trap 'echo interrupted' INT; cat; echo \"cat $?\"; cat; echo over", "bash", PTY)
    client = Attached(server, identity)
    client.type("to be erased\x15kept\n")  # Ctrl-U
    client.until_output("kept\r\nkept\r\n")
    client.type("\x03")
    client.until_output("interrupted\r\n")
    client.until_output("cat 130\r\n")
    client.tell(type="end")
    client.until_output("over\r\n")
    client.until_closed()


@case()
def a_resize_reaches_the_program(context):
    script = ("import signal, os, time\ndef changed(*_): print(tuple(os.get_terminal_size(0)), flush=True)\n"
              "signal.signal(signal.SIGWINCH, changed)\nprint('ready', flush=True)\ninput()\n")
    server, identity = live(context, script, "python", PTY)
    client = Attached(server, identity).until_output("ready")
    client.tell(type="resize", rows=50, columns=132)
    client.until_output("(132, 50)")
    client.type("\n")
    client.until_closed()


@case()
def signals_reach_the_program_and_its_children(context):
    script = "trap 'echo got USR1' USR1; trap 'echo got TERM; exit 3' TERM\necho ready; while :; do sleep 0.05; done"
    server, identity = live(context, script)
    client = Attached(server, identity).until_output("ready\n")
    client.tell(type="signal", name="SIGUSR1")
    client.until_output("got USR1\n")
    client.tell(type="signal", name="SIGTERM")
    client.until_closed()
    result = server.client.result(identity)
    expect.equal((result["error_type"], result["exit_code"]), ("exit_code", 3))


@case()
def a_program_can_not_forge_signals(context):
    # To pid 1, from within its namespace: they mean nothing there.
    script = ("import os, signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('forged'))\n"
              "for number in range(1, 65):\n    try: os.kill(1, number)\n    except (PermissionError, OSError): pass\n"
              "time.sleep(0.3)\nprint('done')")
    server = context.shared()
    result = server.client.run(script, interactive=True)
    expect.equal((result["status"], result["stdout"]), ("completed", "done\n"))


@case()
def a_program_has_no_way_to_another_terminal(context):
    script = ("import fcntl, os, termios\n"
              "print(sorted(os.listdir('/dev/pts')))\n"
              "for what in ('/dev/ptmx', '/dev/pts/ptmx', '/dev/pts/1', '/dev/tty0', '/dev/console'):\n"
              "    try: print(what, os.open(what, os.O_RDWR))\n"
              "    except OSError as e: print(what, 'no')\n"
              "for name, code in (('TIOCSTI', 0x5412), ('TIOCLINUX', 0x541C), ('TIOCCONS', 0x541D), ('TIOCSETD', 0x5423)):\n"
              "    try: fcntl.ioctl(0, code, b'x\\0\\0\\0'); print(name, 'worked')\n"
              "    except OSError as e: print(name, 'no')\n")
    server, identity = live(context, script, "python", PTY)
    client = Attached(server, identity).until_closed()
    lines = client.output["stdout"].decode().splitlines()
    expect.equal(lines[0], "['0', 'ptmx']")
    assert all(line.endswith(" no") for line in lines[1:]) and len(lines) == 10, lines
    # And one without a terminal finds none.
    result = server.client.run("import os\nprint(os.listdir('/dev/pts'), os.path.exists('/dev/tty'))")
    expect.equal(result["stdout"], "[] False\n")


@case()
def what_only_an_interactive_program_has(context):
    server = context.shared()
    identity = server.client.accept("sleep 30", lang="bash")
    answer = refused(server, identity)
    expect.equal((answer.status, answer.problem["code"]), (409, "not_interactive"))
    server.client.post(f"/api/v1/executions/{identity}/cancel")
    server, identity = live(context, "exit 0")
    server.client.wait(identity)
    answer = refused(server, identity)
    expect.equal((answer.status, answer.problem["code"]), (409, "already_finished"))
    answer = refused(server, "0198c5c0-0000-7000-8000-000000000000")
    expect.equal((answer.status, answer.problem["code"]), (404, "not_found"))


@case()
def pages_of_other_sites_are_refused(context):
    server, identity = live(context, "sleep 30")
    answer = refused(server, identity, headers=["Origin: http://elsewhere.example"])
    expect.equal((answer.status, answer.problem["code"]), (403, "origin_not_allowed"))
    own = f"Origin: http://{server.client.host}:{server.client.port}"
    Attached(server, identity, headers=[own]).close()
    plain = server.client.get(f"/api/v1/executions/{identity}/attach")
    expect.problem(plain, 426, "upgrade_required")
    expect.equal(plain.header("Upgrade"), "websocket")
    server.client.post(f"/api/v1/executions/{identity}/cancel")


@case()
def what_a_client_says_wrong_is_told(context):
    server, identity = live(context, "sleep 30")

    def said(opcode, payload, code, words=""):
        client = Attached(server, identity)
        client.send(opcode, payload)
        client.until_closed()
        expect.equal(client.close_code, code, client.close_reason)
        assert words in client.close_reason, client.close_reason

    said(TEXT, b"hello", 1008, "JSON object")
    said(TEXT, b'{"type": "dance"}', 1008, "type must be")
    said(TEXT, b'{"type": "resize", "rows": 10, "columns": 10}', 1008, "no terminal")
    said(TEXT, b'{"type": "resize", "rows": 0, "columns": 10}', 1008, "rows must be")
    said(TEXT, b'{"type": "resize", "rows": 1, "columns": 1001}', 1008, "columns must be")
    said(TEXT, b'{"type": "signal", "name": "SIGSTOP"}', 1008, "name must be")
    said(TEXT, b"\xff\xfe", 1007)
    said(BINARY, b"x" * 65_537, 1009, "attach.message_bytes_max: 65536")
    client = Attached(server, identity)
    client.socket.sendall(client.frame(BINARY, b"unmasked", masked=False))
    expect.equal(client.until_closed().close_code, 1002)
    client = Attached(server, identity)
    client.send(PING, b"are you there")
    client.until(lambda c: c.pongs == [b"are you there"], "the pong")
    client.close()
    server.client.post(f"/api/v1/executions/{identity}/cancel")


@case()
def the_field_is_checked(context):
    client = context.shared().client
    for value, pointer in ((1, "/interactive"), ({"pty": 1}, "/interactive/pty"), ({"tty": {}}, "/interactive/tty"),
                           ({"pty": {"rows": 0}}, "/interactive/pty/rows"),
                           ({"pty": {"columns": 1001}}, "/interactive/pty/columns"),
                           ({"pty": {"lines": 3}}, "/interactive/pty/lines")):
        expect.input_error(client.execute("pass", interactive=value), pointer)
    body = expect.problem(client.execute("pass", interactive={"pty": {"rows": 1001}}), 422)
    expect.equal((body["limit"], body["limit_value"]), ("terminal_rows_max", 1000))
    result = client.run("print(1)", interactive=False)
    expect.equal(result["stdout"], "1\n")


@case()
def a_client_that_vanishes_leaves_the_program_alone(context):
    server, identity = live(context, "read -r line; echo \"got $line\"")
    client = Attached(server, identity).until(lambda c: len(c.events) >= 5, "the start")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    client = Attached(server, identity)
    client.type("still\n")
    client.until_closed()
    expect.equal(client.output["stdout"], b"got still\n")


@case()
def what_was_typed_is_gone_with_the_server(context):
    server = context.own()
    server.start()
    identity = server.client.accept("read -r line; echo \"got $line\"", lang="bash", interactive=True,
                                    retry={"max_attempts": 2, "on": ["infrastructure"], "backoff_ms": 1})
    client = Attached(server, identity).until(lambda c: any(e["event_type"] == "execution_started" for e in c.events),
                                              "the start")
    server.kill()
    client.close()
    server.start()
    client = Attached(server, identity)
    client.until(lambda c: any(e["event_type"] == "execution_started" and e["attempt"] == 2 for e in c.events),
                 "the second start")
    client.type("again\n")
    client.until_closed()
    expect.equal(client.output["stdout"], b"got again\n")


@case()
def a_server_that_shuts_down_says_so(context):
    server = context.own()
    server.start()
    identity = server.client.accept("sleep 60", lang="bash", interactive=True)
    client = Attached(server, identity).until(lambda c: len(c.events) >= 5, "the start")
    server.process.terminate()
    client.until_closed()
    expect.equal((client.close_code, client.messages[-1]), (1001, {"type": "drain", "reason": "shutting_down"}))


class Person:
    """Somebody at a terminal, at whose other end `weir` runs."""

    def __init__(self, context, server, *arguments):
        self.master, slave = os.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""
        self.process = subprocess.Popen([str(context.binary.path), *arguments, "--color", "never", "--server",
                                         server.url], stdin=slave,
                                        stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def sees(self, wanted, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while wanted.encode() not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{wanted!r} was not seen in {self.seen!r}"
            self.seen += os.read(self.master, 65536)
        self.seen = self.seen.partition(wanted.encode())[2]

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ends_with(self, code):
        expect.equal(self.process.wait(30), code, "exit code")
        expect.equal(termios.tcgetattr(self.slave), self.before, "the terminal's settings")
        os.close(self.master)
        os.close(self.slave)


def program(context, server, text, name="program.sh"):
    path = server.home / name
    path.write_text(text)
    return str(path)


@case()
def a_person_runs_a_program_on_a_terminal(context):
    server = context.shared()
    path = program(context, server, "import os, signal, sys\n"
                   "def size(*_): print(*reversed(os.get_terminal_size(0)), flush=True)\n"
                   "signal.signal(signal.SIGWINCH, size)\nsignal.signal(signal.SIGINT, lambda *_: print('int', flush=True))\n"
                   "size()\nprint('hi', input('name? '))\ninput()\nsys.exit(7)\n", "program.py")
    person = Person(context, server, "run", "-t", path)
    person.sees("40 120\r\n")
    person.sees("name? ")
    person.type("Ada\r")
    person.sees("Ada\r\nhi Ada\r\n")
    person.resize(50, 90)
    person.sees("50 90\r\n")
    person.type("\x03")
    person.sees("int\r\n")
    person.type("\r")
    person.sees("exit code 7")
    person.ends_with(7)


@case()
def a_person_leaves_and_comes_back(context):
    server = context.shared()
    path = program(context, server, "while read -r l; do echo \"got $l\"; done; echo bye\n")
    person = Person(context, server, "run", "-t", path)
    person.sees("accepted ")
    person.sees("Ctrl-] leaves")
    person.type("one\r")
    person.sees("got one\r\n")
    person.type("\x1d")
    person.sees("weir attach ")
    identity = person.seen.split()[0].decode()
    person.ends_with(0)
    again = Person(context, server, "attach", identity)
    again.sees("got one\r\n")
    again.type("two\r")
    again.sees("got two\r\n")
    again.type("\x04")
    again.sees("bye\r\n")
    again.ends_with(0)


@case()
def a_pipe_feeds_a_program(context):
    server = context.shared()
    path = program(context, server, "import sys, hashlib\nprint(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())\n",
                   "program.py")
    data = os.urandom(1_500_000)
    ended = context.binary.cli("run", "-i", path, server=server, stdin=data, text=False)
    expect.equal((ended.returncode, ended.stdout.decode()), (0, hashlib.sha256(data).hexdigest() + "\n"))
    ended = context.binary.cli("run", "-i", "-o", "json", path, server=server, stdin="x")
    expect.equal(json.loads(ended.stdout)["stdout"], hashlib.sha256(b"x").hexdigest() + "\n")
    ended = context.binary.cli("run", "-i", "-", server=server, stdin="x")
    expect.equal(ended.returncode, 2)
    identity = server.client.accept("sleep 20", lang="bash")
    ended = context.binary.cli("attach", identity, server=server, stdin="")
    assert ended.returncode == 5 and f"weir logs -f {identity}" in ended.stderr, ended
    server.client.post(f"/api/v1/executions/{identity}/cancel")


@case()
def a_client_without_a_terminal_passes_ctrl_c_on(context):
    server = context.shared()
    path = program(context, server, "trap 'echo caught; exit 4' INT\necho ready; while :; do sleep 0.05; done\n")
    person = Person(context, server, "run", "-i", path)
    person.sees("ready\r\n")
    person.type("\x03")
    person.sees("caught\r\n")
    person.ends_with(4)


@case()
def a_client_survives_the_server(context):
    server = context.own()
    server.start()
    port = server.client.port
    path = program(context, server, "print('asks', flush=True)\nprint('got', input(), flush=True)\n", "program.py")
    process = subprocess.Popen([str(context.binary.path), "run", "-i", path, "--server", server.url],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    expect.equal(process.stdout.readline(), b"asks\n")
    server.kill()
    server.start(extra=["--listen", f"127.0.0.1:{port}"])
    out, errors = process.communicate(timeout=60)
    # Tried once: the attempt died with its server.
    assert process.returncode == 1 and b"infrastructure" in errors, (process.returncode, out, errors)
