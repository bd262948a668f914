"""Idempotency-Key: one execution per key, over storms, restarts and other numbers of shards."""

import threading
import uuid

from harness import expect
from harness.runner import case


def storm(client, posts, script, key, **fields):
    """Posts the same thing at once from as many threads; gives the answers."""
    answers, barrier = [None] * posts, threading.Barrier(posts)

    def one(number):
        client.get("/livez")  # the connection stands before the storm begins
        barrier.wait()
        answers[number] = client.execute(script, key=key, **fields)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(posts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@case()
def a_hundred_posts_at_once_give_one_execution(context):
    client = context.shared("noop").client
    for _ in range(5):
        key, label = f"storm-{uuid.uuid4()}", uuid.uuid4().hex
        answers = storm(client, 100, "print(1)", key, labels={"storm": label})
        expect.equal({answer.status for answer in answers}, {202}, "statuses")
        expect.equal(len({answer.json()["execution_id"] for answer in answers}), 1, "executions")
        expect.equal(sum(answer.header("Idempotent-Replayed") == "true" for answer in answers), 99, "replayed answers")
        expect.equal(len(client.list_all(f"&label=storm:{label}")), 1, "listed executions")


@case()
def another_body_under_the_key_is_refused(context):
    client = context.shared("noop").client
    key = str(uuid.uuid4())
    first = client.execute("print(1)", key=key)
    expect.equal(first.status, 202)
    expect.problem(client.execute("print(2)", key=key), 422, "idempotency_key_reused")
    again = client.execute("print(1)", key=key)
    expect.equal(again.json()["execution_id"], first.json()["execution_id"])
    expect.equal(again.header("Idempotent-Replayed"), "true", "Idempotent-Replayed")
    expect.equal(first.header("Idempotent-Replayed"), None, "Idempotent-Replayed")


@case()
def the_same_members_in_another_order_are_another_body(context):
    client = context.shared("noop").client
    key = {"Idempotency-Key": str(uuid.uuid4())}
    expect.equal(client.post("/api/v1/execute", '{"script":"a","lang":"bash"}', key).status, 202)
    expect.problem(client.post("/api/v1/execute", '{"lang":"bash","script":"a"}', key), 422, "idempotency_key_reused")


@case()
def quotes_around_the_key_do_not_count(context):
    client = context.shared("noop").client
    key = str(uuid.uuid4())
    first, second = client.execute("a", key=key), client.execute("a", key=f'"{key}"')
    expect.equal(first.json()["execution_id"], second.json()["execution_id"])


@case()
def a_replay_shows_the_present_state(context):
    client = context.shared("noop").client
    key = str(uuid.uuid4())
    first = client.execute("a", key=key, wait_s=10)
    expect.equal((first.status, first.header("Idempotent-Replayed")), (200, None))
    second = client.execute("a", key=key, wait_s=10)
    expect.equal((second.status, second.header("Idempotent-Replayed")), (200, "true"))
    expect.equal(first.json(), second.json(), "result")
    third = client.execute("a", key=key)
    expect.equal((third.status, third.json()["status"]), (202, "completed"))


@case()
def a_refused_post_binds_no_key(context):
    client = context.shared("noop").client
    key = str(uuid.uuid4())
    expect.problem(client.execute("", key=key), 422)
    expect.equal(client.execute("a", key=key).status, 202)


@case()
def keys_have_a_form(context):
    client = context.shared("noop").client
    for wrong in ("", "k" * 256, "with space", '""', "tab\there"):
        answer = client.execute("a", key=wrong)
        assert answer.status in (400, 422), (wrong, answer.status)
        expect.problem(answer, answer.status)
    expect.equal(client.execute("a", key="k" * 255).status, 202)
    expect.equal(client.execute("a", key="~!@#$%^&*()_+{}|:<>?[]\\;',./`" + uuid.uuid4().hex).status, 202)


@case()
def keys_survive_a_crash_and_another_number_of_shards(context):
    server = context.own(executor="noop", shards=2).start()
    given = {}
    for number in range(40):
        key = f"key-{number}"
        given[key] = server.client.execute(f"script {number}", key=key).json()["execution_id"]
    for shards in (1, 2):
        server.restart(shards=shards, hard=True)
        for number, (key, identity) in enumerate(given.items()):
            again = server.client.execute(f"script {number}", key=key)
            expect.equal(again.header("Idempotent-Replayed"), "true", f"Idempotent-Replayed on {shards} shards")
            expect.equal(again.json()["execution_id"], identity, f"{key} on {shards} shards")
            expect.problem(server.client.execute("other", key=key), 422, "idempotency_key_reused")
