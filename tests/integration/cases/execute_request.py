"""POST /api/v1/execute: what it takes, what it refuses and where the refusal points."""

import base64
import json

from harness import expect
from harness.runner import case

MIB = 1 << 20
SCRIPT = "print(1)"


def post(context, executor="noop", **fields):
    return context.shared(executor).client.post("/api/v1/execute", fields)


def post_bytes(context, body, content_type="application/json"):
    return context.shared("noop").client.post("/api/v1/execute", body, {"Content-Type": content_type})


def refused(context, pointer, **fields):
    fields.setdefault("script", SCRIPT)
    return expect.input_error(post(context, **fields), pointer)


def taken(context, **fields):
    fields.setdefault("script", SCRIPT)
    answer = post(context, **fields)
    assert answer.status == 202, (expect.short(fields), answer.status, answer.body[:1000])
    return answer


@case()
def accepts_with_defaults(context):
    answer = taken(context)
    body = answer.json()
    expect.equal(set(body), {"execution_id", "status"}, "members")
    expect.equal(body["status"], "queued")
    assert expect.UUID_V7.fullmatch(body["execution_id"]), body
    expect.equal(answer.header("Location"), f"/api/v1/executions/{body['execution_id']}", "Location")
    view = context.shared("noop").client.view(body["execution_id"])
    expect.equal((view["lang"], view["priority"], view["labels"]), ("python", "normal", {}))
    assert view["lang_version"], view


@case()
def script_length_is_in_code_points(context):
    taken(context, script="#" * 50_000)
    taken(context, script="𝄞" * 50_000)
    refused(context, "/script", script="#" * 50_001)
    refused(context, "/script", script="é" * 50_001)
    refused(context, "/script", script="")
    refused(context, "/script", script=7)
    refused(context, "/script", script=None)
    expect.input_error(post(context, lang="python"), "/script")


@case()
def runtimes_are_those_listed(context):
    client = context.shared().client
    limits = client.get("/api/v1/k8s-limits")
    expect.equal(limits.status, 200)
    runtimes = limits.json()["supported_runtimes"]
    for language in ("python", "node", "bash", "ruby", "perl"):
        assert language in runtimes, runtimes
    expect.input_error(client.execute(SCRIPT, lang="cobol"), "/lang")
    expect.input_error(client.execute(SCRIPT, lang="python", lang_version="1.5"), "/lang_version")
    expect.input_error(client.execute(SCRIPT, lang=3), "/lang")
    expect.input_error(client.execute(SCRIPT, lang_version=[]), "/lang_version")


@case()
def arguments_have_limits(context):
    taken(context, args=[])
    taken(context, args=["é" * 2048] * 64)
    refused(context, "/args", args=["a"] * 65)
    refused(context, "/args/1", args=["a", "b" * 4097])
    refused(context, "/args/0", args=["é" * 2049])
    refused(context, "/args/2", args=["a", "b", 3])
    refused(context, "/args", args="a b")


@case()
def standard_input_has_limits(context):
    taken(context, stdin="x" * MIB)
    taken(context, stdin={"base64": base64.b64encode(bytes(MIB)).decode()})
    for pointer, value in (("/stdin", "x" * (MIB + 1)), ("/stdin", 5), ("/stdin", [])):
        refused(context, pointer, stdin=value)
    for value in ("%%%", base64.b64encode(bytes(MIB + 1)).decode(), 5):
        refused(context, "/stdin/base64", stdin={"base64": value})
    refused(context, "/stdin/base64", stdin={})
    refused(context, "/stdin/text", stdin={"base64": "", "text": ""})


@case()
def priority_is_one_of_five(context):
    for name in ("critical", "high", "normal", "low", "background"):
        identity = taken(context, priority=name).json()["execution_id"]
        expect.equal(context.shared("noop").client.view(identity)["priority"], name)
    refused(context, "/priority", priority="urgent")
    refused(context, "/priority", priority=1)


@case()
def limits_are_bounded_and_name_the_maximum(context):
    maxima = {"wall_ms": 3_600_000, "cpu_ms": 3_600_000, "memory_bytes": 4 << 30, "processes": 1024,
              "output_bytes": 64 << 20, "disk_bytes": 1 << 30}
    for name, maximum in maxima.items():
        taken(context, limits={name: maximum})
        error = refused(context, f"/limits/{name}", limits={name: maximum + 1})
        assert str(maximum) in error["detail"].replace(",", ""), f"the maximum is not named: {error}"
        for wrong in (0, -1, 1.5, "9", None, True, 1 << 63):
            refused(context, f"/limits/{name}", limits={name: wrong})
    taken(context, limits={"on_output_limit": "kill"})
    refused(context, "/limits/on_output_limit", limits={"on_output_limit": "explode"})
    refused(context, "/limits/gpu", limits={"gpu": 1})
    refused(context, "/limits", limits=[])


@case()
def retry_policy_is_checked(context):
    taken(context, retry={"max_attempts": 10, "on": ["infrastructure", "exit_code", "timeout_wall"], "backoff_ms": 10})
    taken(context, retry={"max_attempts": 1})
    refused(context, "/retry/max_attempts", retry={"max_attempts": 0})
    refused(context, "/retry/max_attempts", retry={"max_attempts": 11})
    refused(context, "/retry/on/1", retry={"max_attempts": 2, "on": ["infrastructure", "bad_mood"]})
    refused(context, "/retry/on", retry={"max_attempts": 2, "on": "infrastructure"})
    refused(context, "/retry/backoff_ms", retry={"max_attempts": 2, "backoff_ms": -1})
    refused(context, "/retry/jitter", retry={"jitter": 1})
    refused(context, "/retry", retry=3)


@case()
def labels_have_limits(context):
    labels = {f"{number:02}" + "k" * 62: "v" * 256 for number in range(16)}
    identity = taken(context, labels=labels).json()["execution_id"]
    expect.equal(context.shared("noop").client.view(identity)["labels"], labels)
    refused(context, "/labels", labels=dict(labels, one_more="x"))
    refused(context, "/labels/" + "k" * 65, labels={"k" * 65: "v"})
    refused(context, "/labels/k", labels={"k": "é" * 129})
    refused(context, "/labels/a~1b~0c", labels={"a/b~c": 5})
    refused(context, "/labels", labels=["a"])


@case()
def unknown_fields_are_errors(context):
    refused(context, "/scirpt", scirpt="typo")
    both = expect.problem(post(context, script=5, nonsense=True), 422)
    assert {"/script", "/nonsense"} <= {error["pointer"] for error in both["errors"]}, both


@case()
def duplicate_members_are_errors(context):
    for body, pointer in ((b'{"script":"a","script":"b"}', "/script"),
                          (b'{"script":"a","limits":{"wall_ms":5,"wall_ms":6}}', "/limits/wall_ms"),
                          (b'{"script":"a","labels":{"x":"1","\\u0078":"2"}}', "/labels/x"),
                          (b'{"script":"a","retry":{"on":[],"on":[]}}', "/retry/on"),
                          (b'{"script":"a","stdin":{"base64":"","base64":""}}', "/stdin/base64")):
        expect.input_error(post_bytes(context, body), pointer)


@case()
def malformed_json_is_named(context):
    for body in (b"", b"{", b'{"script":"a",}', b'{"script":"a"} x', b'{"script":"a"}{"script":"b"}', b"{'script':'a'}",
                 b'{"script":"\xff"}', b'{"script":"\xed\xa0\x80"}', b'{"script":"a\nb"}', b'{"script":"\\x"}',
                 b'{"script":"a","args":[NaN]}', b'{"script":"a","limits":{"wall_ms":01}}', b'\xff\xfe{\x00}\x00'):
        answer = post_bytes(context, body)
        assert answer.status == 400, (body, answer.status, answer.body[:500])
        expect.problem(answer, 400, "malformed_json")
    for body in (b"[]", b"null", b'"script"', b"5"):
        assert post_bytes(context, body).status in (400, 422), body
    deep = b'{"script":"a","args":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert post_bytes(context, deep).status in (400, 422)


@case()
def content_type_must_be_json(context):
    body = json.dumps({"script": SCRIPT}).encode()
    expect.equal(post_bytes(context, body, "application/json; charset=utf-8").status, 202)
    expect.problem(post_bytes(context, body, "text/plain"), 415)
    expect.problem(post_bytes(context, body, "application/x-www-form-urlencoded"), 415)


@case()
def a_body_over_ten_mib_is_refused(context):
    body = b'{"script":"' + b"a" * (10 * MIB) + b'"}'
    client = context.shared("noop").client
    expect.problem(client.request("POST", "/api/v1/execute", body, fresh=True), 413)
    expect.equal(client.execute(SCRIPT).status, 202)


@case()
def prefer_wait_gives_the_result(context):
    client = context.shared("noop").client
    for preference in ("wait=10", "respond-async, wait=10", "wait=9999", "WAIT = 10"):
        answer = client.post("/api/v1/execute", {"script": SCRIPT}, {"Prefer": preference})
        assert answer.status == 200, (preference, answer.status, answer.body[:500])
        expect.equal(answer.header("Preference-Applied"), "wait", "Preference-Applied")
        body = answer.json()
        expect.equal((body["status"], body["exit_code"], body["error_type"]), ("completed", 0, None))
        expect.equal(client.result(body["execution_id"]), body, "the result route")
    for preference in ("wait=soon", "return=minimal", ""):
        answer = client.post("/api/v1/execute", {"script": SCRIPT}, {"Prefer": preference})
        assert answer.status == 202, (preference, answer.status)
        expect.equal(answer.header("Preference-Applied"), None)


@case()
def prefer_wait_that_is_too_short_gives_202(context):
    client = context.shared().client
    answer = client.execute("import time; time.sleep(30)", wait_s=1)
    expect.equal(answer.status, 202)
    expect.equal(answer.header("Preference-Applied"), None)
    assert answer.json()["status"] in ("queued", "scheduled", "running"), answer.body
    client.cancel(answer.json()["execution_id"])


@case()
def result_body_has_the_contracts_members(context):
    body = context.shared("noop").client.execute(SCRIPT, wait_s=10, priority="low").json()
    expect.equal(set(body), {"execution_id", "status", "exit_code", "signal", "error_type", "error_message", "stdout",
                             "stderr", "stdout_encoding", "stderr_encoding", "stdout_truncated", "stderr_truncated",
                             "resource_usage", "isolation", "network", "artifacts", "lang", "lang_version", "priority"},
                 "members")
    expect.equal((body["isolation"], body["network"], body["artifacts"]), (None, None, []))
    expect.equal((body["stdout"], body["stderr"], body["stdout_encoding"]), ("", "", "utf-8"))
    expect.equal((body["priority"], body["signal"]), ("low", None))
