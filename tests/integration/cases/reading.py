"""The read routes: views, results, output ranges, lists and their cursors, cancellation, probes and errors."""

import threading
import uuid

from harness import expect
from harness.runner import case

VIEW = {"execution_id", "status", "lang", "lang_version", "priority", "labels", "attempt", "created_at", "started_at",
        "finished_at", "last_event", "queue_position"}
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


@case()
def a_view_has_the_contracts_members(context):
    client = context.shared("noop").client
    identity = client.execute("a", wait_s=10, labels={"a": "b"}).json()["execution_id"]
    view = client.view(identity)
    expect.equal(set(view), VIEW, "members")
    expect.equal((view["status"], view["attempt"], view["queue_position"]), ("completed", 1, None))
    for moment in ("created_at", "started_at", "finished_at"):
        assert expect.TIME.fullmatch(view[moment]), view
    assert view["created_at"] <= view["started_at"] <= view["finished_at"], view
    expect.equal(view["last_event"], len(client.events(identity)), "last_event")


@case()
def what_is_not_there_is_404(context):
    client = context.shared("noop").client
    for route in ("", "/result", "/output/stdout", "/output/stderr"):
        for identity in (UNKNOWN, "no-uuid", UNKNOWN[:-1], UNKNOWN.upper().replace("A", "G")):
            expect.problem(client.get(f"/api/v1/executions/{identity}{route}"), 404)
    expect.problem(client.cancel(UNKNOWN), 404)
    expect.problem(client.get(f"/api/v1/events/executions/{UNKNOWN}"), 404)
    expect.problem(client.get("/api/v1/nothing"), 404)
    identity = client.accept("a")
    expect.problem(client.get(f"/api/v1/executions/{identity}/output/stdin"), 404)


@case()
def wrong_methods_name_the_allowed_ones(context):
    client = context.shared("noop").client
    identity = client.accept("a")
    for method, path, allowed in (("GET", "/api/v1/execute", {"POST"}), ("PUT", "/api/v1/execute", {"POST"}),
                                  ("POST", "/api/v1/executions", {"GET"}), ("DELETE", "/metrics", {"GET"}),
                                  ("POST", f"/api/v1/executions/{identity}", {"GET"}),
                                  ("GET", f"/api/v1/executions/{identity}/cancel", {"POST"})):
        answer = client.request(method, path)
        expect.problem(answer, 405)
        seen = {name.strip() for name in (answer.header("Allow") or "").split(",")}
        assert allowed <= seen and method not in seen, (method, path, seen)


@case()
def before_the_end_results_are_409(context):
    client = context.shared().client
    identity = client.accept("sleep 20", lang="bash")
    client.wait_for_status(identity, ("running",))
    for route in ("result", "output/stdout", "output/stderr"):
        expect.problem(client.get(f"/api/v1/executions/{identity}/{route}"), 409, "not_finished")
    client.cancel(identity)
    client.wait(identity)


@case()
def output_routes_serve_ranges(context):
    client = context.shared().client
    script = "import sys\nsys.stdout.buffer.write(bytes(range(256))*4)\nsys.stderr.write('oops')"
    identity = client.run(script)["execution_id"]
    wanted = bytes(range(256)) * 4
    path = f"/api/v1/executions/{identity}/output/"
    whole = client.get(path + "stdout")
    expect.equal((whole.status, whole.body, whole.header("Content-Type")), (200, wanted, "application/octet-stream"))
    expect.equal(client.get(path + "stderr").body, b"oops")
    for header, first, last in (("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=1000-", 1000, 1023),
                                ("bytes=-24", 1000, 1023), ("bytes=1000-9999", 1000, 1023), ("bytes=-9999", 0, 1023)):
        answer = client.get(path + "stdout", {"Range": header})
        expect.equal((answer.status, answer.body), (206, wanted[first:last + 1]), header)
        expect.equal(answer.header("Content-Range"), f"bytes {first}-{last}/1024", header)
    beyond = client.get(path + "stdout", {"Range": "bytes=1024-"})
    expect.equal((beyond.status, beyond.header("Content-Range")), (416, "bytes */1024"))
    for ignored in ("bytes=5-2", "lines=1-2", "bytes=x-", "bytes="):
        expect.equal(client.get(path + "stdout", {"Range": ignored}).status, 200, ignored)


@case()
def lists_page_by_cursor_newest_first(context):
    client = context.shared("noop").client
    label = uuid.uuid4().hex
    made = [client.execute("a", wait_s=10, labels={"page": label, "odd": str(number % 2)}).json()["execution_id"]
            for number in range(25)]
    seen = client.list_all(f"&label=page:{label}", page=7)
    expect.equal([item["execution_id"] for item in seen], sorted(made, reverse=True), "ids by descending id")
    expect.equal({frozenset(item) for item in seen}, {frozenset(VIEW)}, "members of an item")
    odd = client.list_all(f"&label=page:{label}&label=odd:1")
    expect.equal([item["execution_id"] for item in odd], sorted(made[1::2], reverse=True), "both labels must match")
    expect.equal(client.list_all(f"&label=page:{label}&status=failed"), [])
    expect.equal(len(client.list_all(f"&label=page:{label}&status=completed&lang=python")), 25)
    expect.equal(client.list_all(f"&label=page:{label}&lang=bash"), [])


@case()
def cursors_stay_good_while_others_arrive(context):
    client = context.shared("noop").client
    label = uuid.uuid4().hex
    made = {client.accept("a", labels={"page": label}) for _ in range(20)}
    seen, cursor, stop = [], "", threading.Event()

    def post_more():
        while not stop.is_set():
            client.accept("a", labels={"page": label, "late": "yes"})

    poster = threading.Thread(target=post_more)
    poster.start()
    try:
        while True:
            body = client.get(f"/api/v1/executions?limit=3&label=page:{label}{cursor}").json()
            seen += [item["execution_id"] for item in body["items"]]
            if not body["next_cursor"]:
                break
            cursor = "&cursor=" + body["next_cursor"]
    finally:
        stop.set()
        poster.join()
    expect.equal(len(seen), len(set(seen)), "no item twice")
    assert seen == sorted(seen, reverse=True), "not newest first"
    assert made <= set(seen), "an item that was there from the beginning is missing"


@case()
def bad_queries_are_refused(context):
    client = context.shared("noop").client
    for query in ("limit=0", "limit=1001", "limit=x", "limit=-1", "status=sleeping", "label=nocolon"):
        answer = client.get("/api/v1/executions?" + query)
        assert answer.status in (400, 422), (query, answer.status)
        expect.problem(answer, answer.status)
    for cursor in ("x", "%00", "A" * 500):
        answer = client.get("/api/v1/executions?cursor=" + cursor)
        expect.problem(answer, 400)


@case()
def cancelling_ends_a_running_program(context):
    client = context.shared().client
    identity = client.accept("echo begun; sleep 60", lang="bash")
    client.wait_for_status(identity, ("running",))
    answer = client.cancel(identity)
    expect.equal(answer.status, 202)
    expect.equal(answer.json(), {"execution_id": identity, "status": "cancellation_requested"})
    again = client.cancel(identity)
    assert again.status == 202 and again.json() == answer.json() or again.status == 409, (again.status, again.body)
    result = client.wait(identity, 10)
    expect.equal((result["status"], result["error_type"], result["exit_code"]), ("cancelled", "cancelled", None))
    expect.problem(client.cancel(identity), 409, "already_finished")
    events = client.events(identity)
    expect.whole_history(events, identity)
    types = [event.type for event in events]
    expect.equal(types.count("execution_cancellation_requested"), 1, "cancellation events")
    expect.equal(types[-1], "execution_cancelled")


@case()
def cancelling_a_queued_execution_never_starts_it(context):
    server = context.own(executor="sandbox", shards=1, flags=["--seats", "1"]).start()
    client = server.client
    blocker = client.accept("sleep 60", lang="bash")
    client.wait_for_status(blocker, ("running",))
    waiting = [client.accept("echo never", lang="bash") for _ in range(3)]
    expect.equal([client.view(identity)["queue_position"] for identity in waiting], [1, 2, 3], "queue positions")
    expect.equal(client.cancel(waiting[1]).status, 202)
    result = client.wait(waiting[1], 5)
    expect.equal((result["status"], result["stdout"]), ("cancelled", ""))
    events = client.events(waiting[1])
    expect.whole_history(events, waiting[1])
    assert "execution_started" not in [event.type for event in events], events
    expect.equal([client.view(waiting[0])["queue_position"], client.view(waiting[2])["queue_position"]], [1, 2])
    for identity in (blocker, waiting[0], waiting[2]):
        client.cancel(identity)


@case()
def probes_and_documents_answer(context):
    client = context.shared("noop").client
    for path in ("/livez", "/readyz", "/readyz?verbose"):
        expect.equal(client.get(path).status, 200, path)
    document = client.get("/openapi.json")
    expect.equal(document.status, 200)
    paths = document.json()["paths"]
    for path in ("/api/v1/execute", "/api/v1/executions", "/api/v1/executions/{id}",
                 "/api/v1/executions/{id}/result", "/api/v1/executions/{id}/cancel"):
        assert path in paths, sorted(paths)
    examples = client.get("/api/v1/example-scripts")
    expect.equal(examples.status, 200)
    code = expect.problem(client.get("/nothing/here"), 404)["code"]
    expect.equal(client.get(f"/problems/{code}").status, 200, "the page of a problem")


@case()
def executions_are_counted(context):
    client = context.own(executor="noop").start().client
    for number in range(5):
        client.execute("a", wait_s=10, key=f"k{number}")
        client.execute("a", wait_s=10, key=f"k{number}")
    expect.equal(client.metric("weir_executions_accepted_total"), 5.0)
    expect.equal(client.metric("weir_executions_finished_total"), 5.0)
    client.execute("x" * 60_000)
    assert client.metric("weir_limit_reached_total") >= 0


@case()
def example_scripts_run(context):
    client = context.shared().client
    scripts = client.get("/api/v1/example-scripts").json()["scripts"]
    expect.equal(set(scripts), set(client.get("/api/v1/k8s-limits").json()["supported_runtimes"]), "languages")
    for language, script in scripts.items():
        result = client.run(script, lang=language, args=["you"])
        expect.equal((result["status"], result["stdout"]), ("completed", "Hello, you!\n"), f"example of {language}")
