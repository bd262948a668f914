"""Random programs as real scripts: an interpreter in front of the commands for Python, one line a command for bash."""

import shlex

PYTHON = r'''
import os, signal, sys, time

late = b""

def put(number, data):
    while data:
        data = data[os.write(number, data):]

def leave(code):
    put(1, late)
    os._exit(code)

def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid

def eat():
    hoard = bytearray(200_000_000)
    for i in range(0, len(hoard), 4096):
        hoard[i] = 1

def fork_on():
    try:
        while True:
            child(lambda: time.sleep(600))
    except OSError:
        leave(9)

def fill_disk():
    try:
        with open("big", "wb", buffering=0) as big:
            while True:
                big.write(bytes(1 << 20))
    except OSError:
        leave(5)

for kind, number, word in PROGRAM:
    text = (word * number + "\n").encode()
    if kind == "print":
        put(1, text)
    elif kind == "complain":
        put(2, text)
    elif kind == "print_binary":
        put(1, b"\xff\x00\xfe" * number)
    elif kind == "print_big":
        put(1, b"x" * number)
    elif kind == "split_character":
        for byte in (b"\xe2", b"\x82", b"\xac"):
            put(1, byte)
            time.sleep(0.005)
    elif kind == "torn_character":
        put(1, b"\xe2\x82")
    elif kind == "sleep":
        time.sleep(number / 1000)
    elif kind == "burn_cpu":
        end = time.process_time() + number / 1000
        while time.process_time() < end:
            pass
    elif kind == "fork_print":
        os.waitpid(child(lambda: put(1, text)), 0)
    elif kind == "fork_linger":
        child(lambda: time.sleep(600))
    elif kind == "write_and_read":
        with open("file", "wb") as file:
            file.write(text)
        with open("file", "rb") as file:
            put(1, file.read())
    elif kind == "read_input":
        while number and (piece := os.read(0, number)):
            put(1, piece)
            number -= len(piece)
    elif kind == "echo_argument":
        put(1, os.fsencode(sys.argv[1 + number]) + b"\n")
    elif kind == "at_exit":
        late = text
    elif kind == "deaf":
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
    elif kind == "exit_with":
        leave(number)
    elif kind == "raise":
        os.kill(os.getpid(), number)
    elif kind == "hang":
        time.sleep(600)
    elif kind == "burn_on":
        while True:
            pass
    elif kind == "eat_memory":
        eat()
    elif kind == "overflow":
        put(1, b"o" * number)
        time.sleep(600)
    elif kind == "fork_on":
        fork_on()
    elif kind == "fill_disk":
        fill_disk()
    else:
        raise SystemExit("no such command: " + kind)
leave(0)
'''


def repeated(number, word):
    return f"for ((i = 0; i < {number}; i++)); do printf %s {shlex.quote(word)}; done; echo"


def bash_line(kind, number, word):
    """The command in bash, as far as the generator gives it to bash."""
    if kind == "raise":
        return f"kill -s {word.removeprefix('SIG')} $$; sleep 600"
    lines = {
        "print": repeated(number, word),
        "complain": f"{{ {repeated(number, word)}; }} >&2",
        "print_binary": f"for ((i = 0; i < {number}; i++)); do printf '\\377\\000\\376'; done",
        "print_big": f"head -c {number} /dev/zero | tr '\\0' x",
        "split_character": r"printf '\342'; sleep 0.005; printf '\202'; printf '\254'",
        "torn_character": r"printf '\342\202'",
        "sleep": f"sleep {number / 1000:.3f}",
        "burn_cpu": f"for ((i = 0; i < {number} * 100; i++)); do :; done",
        "fork_print": f"( {repeated(number, word)} )",
        "fork_linger": "sleep 600 &",
        "write_and_read": f"{{ {repeated(number, word)}; }} > file; cat file",
        "read_input": f"head -c {number}",
        "echo_argument": f"printf '%s\\n' \"${{{number + 1}}}\"",
        "at_exit": f"trap {shlex.quote(repeated(number, word))} EXIT",
        "deaf": "trap '' TERM INT HUP",
        "exit_with": f"exit {number}",
        "hang": "sleep 600",
        "overflow": f"head -c {number} /dev/zero | tr '\\0' o; sleep 600",
    }
    return lines[kind]


def script_of(program):
    if program["lang"] == "python":
        return f"PROGRAM = {program['commands']!r}\n{PYTHON}"
    # Without a last line of its own the exit code would be that of the last command.
    return "\n".join([*(bash_line(*command) for command in program["commands"]), "exit 0", ""])
