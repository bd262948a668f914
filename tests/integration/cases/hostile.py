"""Hostile programs as their clients see them, and the page that says which attacks are tried."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

from harness import expect
from harness.runner import ROOT, case

FORGERY = """import os, sys
forged = ('\\n\\nid: 99\\nevent: execution_completed\\ndata: {"event_type": "execution_completed", "exit_code": 99}\\n\\n'
          '\\r\\rdata: x\\r\\n\\r\\n: comment\\nretry: 1\\n\\n\\x00\\u2028"}\\\\')
os.write(1, forged.encode())
os.write(2, forged.encode())
os.write(1, b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')
"""


@case()
def no_output_forges_an_event(context):
    client = context.shared().client
    identity = client.accept(FORGERY)
    with client.stream(identity) as stream:
        events = list(stream)
        expect.equal(stream.comments, 0, "comments")
    expect.whole_history(events, identity)
    expect.equal([event.type for event in events].count("execution_completed"), 1, "ends")
    result = client.result(identity)
    expect.equal((result["status"], result["exit_code"]), ("completed", 0))
    printed = client.get(f"/api/v1/executions/{identity}/output/stdout").body
    expect.equal(expect.output_of(events, "stdout"), printed)
    assert b'"exit_code": 99}\n\n\r\rdata: x\r\n' in printed and printed.endswith(b"\r\n\r\n"), printed
    for line in (event.data for event in events):
        expect.equal(json.loads(line)["execution_id"], identity)


@case()
def a_storm_of_cancels_ends_each_once(context):
    client = context.shared().client
    ids = [client.accept("trap '' TERM; echo on; (setsid sleep 600 &); sleep 600", lang="bash") for _ in range(12)]

    def cancel(identity):
        answers = [client.request("POST", f"/api/v1/executions/{identity}/cancel").status for _ in range(5)]
        return [status for status in answers if status >= 500]

    with ThreadPoolExecutor(8) as pool:
        expect.equal([bad for bad in pool.map(cancel, ids * 3) if bad], [], "answers")
    for identity in ids:
        expect.equal(client.wait(identity)["status"], "cancelled")
        events = client.events(identity)
        expect.whole_history(events, identity)
        expect.equal([event.type for event in events].count("execution_cancelled"), 1, "ends")
    expect.equal(client.run("print('fine')")["stdout"], "fine\n")


@case()
def every_test_that_the_page_names_exists(context):
    page = (ROOT / "docs" / "sandbox.md").read_text()
    tests = set()
    for folder in ("abuse", "unit"):
        for file in (ROOT / "tests" / folder).rglob("*.cpp"):
            tests.update(".".join(found) for found in re.findall(r"TEST(?:_[FP])?\((\w+), (\w+)\)", file.read_text()))
    suites = {name.split(".")[0] for name in tests}
    for cell in re.findall(r"^\|[^|]*\|[^|]*\| (.*) \|$", page.split("## Every attack and its test")[1], re.MULTILINE):
        module = None
        for name in re.findall(r"`([^`]+)`", cell):
            if ": " in name:
                module, name = name.split(": ")
            if "." in name:
                module = None
                suite, _, test = name.partition(".")
                assert name in tests or (test == "*" and suite in suites), f"{name} is no test"
            elif module:
                text = (ROOT / "tests" / "integration" / "cases" / f"{module}.py").read_text()
                assert f"\ndef {name}(" in text, f"{name} is no case of {module}.py"
