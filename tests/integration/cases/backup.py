"""Backups while the server runs, and what is made of them."""

import http.client
import json
import os
import threading
import time
from pathlib import Path

from harness import expect
from harness.client import TERMINAL
from harness.runner import case

GONE = (OSError, http.client.HTTPException)


class Load:
    """Posts without a pause from several threads and keeps the id of every 202."""

    def __init__(self, client, threads=4):
        self.client = client
        self.accepted = []
        self.lock = threading.Lock()
        self.stopping = False
        self.threads = [threading.Thread(target=self._post) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _post(self):
        number = 0
        while not self.stopping:
            number += 1
            # Every tenth is large enough to become a blob.
            script = "x" * (20_000 if number % 10 == 0 else 20)
            try:
                answer = self.client.execute(script)
            except GONE:
                return
            if answer.status == 202:
                with self.lock:
                    self.accepted.append(answer.json()["execution_id"])

    def so_far(self):
        with self.lock:
            return list(self.accepted)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)


def backup(context, source, target, code=0):
    done = context.binary.cli("backup", source, target, "-o", "json", timeout_s=120)
    expect.equal(done.returncode, code, f"exit code; it said {done.stdout} {done.stderr}")
    return json.loads(done.stdout) if code == 0 else done.stderr


def restore(context, source, target, code=0):
    done = context.binary.cli("restore", source, target, timeout_s=120)
    expect.equal(done.returncode, code, f"exit code; it said {done.stdout} {done.stderr}")
    return done.stderr


def wait_until_all_ended(client, ids, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    left = set(ids)
    while left:
        items = client.list_all("")
        known = {item["execution_id"]: item for item in items}
        missing = [identity for identity in left if identity not in known]
        assert not missing, f"{len(missing)} are missing, as {missing[0]}"
        left = {identity for identity in left if known[identity]["status"] not in TERMINAL}
        assert time.monotonic() < deadline, f"{len(left)} have not ended"
        time.sleep(0.1)
    return items


def check_history(client, identity):
    """Numbers without a gap, one end, no attempt started twice."""
    events = client.events(identity)
    expect.equal([event.number for event in events], list(range(1, len(events) + 1)), identity)
    started = [event.body["attempt"] for event in events if event.type == "execution_scheduled"]
    expect.equal(len(started), len(set(started)), f"attempts of {identity}: {started}")
    ends = [event for event in events if event.type.split("_", 1)[1] in TERMINAL]
    expect.equal(len(ends), 1, f"ends of {identity}")


@case()
def a_backup_under_load_holds_everything_acknowledged_before_it(context):
    # Few partitions, so that each lets old records go while the backup is made.
    flags = ("--archive.flush_s=1", "--log.segment_bytes=4MiB", "--partition.bits=2")
    server = context.own(executor="noop:300", flags=flags)
    client = server.start().client
    load = Load(client)
    time.sleep(4)
    before = load.so_far()
    made = backup(context, server.url, server.home / "copy")
    during = load.so_far()
    assert made["files"] > 3 and len(during) > len(before), (made, len(before), len(during))
    second = load.so_far()
    backup(context, server.url, server.home / "copy2")
    load.stop()
    assert not (server.data / "backup-staging").exists(), "the server keeps a backup that was fetched"
    expect.equal(server.stuck(), [])

    for source, promised in (("copy", before), ("copy2", second)):
        restore(context, server.home / source, server.home / f"{source}-data")
        checked = context.binary.cli("log", "verify", server.home / f"{source}-data")
        expect.equal(checked.returncode, 0, checked.stderr)
        other = context.own(data=server.home / f"{source}-data", executor="noop:300", flags=flags)
        restored = other.start(shards=3).client
        items = wait_until_all_ended(restored, promised)
        assert len(items) >= len(promised), (len(items), len(promised))
        # Whatever the backup holds, not only what it promised, is whole.
        for identity in promised[::40] + [item["execution_id"] for item in items[:60]]:
            check_history(restored, identity)
        expect.equal(other.stuck(), [])
        other.stop()
        # The archive holds all of them, and a later start agrees.
        again = other.start().client
        expect.equal(len(again.list_all("")), len(items))
    wait_until_all_ended(client, load.so_far())


@case()
def a_backup_of_a_directory_at_rest(context):
    server = context.own(executor="noop")
    client = server.start().client
    ids = [client.execute("a", wait_s=10).json()["execution_id"] for _ in range(20)]
    said = backup(context, server.data, server.home / "copy", code=1)
    assert "weir backup http" in said, said
    server.stop()
    backup(context, server.data, server.home / "copy")
    backup(context, server.data, server.home / "copy", code=5)
    backup(context, server.home, server.home / "other", code=3)
    restore(context, server.home / "copy", server.home / "restored")
    other = context.own(data=server.home / "restored", executor="noop")
    restored = other.start().client
    for identity in ids:
        expect.equal(restored.result(identity)["status"], "completed")
    expect.equal(len(restored.list_all("")), len(ids))


@case()
def a_damaged_backup_is_refused(context):
    server = context.own(executor="noop")
    client = server.start().client
    for _ in range(5):
        client.execute("a" * 6000, wait_s=10)
    copy = server.home / "copy"
    backup(context, server.url, copy)
    restore(context, copy, server.data, code=5)
    restore(context, server.home / "nothing", server.home / "fresh", code=3)
    for path in sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size > 0):
        whole = path.read_bytes()
        broken = bytearray(whole)
        broken[len(whole) // 2] ^= 4
        path.write_bytes(broken)
        said = restore(context, copy, server.home / "fresh", code=1)
        assert path.name in said, (path.name, said)
        assert not list(Path(server.home / "fresh").glob("*")), "something was restored all the same"
        path.write_bytes(whole)
    victim = next(path for path in copy.rglob("*.sst"))
    content = victim.read_bytes()
    victim.unlink()
    said = restore(context, copy, server.home / "fresh", code=1)
    assert victim.name in said, said
    victim.write_bytes(content)
    restore(context, copy, server.home / "fresh")


@case()
def the_routes_of_backups(context):
    server = context.own(executor="noop")
    client = server.start().client
    client.execute("a", wait_s=10)
    made = client.post("/api/v1/admin/backups")
    expect.equal(made.status, 201)
    body = made.json()
    expect.equal(made.header("Location"), "/api/v1/admin/backups/" + body["backup_id"])
    expect.problem(client.post("/api/v1/admin/backups"), 409)
    base = made.header("Location") + "/files/"
    for number, file in enumerate(body["files"]):
        got = client.get(f"{base}{number}")
        expect.equal((got.status, len(got.body)), (200, min(file["bytes"], 4 << 20)))
        rest = client.get(f"{base}{number}?offset={file['bytes']}")
        expect.equal((rest.status, rest.body), (200, b""))
    expect.problem(client.get(f"{base}{len(body['files'])}"), 404)
    expect.problem(client.get(f"{base}x"), 404)
    expect.problem(client.get(f"{base}0?offset=-1"), 400)
    expect.problem(client.get(f"{base}0?limit=1"), 400)
    expect.equal(client.request("DELETE", made.header("Location")).status, 204)
    expect.problem(client.request("DELETE", made.header("Location")), 404)
    expect.problem(client.get(f"{base}0"), 404)
    # What a crash leaves is gone with the next start.
    expect.equal(client.post("/api/v1/admin/backups").status, 201)
    staging = server.data / "backup-staging"
    assert staging.exists() and os.listdir(staging)
    server.restart(hard=True)
    assert not staging.exists()
