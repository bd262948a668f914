"""Data directories of earlier releases, in tests/data: every later binary opens them and knows every execution."""

import json
import tarfile
from pathlib import Path

from harness import expect
from harness.client import TERMINAL
from harness.runner import case

DATA = Path(__file__).resolve().parents[2] / "data"
# They were written long ago; nothing may be removed for that.
FLAGS = ("--archive.retention_age_s=0", "--archive.retention_count_max=0", "--archive.retention_bytes_max=0")


def history(client, identity):
    return [[event.number, event.type, event.data.decode()] for event in client.events(identity)]


def check(context, release):
    server = context.own(executor="noop", flags=FLAGS)
    with tarfile.open(release) as archive:
        archive.extractall(server.home, filter="data")
    expected = json.loads((server.home / "expected.json").read_text())
    expect.equal(context.binary.cli("log", "verify", server.data).returncode, 0, "weir log verify")
    client = server.start().client
    statuses = set()
    for wanted in expected["executions"]:
        identity = wanted["view"]["execution_id"]
        ended = wanted["view"]["status"] in TERMINAL
        statuses.add(wanted["view"]["status"])
        if not ended:
            client.wait(identity)
        seen = history(client, identity)
        # Events never change; what is new stands behind them.
        expect.equal(seen[:len(wanted["events"])], wanted["events"], f"events of {identity}")
        expect.equal([event[0] for event in seen], list(range(1, len(seen) + 1)), f"event numbers of {identity}")
        assert seen[-1][1].removeprefix("execution_") in TERMINAL, seen[-1]
        view, result = client.view(identity), client.result(identity)
        for name in ("lang", "lang_version", "priority", "labels", "created_at"):
            expect.equal(view[name], wanted["view"][name], f"{name} of {identity}")
        if ended:
            expect.equal(len(seen), len(wanted["events"]), f"events of {identity}")
            for name, value in wanted["view"].items():
                expect.equal(view[name], value, f"{name} of {identity}")
            for name, value in wanted["result"].items():
                expect.equal(result[name], value, f"{name} of the result of {identity}")
    expect.equal(sorted(statuses), sorted(expected["statuses"]), "states in the directory")
    expect.equal(len(client.list_all("")), len(expected["executions"]), "nothing else is there")
    expect.equal(server.stuck(), [])
    expect.equal(server.stop(), 0, "exit code")


@case()
def every_release_opens(context):
    releases = sorted(DATA.glob("*.tar.xz"))
    assert releases, f"there is none in {DATA}"
    for release in releases:
        check(context, release)
