"""admission.user_open_max: exact over the shards, and still right after kill -9 on another number of them."""

import time

from harness import expect
from harness.runner import case

LIMIT = 12


def post(client):
    """On a connection of its own, so that the shards take turns."""
    return client.request("POST", "/api/v1/execute", {"script": "true", "lang": "bash"}, fresh=True)


def post_until_refused(client, count):
    """`count` are accepted, the next ones are refused by the limit's name. The ids of the accepted ones."""
    taken = []
    deadline = time.monotonic() + 30
    while len(taken) < count:
        answer = post(client)
        if answer.status == 202:
            taken.append(answer.json()["execution_id"])
            continue
        # What has just ended may not be known everywhere yet.
        body = expect.problem(answer, 429)
        expect.equal(body["limit"], "admission.user_open_max")
        assert time.monotonic() < deadline, f"only {len(taken)} of {count} are accepted"
        time.sleep(0.05)
    for _ in range(6):
        refused = post(client)
        body = expect.problem(refused, 429)
        expect.equal((body["limit"], body["limit_value"]), ("admission.user_open_max", LIMIT))
        assert int(refused.header("Retry-After")) >= 1, refused.headers.items()
    return taken


def open_ones(client):
    return [item for item in client.list_all("") if item["status"] in ("queued", "scheduled", "running")]


def end(client, ids):
    for identity in ids:
        expect.equal(client.cancel(identity).status, 202)
    for identity in ids:
        expect.equal(client.wait(identity)["status"], "cancelled")


@case()
def a_users_limit_holds_over_shards_and_crashes(context):
    server = context.own(executor="noop:600000", shards=2,
                         environment={"WEIR_ADMISSION__USER_OPEN_MAX": str(LIMIT)}).start()
    taken = post_until_refused(server.client, LIMIT)
    expect.equal(len(open_ones(server.client)), LIMIT, "open executions")
    expect.equal(server.stuck(), [], "stuck executions")

    for shards in (3, 1, 2):
        server.restart(shards=shards, hard=True)
        client = server.client
        expect.equal(sorted(item["execution_id"] for item in open_ones(client)), sorted(taken), "open after kill -9")
        post_until_refused(client, 0)
        ended, taken = taken[:5], taken[5:]
        end(client, ended)
        taken += post_until_refused(client, 5)
        expect.equal(len(open_ones(client)), LIMIT, f"open executions with {shards} shards")
        expect.equal(server.stuck(), [], "stuck executions")
    end(server.client, taken)
    end(server.client, post_until_refused(server.client, LIMIT))
    expect.equal(open_ones(server.client), [], "open executions in the end")


@case()
def far_from_the_limit_nobody_is_refused(context):
    server = context.own(executor="noop", shards=2, environment={"WEIR_ADMISSION__USER_OPEN_MAX": "1000"}).start()
    for _ in range(300):
        expect.equal(post(server.client).status, 202)
    expect.equal(server.stuck(), [], "stuck executions")
