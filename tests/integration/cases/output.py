"""What programs write arrives byte for byte, or is cut at the named limit with a flag."""

from harness import expect
from harness.runner import case

MIB = 1 << 20


def arrives(context, script, stdout, stderr=b"", lang="python", **fields):
    """Runs it and compares the bytes in the result, the output route and the events."""
    client = context.shared().client
    identity = client.accept(script, lang=lang, **fields)
    events = client.events(identity)
    result = client.result(identity)
    expect.equal((result["status"], result["exit_code"]), ("completed", 0), result["error_message"] or "verdict")
    expect.whole_history(events, identity)
    for stream, wanted in (("stdout", stdout), ("stderr", stderr)):
        raw = client.get(f"/api/v1/executions/{identity}/output/{stream}").body
        same(raw, wanted, f"{stream} by its route")
        same(expect.stream_of(result, stream), wanted, f"{stream} in the result")
        same(expect.output_of(events, stream), wanted, f"{stream} in events")
        expect.equal(result[stream + "_truncated"], False)
    expect.equal(result["resource_usage"]["output_bytes"], len(stdout) + len(stderr), "output_bytes")
    return events


def same(seen, wanted, what):
    if seen != wanted:
        at = next((n for n, (a, b) in enumerate(zip(seen, wanted, strict=False)) if a != b), min(len(seen), len(wanted)))
        raise AssertionError(f"{what}: {len(seen)} bytes, wanted {len(wanted)}; they differ at {at}: "
                             f"{seen[at:at + 40]!r} instead of {wanted[at:at + 40]!r}")


@case()
def nothing_is_nothing(context):
    arrives(context, "pass", b"")


@case()
def text_beyond_ascii(context):
    text = "grüße, 世界, 🌊, \u2028, e\u0301, \U0010ffff\n"
    arrives(context, f"print({text!r}, end='')", text.encode())


@case()
def nul_bytes_and_controls(context):
    arrives(context, "import sys; sys.stdout.write(''.join(map(chr, range(32))) + chr(127))",
            bytes(range(32)) + b"\x7f")


@case()
def invalid_utf8_is_base64(context):
    for literal in (rb"\xff\xfe", rb"ok\xc3", rb"\xed\xa0\x80", rb"\xf4\x90\x80\x80", rb"\xc0\xaf", rb"a\x80b"):
        wanted = literal.decode("unicode_escape").encode("latin-1")
        arrives(context, f"import sys; sys.stdout.buffer.write(b'{literal.decode()}')", wanted)


@case()
def a_sequence_split_over_writes_stays_text(context):
    script = ("import sys, time\nfor b in 'añ世🌊'.encode():\n"
              "    sys.stdout.buffer.write(bytes([b])); sys.stdout.flush(); time.sleep(0.02)\n")
    events = arrives(context, script, "añ世🌊".encode())
    assert all("text" in event.body for event in events if event.type == "execution_output"), "base64 was used"


@case()
def both_streams_stay_apart(context):
    arrives(context, "import os\nfor i in range(1000):\n    os.write(1, b'o%d\\n' % i); os.write(2, b'e%d\\n' % i)\n",
            b"".join(b"o%d\n" % i for i in range(1000)), b"".join(b"e%d\n" % i for i in range(1000)))


@case()
def a_line_of_ten_megabytes(context):
    arrives(context, "import sys\nsys.stdout.write('0123456789' * 1000000)", b"0123456789" * 1_000_000)


@case()
def two_hundred_thousand_lines(context):
    arrives(context, "for i in range(200000): print('line', i)",
            b"".join(b"line %d\n" % i for i in range(200_000)))


@case()
def arbitrary_bytes(context):
    script = "import random, sys\nsys.stdout.buffer.write(random.Random(7).randbytes(3000000))"
    import random

    arrives(context, script, random.Random(7).randbytes(3_000_000))


def cut(context, script, limit, lang="python", **limits):
    """Runs it with an output limit; gives the result after checking that route, result and events agree."""
    client = context.shared().client
    identity = client.accept(script, lang=lang, limits={"output_bytes": limit, **limits})
    events = client.events(identity)
    result = client.result(identity)
    for stream in ("stdout", "stderr"):
        raw = client.get(f"/api/v1/executions/{identity}/output/{stream}").body
        same(expect.stream_of(result, stream), raw, f"{stream} in the result")
        same(expect.output_of(events, stream), raw, f"{stream} in events")
    return result


@case()
def output_is_cut_at_its_limit(context):
    script = "import sys\nsys.stdout.write('x' * 3000000); sys.stderr.write('short')"
    result = cut(context, script, MIB)
    expect.equal((result["status"], result["exit_code"], result["error_type"]), ("completed", 0, None))
    expect.equal((len(result["stdout"]), result["stdout_truncated"]), (MIB, True))
    expect.equal((result["stderr"], result["stderr_truncated"]), ("short", False))
    expect.equal(result["resource_usage"]["output_bytes"], 3_000_005, "what the program wrote")


@case()
def cutting_steps_back_to_a_whole_character(context):
    for limit, kept in ((9, 9), (10, 9), (11, 9), (12, 12)):
        result = cut(context, "print('世' * 100, end='')", limit)
        expect.equal((result["stdout"], result["stdout_truncated"]), ("世" * (kept // 3), True), f"limit {limit}")
        expect.equal(result["stdout_encoding"], "utf-8")


@case()
def exactly_the_limit_is_not_cut(context):
    result = cut(context, "print('x' * 1000, end='')", 1000)
    expect.equal((len(result["stdout"]), result["stdout_truncated"]), (1000, False))


@case()
def the_kill_policy_ends_the_program(context):
    script = "import sys, time\nsys.stdout.write('x' * 200000); sys.stdout.flush(); time.sleep(30)"
    result = cut(context, script, 100_000, on_output_limit="kill")
    expect.equal((result["status"], result["error_type"]), ("failed", "output_limit"))
    expect.equal((len(result["stdout"]), result["stdout_truncated"]), (100_000, True))


@case()
def endless_output_harms_nobody(context):
    result = cut(context, "yes", 5 * MIB, lang="bash", wall_ms=2000)
    expect.equal((result["status"], result["error_type"]), ("timeout", "timeout_wall"))
    expect.equal((len(result["stdout"]), result["stdout_truncated"]), (5 * MIB, True))


@case()
def standard_input_and_arguments_arrive(context):
    client = context.shared().client
    import base64

    blob = bytes(range(256)) * 4096
    script = "import sys, hashlib\nd = sys.stdin.buffer.read()\nprint(hashlib.sha256(d).hexdigest(), sys.argv[1:])"
    import hashlib

    result = client.run(script, stdin={"base64": base64.b64encode(blob).decode()}, args=["a b", "", "é$(x)\n`y`"])
    expect.equal(result["stdout"], f"{hashlib.sha256(blob).hexdigest()} {['a b', '', 'é$(x)' + chr(10) + '`y`']}\n")
    expect.equal(client.run("cat", lang="bash", stdin="no newline")["stdout"], "no newline")
    expect.equal(client.run("cat", lang="bash")["stdout"], "", "empty by default")
