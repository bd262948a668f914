"""A damaged or missing file of the archive: found at the start or at the read, named, and repaired from what is left."""

import json
import shutil

from harness import expect
from harness.runner import case
from harness.server import StartFailed

FLAGS = ("--archive.flush_s=1",)


def filled(context, count=60):
    """A stopped server whose archive holds executions, large scripts among them."""
    server = context.own(executor="noop", flags=FLAGS)
    client = server.start().client
    ids = [client.execute("x" * (9000 if i % 3 == 0 else 10), wait_s=10).json()["execution_id"] for i in range(count)]
    assert server.stop() == 0
    expect.equal(verify(context, server)["documents"], count)
    return server, ids


def verify(context, server, code=0):
    done = context.binary.cli("archive", "verify", server.data, "-o", "json")
    expect.equal(done.returncode, code, done.stdout + done.stderr)
    return json.loads(done.stdout)


def repair(context, server):
    done = context.binary.cli("archive", "repair", server.data, "-o", "json")
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    return json.loads(done.stdout)


def refused_start(server):
    try:
        server.start()
    except StartFailed as why:
        return why.stderr
    raise AssertionError("it starts on a damaged archive")


def files_of(server, *endings):
    found = [path for path in (server.data / "archive").iterdir()
             if path.stat().st_size > 0 and (path.name.endswith(endings) or path.name.startswith(endings))]
    assert found, endings
    return sorted(found)


def flip(path, where=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 16
    path.write_bytes(content)


@case()
def a_flipped_bit_is_met_at_the_read_and_said(context):
    server, ids = filled(context)
    for path in files_of(server, ".sst", ".blob"):
        for where in (0.1, 0.3, 0.5, 0.7):
            flip(path, where)
    damage = verify(context, server, code=1)["damage"]
    assert any(".sst" in line for line in damage), damage
    try:
        client = server.start().client
    except StartFailed as why:
        assert "weir archive repair" in why.stderr and ".sst" in why.stderr, why.stderr
    else:
        answers = [client.get(f"/api/v1/executions/{identity}/result") for identity in ids]
        assert all(answer.status in (200, 500) for answer in answers), [answer.status for answer in answers]
        broken = [answer for answer in answers if answer.status == 500]
        assert broken, "nothing was met"
        for answer in broken:
            expect.equal(expect.problem(answer, 500)["code"], "archive_damaged")
        assert "the archive is damaged" in server.stderr()
        server.stop()
    said = repair(context, server)
    expect.equal(said["saved"] + said["from_log"] + said["lost"] + (said["lost_unknown"] or 0), len(ids), said)
    expect.equal(verify(context, server)["ok"], True)


@case()
def every_kind_of_file_that_is_gone_is_named_and_rebuilt(context):
    server, ids = filled(context)
    whole = server.home / "whole"
    shutil.copytree(server.data, whole)
    for kind in ("CURRENT", "MANIFEST-", ".sst", ".blob"):
        shutil.rmtree(server.data)
        shutil.copytree(whole, server.data)
        victim = files_of(server, kind)[0]
        victim.unlink()
        said = refused_start(server)
        assert victim.name in said and "weir archive repair" in said, (victim.name, said)
        assert any(victim.name in line for line in verify(context, server, code=1)["damage"])
        repaired = repair(context, server)
        # Keys keep the log from letting go, so it reaches back to the first of them.
        expect.equal(repaired["lost"] + (repaired["lost_unknown"] or 0), 0, (victim.name, repaired))
        client = server.start().client
        for identity in ids:
            expect.equal(client.result(identity)["status"], "completed", (victim.name, identity))
            expect.equal(len(client.events(identity)), 6)
        expect.equal(len(client.list_all("")), len(ids))
        server.stop()


@case()
def a_missing_archive_is_not_taken_for_a_new_one(context):
    server, ids = filled(context, count=20)
    shutil.rmtree(server.data / "archive")
    said = refused_start(server)
    assert "archive is missing" in said, said
    repaired = repair(context, server)
    expect.equal(repaired["from_log"], len(ids), repaired)
    client = server.start().client
    for identity in ids:
        expect.equal(client.result(identity)["status"], "completed")


@case()
def tools_wait_for_the_server_to_go(context):
    server = context.own(executor="noop", flags=FLAGS)
    server.start()
    assert "LOCK" in verify(context, server, code=1)["damage"][0]
    done = context.binary.cli("archive", "repair", server.data, "-o", "json")
    expect.equal(done.returncode, 1, done.stdout)
    assert "LOCK" in json.loads(done.stdout)["diagnosis"]
    server.stop()
    said = repair(context, server)
    expect.equal((said["saved"], said["steps"], said["set_aside"]), (0, [], ""))
