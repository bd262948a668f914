"""Disks that fail, fill up and stall, a lack of files, and damage: what clients are told, and what is there afterwards."""

import http.client
import os
import random
import re
import resource
import shutil
import socket
import threading
import time
from pathlib import Path

from harness import expect
from harness.client import Client
from harness.disks import SmallDisk, failing_calls
from harness.runner import case
from harness.server import StartFailed

O_DIRECT = 0o40000
MIB = 1 << 20
GONE = (OSError, http.client.HTTPException)


class Posters:
    """Clients that post without a pause and note every answer with the time at which it came."""

    def __init__(self, server, count, stdin_bytes=0, pause_s=0.0):
        self.server = server
        self.pause_s = pause_s  # after each acceptance
        self.stdin = "i" * stdin_bytes
        self.answers = []  # (seconds, status, answer)
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._post) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _post(self):
        fields = {"stdin": self.stdin} if self.stdin else {}
        while not self.stopped.is_set():
            try:
                answer = self.server.client.execute("a", **fields)
            except GONE:
                time.sleep(0.05)
                continue
            with self.lock:
                self.answers.append((time.monotonic(), answer.status, answer))
            self.stopped.wait(self.pause_s if answer.status == 202 else 0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def statuses(self, since=0.0):
        with self.lock:
            return {status for when, status, _ in self.answers if when >= since}

    def count(self, status, since=0.0):
        with self.lock:
            return sum(seen == status and when >= since for when, seen, _ in self.answers)

    def until(self, status, timeout_s=60.0, since=0.0, count=1):
        deadline = time.monotonic() + timeout_s
        while self.count(status, since) < count:
            assert time.monotonic() < deadline, f"no {count} of {status} within {timeout_s} s, only {self.statuses(since)}"
            time.sleep(0.01)

    def refused(self, status):
        with self.lock:
            return [answer for _, seen, answer in self.answers if seen == status]

    def accepted(self):
        return [answer.json()["execution_id"] for answer in self.refused(202)]


def refusal(answer, status, code):
    body = expect.problem(answer, status, code)
    assert int(answer.header("Retry-After")) >= 1, answer.headers
    return body


def all_end(server, accepted):
    for identity in accepted:
        expect.equal(server.client.wait(identity)["status"], "completed", identity)


def nothing_is_acknowledged(server):
    for _ in range(20):
        refusal(server.client.execute("a"), 503, "storage_failed")
    expect.equal(server.client.get("/readyz").status, 503, "/readyz of a failed log")
    said = server.client.get("/readyz?verbose").body.decode()
    assert "FAILED" in said and "segment" in said, said
    assert "the log has failed" in server.stderr(), server.stderr()[-2000:]


def reads_past_the_page_cache(server):
    """Its segments are open with O_DIRECT, as they were when it recovered from them."""
    segments = 0
    for entry in os.listdir(f"/proc/{server.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{server.pid}/fd/{entry}")
            facts = Path(f"/proc/{server.pid}/fdinfo/{entry}").read_text()
        except OSError:
            continue
        if target.endswith(".segment"):
            segments += 1
            assert int(re.search(r"flags:\s*(\d+)", facts)[1], 8) & O_DIRECT, f"{target} goes through the page cache"
    assert segments > 0, "no segment is open"


def fails_for_good(context, what, stdin_bytes):
    server = context.own(executor="noop", flags=["--log.writer=thread", "--log.segment_bytes=1MiB"]).start()
    before = [server.client.accept("a") for _ in range(20)]
    with Posters(server, 4, stdin_bytes) as posters:
        posters.until(202)
        with failing_calls(server.pid, what):
            posters.until(503)
            failed_at = time.monotonic() + 0.2  # answers that were on their way
            time.sleep(1.0)
        time.sleep(0.5)  # the disk works again, and still nothing may be acknowledged
        expect.equal(posters.statuses(failed_at), {503}, "answers after the first failure")
    for answer in posters.refused(503):
        refusal(answer, 503, "storage_failed")
    nothing_is_acknowledged(server)
    server.restart(hard=True)
    all_end(server, before + posters.accepted())
    expect.equal(server.client.execute("a", wait_s=10).status, 200, "after the restart")
    return server


@case()
def a_failed_write_is_final(context):
    server = fails_for_good(context, "pwritev2:error=EIO", 0)
    if "O_DIRECT" in server.client.get("/readyz?verbose").body.decode():
        reads_past_the_page_cache(server)
    expect.equal(server.stop(), 0, "exit code")


@case()
def a_failed_sync_is_final(context):
    fails_for_good(context, "fdatasync:error=EIO", 300_000)


@case()
def a_failed_log_still_stops_in_order(context):
    server = context.own(executor="noop", flags=["--log.writer=thread"]).start()
    identity = server.client.accept("a")
    with failing_calls(server.pid, "pwritev2:error=EIO"):
        expect.problem(server.client.execute("a"), 503, "storage_failed")
    server.stop()
    server.start()
    all_end(server, [identity])


@case()
def a_disk_that_dies_takes_nothing_acknowledged(context):
    server = context.own(executor="noop", flags=["--log.segment_bytes=1MiB"])
    with SmallDisk(server.home, 256) as disk:
        server.data = disk.path / "data"
        server.start()
        with Posters(server, 4, 5000) as posters:
            time.sleep(1.0)
            disk.die()
            posters.until(503)
            failed_at = time.monotonic() + 0.2
            time.sleep(0.5)
            expect.equal(posters.statuses(failed_at), {503}, "answers of a dead disk")
        nothing_is_acknowledged(server)
        server.kill()
        disk.unmount()
        disk.mount()
        server.start()
        assert len(posters.accepted()) > 10, posters.statuses()
        all_end(server, posters.accepted())
        expect.equal(server.client.execute("a", wait_s=10).status, 200, "after the restart")
        server.kill()


@case()
def a_full_disk_is_said_and_heals_by_itself(context):
    server = context.own(executor="noop", flags=["--log.segment_bytes=1MiB", "--archive.flush_bytes=1MiB",
                                                 "--archive.flush_s=1"])
    with SmallDisk(server.home, 128) as disk:
        server.data = disk.path / "data"
        server.start()
        accepted = [server.client.accept("a") for _ in range(20)]
        ballast = disk.path / "ballast"
        with open(ballast, "wb") as file:
            while disk.free_bytes() > 2 * MIB:
                file.write(bytes(MIB))
                file.flush()
        # Not faster than this: what is accepted behind the shortage must not bring the next one.
        with Posters(server, 4, 300_000, pause_s=0.1) as posters:
            posters.until(507)
            time.sleep(1.0)
            ballast.unlink()
            freed_at = time.monotonic()
            posters.until(202, timeout_s=30, since=freed_at, count=20)
        for answer in posters.refused(507):
            refusal(answer, 507, "no_space")
        assert posters.statuses() <= {202, 507, 503}, posters.statuses()
        all_end(server, accepted + posters.accepted())
        expect.equal(server.stuck(), [], "what is stuck")
        server.restart()
        all_end(server, accepted + posters.accepted())
        server.kill()


class Heartbeats:
    """Reads a stream and keeps the longest silence that it saw."""

    def __init__(self, server, identity):
        self.stream = server.client.stream(identity)
        self.gap_s = 0.0
        self.beats = 0
        self.broken = None
        self.closing = False
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        last = time.monotonic()
        try:
            while self.stream._answer.readline():
                now = time.monotonic()
                self.gap_s = max(self.gap_s, now - last)
                last = now
                self.beats += 1
            self.broken = None if self.closing else "closed"
        except (ValueError, AttributeError, *GONE) as why:
            self.broken = None if self.closing else repr(why)

    def close(self):
        self.closing = True
        self.stream._connection.sock and self.stream._connection.sock.shutdown(socket.SHUT_RDWR)
        self.stream.close()
        self.thread.join()


def resident_bytes(server):
    facts = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+) kB", facts)[1]) * 1024


@case()
def before_a_stalling_disk_load_is_shed(context):
    server = context.own(executor="noop:60000", shards=1,
                         flags=["--log.stalled_ms=1s", "--sse.heartbeat_s=1", "--log.segment_bytes=4MiB"])
    with SmallDisk(server.home, 4096) as disk:
        server.data = disk.path / "data"
        server.start()
        followed = [server.client.accept("a") for _ in range(3)]
        streams = [Heartbeats(server, identity) for identity in followed]
        growth = 0
        with Posters(server, 8) as small, Posters(server, 60, MIB, pause_s=2.0) as large:
            small.until(202)
            for _ in range(2):
                disk.freeze()
                begun = time.monotonic()
                usual = resident_bytes(server)
                # The posters may all wait for what they posted before; who comes later is refused at once.
                time.sleep(2.0)
                refusal(Client(server.client.host, server.client.port, timeout_s=2.0).execute("a"), 503, "overloaded")
                while time.monotonic() < begun + 5:
                    growth = max(growth, resident_bytes(server) - usual)
                    time.sleep(0.1)
                disk.thaw()
                small.until(202, timeout_s=10, since=time.monotonic())
                time.sleep(5.0)
        for posters in (small, large):
            assert posters.statuses() <= {202, 429, 503}, posters.statuses()
            for answer in posters.refused(503):
                refusal(answer, 503, "overloaded")
        for stream in streams:
            assert stream.broken is None, stream.broken
            assert stream.beats >= 10 and stream.gap_s < 4.0, (stream.beats, stream.gap_s)
            stream.close()
        # What waits for the disk at most, and as much again for the requests and the archive.
        assert growth < 512 * MIB, f"{growth} bytes more while the disk stood still"
        accepted = followed + small.accepted() + large.accepted()
        server.restart(hard=True)
        listed = {item["execution_id"] for item in server.client.list_all("")}
        expect.equal(set(accepted) - listed, set(), "acknowledged, and not there")
        server.kill()


def open_files(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@case()
def without_files_accepting_pauses_and_resumes(context):
    server = context.own(executor="noop", flags=["--log.segment_bytes=1MiB"]).start()
    client = server.client
    accepted = [client.accept("a")]
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_files(server) + 4, before[1]))
    waiting = []
    for _ in range(40):
        # The kernel takes them into the backlog.
        connection = socket.create_connection((client.host, client.port), timeout=30)
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.append(connection)
    deadline = time.monotonic() + 10
    while "accepting pauses" not in server.stderr():
        assert time.monotonic() < deadline, "accepting does not pause"
        time.sleep(0.05)
    # Who is in already goes on, also where the log needs a new file: its write waits for one.
    accepted.append(client.accept("a"))
    results = []
    late = threading.Thread(target=lambda: results.extend(client.execute("a", stdin="i" * 900_000) for _ in range(4)))
    late.start()
    time.sleep(1.0)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    for connection in waiting:
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        connection.close()
    late.join()
    for answer in results:
        expect.equal(answer.status, 202, "a post that waited for a file")
        accepted.append(answer.json()["execution_id"])
    all_end(server, accepted)
    expect.equal(server.stop(), 0, "exit code")


@case()
def connections_leave_files_for_the_log(context):
    limit = 300
    server = context.own(executor="noop", flags=["--log.segment_bytes=1MiB"], file_limit=limit).start()
    assert "http.connections_max" in server.stderr(), f"nothing says that it was lowered: {server.stderr()}"
    client = server.client
    accepted = [client.accept("a")]
    others = [socket.create_connection((client.host, client.port), timeout=30) for _ in range(limit)]
    time.sleep(0.5)
    assert "accepting pauses" not in server.stderr(), "the limit is not below the number of files"
    for _ in range(5):
        accepted.append(client.accept("a", stdin="i" * 900_000))
    turned_away = 0
    for connection in others:
        connection.settimeout(0.05)
        try:
            turned_away += b" 503 " in connection.recv(4096)
        except TimeoutError:
            pass
        connection.close()
    assert 0 < turned_away < limit, turned_away
    all_end(server, accepted)
    expect.equal(server.stop(), 0, "exit code")


def written_bytes(path):
    """Up to the end of the last block that holds anything: what follows is zeros, and no part of the log."""
    return len(path.read_bytes().rstrip(b"\0"))


def flip(path, bit):
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def refusal_to_start(server, path):
    try:
        server.start()
    except StartFailed as failure:
        assert failure.exit_code == 1, failure.exit_code
        assert path.name in failure.stderr, f"{path.name} is not named in {failure.stderr}"
        return failure.stderr
    raise AssertionError(f"it starts although {path.name} is damaged")


@case()
def a_flipped_bit_is_found_and_named(context):
    seed = int(os.environ.get("FLIP_SEED", "1"))
    rounds = int(os.environ.get("FLIP_ROUNDS", "12"))
    print(f"    FLIP_SEED={seed} FLIP_ROUNDS={rounds}", flush=True)
    choose = random.Random(seed)
    server = context.own(executor="noop:60000", shards=1, flags=["--log.segment_bytes=1MiB"]).start()
    accepted = [server.client.accept("a" * choose.randrange(1, 9000)) for _ in range(40)]
    server.kill()
    whole = server.home / "whole"
    shutil.copytree(server.data, whole)
    log = server.data / "log"
    segment = max(log.glob("*.segment"), key=written_bytes)
    end = written_bytes(segment) // 4096 * 4096
    # The last batch is told apart from a torn one only after an orderly stop; it is at most as long as the one script.
    guarded = end - 5 * 4096
    assert guarded > 20 * 4096, guarded
    for number in range(rounds):
        bit = choose.randrange(8 * 4096) if number == 0 else choose.randrange(8 * guarded)
        flip(segment, bit)
        said = refusal_to_start(server, segment)
        position = int(re.search(r"position (\d+)", said)[1])
        assert position % 4096 == 0 and position <= bit // 8 < position + 16 * 4096, f"bit {bit} is said to be at {position}"
        flip(segment, bit)
    meta = log / "META"
    flip(meta, 8 * 12)
    refusal_to_start(server, meta)
    shutil.rmtree(server.data)
    shutil.copytree(whole, server.data)
    server.start()
    listed = {item["execution_id"] for item in server.client.list_all("")}
    expect.equal(set(accepted) - listed, set(), "acknowledged, and not there")
