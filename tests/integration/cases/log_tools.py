"""weir log verify, dump and repair on a log that really was written, and really is damaged."""

import json
import re

from harness import expect
from harness.runner import case
from harness.server import StartFailed


def tool(context, *arguments, code=0):
    done = context.binary.cli("log", *arguments)
    expect.equal(done.returncode, code, f"exit code of weir log {arguments[0]}; {done.stdout[-500:]} {done.stderr}")
    return done


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_some(context, count):
    """A log of unfinished executions, each record in a batch of its own, and the process killed."""
    server = context.own(executor="noop:3600000", shards=1, flags=("--log.segment_bytes=1MiB", "--log.reserve_bytes=0"))
    client = server.start().client
    ids = [client.accept(f"script {number} " + "x" * (6000 if number == 2 else 0)) for number in range(count)]
    for identity in ids:
        client.wait_for_status(identity, ("running",))
    server.kill()
    return server, ids


@case()
def dump_shows_every_record(context):
    server, ids = write_some(context, 4)
    records = lines_of(tool(context, "dump", server.data, "-o", "json"))
    for identity in ids:
        mine = [record for record in records if record["entity"] == identity]
        types = [record["type"] for record in mine if record["type"] != "blob_piece"]
        expect.equal(types, ["accepted", "scheduled", "started"])
        events = [event for record in mine for event in record.get("events", ())]
        expect.equal([event["seq"] for event in events], [1, 2, 3, 4, 5])
        expect.equal(len(mine), 4 if identity == ids[2] else 3, "the large script is a blob")
    partition = records[-1]["partition"]
    some = lines_of(tool(context, "dump", server.data, "-o", "json", "--partition", partition, "--from", "2"))
    assert some and all(one["partition"] == partition and one["offset"] >= 2 for one in some), some
    text = tool(context, "dump", server.data).stdout
    expect.equal(len(text.splitlines()), len(records), "lines for people")
    assert ids[0] in text and "accepted" in text, text


@case()
def repair_cuts_behind_damage_and_the_server_starts_again(context):
    server, ids = write_some(context, 12)
    records = lines_of(tool(context, "dump", server.data, "-o", "json"))
    places = sorted({(record["file"], record["position"]) for record in records})
    file, position = places[len(places) // 2]
    path = server.data / "log" / file
    content = bytearray(path.read_bytes())
    content[position + 130] ^= 0x10
    path.write_bytes(content)

    said = tool(context, "verify", server.data, code=1).stderr
    assert f"{file}, position {position}:" in said, said
    try:
        server.start()
    except StartFailed as refused:
        assert f"{file}, position {position}:" in refused.stderr, refused.stderr
    else:
        raise AssertionError("a server starts on a damaged log")
    behind = tool(context, "dump", server.data, "-o", "json", code=1)
    assert len(lines_of(behind)) < len(records), "the damaged batch is left out"

    tool(context, "repair", "--drop-after", f"{file}:1", "--drop-after", "nobody:4096", server.data, code=1)
    done = lines_of(tool(context, "repair", "--drop-after", f"{file}:{position}", server.data, "-o", "json"))
    report, dropped = done[-1], done[:-1]
    expect.equal(report["dropped"], len(dropped))
    assert all((one["file"], one["position"]) > (file, position) for one in dropped), dropped
    kept = {record["entity"] for record in records if record["position"] < position}
    tool(context, "verify", server.data)
    assert re.fullmatch(r".*/log\.cut-\d+", report["old_log"]), report
    assert (server.data / report["old_log"].rsplit("/", 1)[1] / file).read_bytes() == bytes(content)

    server.executor = "noop"
    client = server.start().client
    there = {item["execution_id"] for item in client.list_all("")}
    expect.equal(sorted(there), sorted(kept), "whoever was accepted before the place is there")
    for identity in there:
        client.wait(identity)
    expect.equal(server.stuck(), [])
    assert set(ids) >= there
