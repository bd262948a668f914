"""Retention of the archive: what ended first goes first, wholly, and what is gone is 404."""

import time

from harness import expect
from harness.runner import case

FLAGS = ("--archive.flush_s=1", "--archive.retention_interval_s=1")


def removed(client, reason):
    for line in client.get("/metrics").body.decode().splitlines():
        if line.startswith(f'weir_archive_removed_total{{reason="{reason}"}}'):
            return float(line.split()[-1])
    raise AssertionError("the metric is missing")


def wait_for(what, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@case()
def the_oldest_go_first_by_count(context):
    server = context.own(executor="noop", flags=(*FLAGS, "--archive.retention_count_max=25"))
    client = server.start().client
    ids = [client.execute("a", wait_s=10).json()["execution_id"] for _ in range(80)]
    wait_for(lambda: len(client.list_all("")) <= 25)
    left = [item["execution_id"] for item in client.list_all("", page=7)]
    expect.equal(left, list(reversed(ids[-25:])), "what is left, newest first, over pages")
    for identity in ids[:-25]:
        for route in ("", "/result", "/output/stdout"):
            expect.problem(client.get(f"/api/v1/executions/{identity}{route}"), 404)
    expect.problem(client.get(f"/api/v1/events/executions/{ids[0]}"), 404)
    assert removed(client, "count") >= 55, removed(client, "count")
    for identity in ids[-25:]:
        expect.equal(client.result(identity)["status"], "completed")
    # A crash may bring back what went shortly before it, and it goes again.
    client = server.restart(hard=True).client
    wait_for(lambda: len(client.list_all("")) <= 25)
    expect.equal([item["execution_id"] for item in client.list_all("")], list(reversed(ids[-25:])))


@case()
def an_age_takes_them_all(context):
    server = context.own(executor="noop", flags=(*FLAGS, "--archive.retention_age_s=2"))
    client = server.start().client
    first = client.execute("a", wait_s=10, key="kept").json()["execution_id"]
    wait_for(lambda: client.get(f"/api/v1/executions/{first}").status == 404)
    assert removed(client, "age") >= 1
    # The key outlives its execution: nothing runs twice, and the answer says why there is nothing to show.
    again = client.execute("a", key="kept")
    expect.problem(again, 404)
    assert first in again.json()["detail"], again.body
    expect.equal(client.list_all(""), [])
