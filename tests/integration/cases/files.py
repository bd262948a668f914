"""Files into an execution and out of it: input files, outputs as artefacts, and what keeps them over kills."""

import base64
import time

from harness import expect
from harness.runner import case

BINARY = bytes(range(256)) * 40
COPY = "import sys\nfor path in sys.argv[1:]:\n    open(path + '.out', 'wb').write(open(path, 'rb').read())\n"


def encoded(data):
    return base64.b64encode(data).decode()


def artifact(client, identity, number, headers=None):
    return client.get(f"/api/v1/executions/{identity}/artifacts/{number}", headers)


@case()
def files_go_in_and_outputs_come_out(context):
    client = context.shared().client
    large = b"0123456789abcdef" * 65536 * 2  # 2 MiB: many pieces in the log
    identity = client.accept(COPY + "sys.exit(4)", args=["a", "deep/er/b", "empty"], files=[
        {"path": "a", "text": "tëxt\n"}, {"path": "deep/er/b", "base64": encoded(large)}, {"path": "empty", "text": ""}],
        outputs=["a.out", "deep/er/b.out", "absent", "empty.out", "deep"])
    result = client.wait(identity)
    expect.equal((result["error_type"], result["exit_code"]), ("exit_code", 4), result["stderr"])
    expect.equal(result["artifacts"], [
        {"artifact_id": "1", "path": "a.out", "bytes": 6, "file_error": False, "reason": None},
        {"artifact_id": "2", "path": "deep/er/b.out", "bytes": len(large), "file_error": False, "reason": None},
        {"artifact_id": None, "path": "absent", "bytes": 0, "file_error": True, "reason": "not_found"},
        {"artifact_id": "4", "path": "empty.out", "bytes": 0, "file_error": False, "reason": None},
        {"artifact_id": None, "path": "deep", "bytes": 0, "file_error": True, "reason": "not_regular"}])
    assert result["isolation"]["limits"] in ("cgroup2", "cgroup1", "rlimit"), result["isolation"]
    assert result["isolation"]["start"] in ("cold", "zygote", "parked"), result["isolation"]
    one = artifact(client, identity, 2)
    expect.equal((one.status, one.header("Content-Type")), (200, "application/octet-stream"))
    assert one.body == large
    expect.equal((artifact(client, identity, 1).body, artifact(client, identity, 4).body), ("tëxt\n".encode(), b""))
    part = artifact(client, identity, 2, {"Range": "bytes=16-31"})
    expect.equal((part.status, part.body, part.header("Content-Range")),
                 (206, b"0123456789abcdef", f"bytes 16-31/{len(large)}"))
    expect.equal(artifact(client, identity, 2, {"If-None-Match": one.header("ETag")}).status, 304)
    expect.problem(artifact(client, identity, 2, {"Range": f"bytes={len(large)}-"}), 416)
    for number in ("0", "3", "5", "6", "01", "-1", "x", "999999999999"):
        expect.problem(artifact(client, identity, number), 404, "not_found")
    expect.problem(artifact(client, "01890a5d-ac96-774b-bcce-b302099a8057", 1), 404, "not_found")
    expect.whole_history(client.events(identity), identity)


@case()
def before_the_end_there_is_no_artifact(context):
    client = context.shared().client
    identity = client.accept("echo x > out; echo begun; sleep 30", lang="bash", outputs=["out"])
    client.wait_for_status(identity, ("running",))
    expect.problem(artifact(client, identity, 1), 409, "not_finished")
    time.sleep(0.5)
    client.cancel(identity)
    result = client.wait(identity)
    expect.equal((result["status"], len(result["artifacts"])), ("cancelled", 1))


@case()
def links_lead_nowhere(context):
    client = context.shared().client
    result = client.run("ln -s /etc/passwd a; mkfifo b; ln -s / root; ln -s a/../.. c; echo ok > good", lang="bash",
                        outputs=["a", "b", "root/etc/passwd", "c", "good"])
    expect.equal([one["reason"] for one in result["artifacts"]],
                 ["not_regular", "not_regular", "not_regular", "not_regular", None])


@case()
def what_files_and_outputs_may_not_be(context):
    client = context.shared().client

    def refused(pointer, **fields):
        expect.input_error(client.execute("pass", **fields), pointer)

    for path in ("", "/etc/x", "../x", "a/../b", "a//b", "a/", "./a", "x" * 256, "a\0b", "/".join("a" * 17), "main.py",
                 "main.py/x"):
        refused("/files/0/path", files=[{"path": path, "text": ""}])
        if "main.py" not in path:
            refused("/outputs/0", outputs=[path])
    refused("/files/1/path", files=[{"path": "a", "text": ""}, {"path": "a", "text": ""}])
    refused("/files/1/path", files=[{"path": "a/b", "text": ""}, {"path": "a", "text": ""}])
    refused("/files/1/path", files=[{"path": "a", "text": ""}, {"path": "a/b", "text": ""}])
    refused("/files/0/path", files=[{"text": ""}])
    refused("/files/0/text", files=[{"path": "a"}])
    refused("/files/0", files=[{"path": "a", "text": "", "base64": ""}])
    refused("/files/0/base64", files=[{"path": "a", "base64": "!"}])
    refused("/files/0/mode", files=[{"path": "a", "text": "", "mode": 7}])
    refused("/files/0", files=["a"])
    refused("/files", files={"path": "a"})
    refused("/outputs", outputs="a")
    refused("/outputs/1", outputs=["a", "a"])
    refused("/files/0/path", lang="c", files=[{"path": "main", "text": ""}])
    for limit, value, fields in (
            ("files_max", 64, {"files": [{"path": f"f{i}", "text": ""} for i in range(65)]}),
            ("files_bytes_max", 4 << 20, {"files": [{"path": f"f{i}", "text": "x" * (1 << 20)} for i in range(4)] +
                                          [{"path": "one", "text": "x"}]}),
            ("outputs_max", 32, {"outputs": [f"f{i}" for i in range(33)]})):
        answer = client.execute("pass", **fields)
        expect.problem(answer, 422)
        expect.equal((answer.json()["limit"], answer.json()["limit_value"]), (limit, value))
    limits = client.get("/api/v1/k8s-limits").json()["files"]
    expect.equal((limits["files_max"], limits["outputs_max"]), (64, 32))


@case()
def the_largest_request_and_the_largest_artifacts_pass(context):
    server = context.own().start()
    client = server.client
    files = [{"path": f"f{i}", "base64": encoded(bytes([i]) * 65536)} for i in range(64)]
    script = ("import glob\nprint(sum(len(open(p, 'rb').read()) for p in glob.glob('f*')))\n"
              "for i in range(3):\n    open(f'o{i}', 'wb').write(bytes([i]) * (8 << 20))\n"
              "open('more', 'wb').write(b'x' * ((8 << 20) + 1))\n")
    result = client.run(script, files=files, outputs=["more", "o0", "o1", "o2"])
    expect.equal((result["status"], result["stdout"]), ("completed", f"{4 << 20}\n"), result["stderr"])
    expect.equal([one["reason"] for one in result["artifacts"]], ["too_large", None, None, "too_large_together"])
    identity = result["execution_id"]
    assert artifact(client, identity, 3).body == b"\1" * (8 << 20)
    time.sleep(0.5)  # handed over to the archive meanwhile, or not: the same bytes
    assert artifact(client, identity, 2).body == b"\0" * (8 << 20)
    assert client.metric("weir_limit_reached_total") >= 2


@case()
def files_and_artifacts_survive_kills(context):
    server = context.own(flags=["--log.snapshot_age_s=1"]).start()
    client = server.client
    script = COPY + "import time\nopen('mark', 'w').close()\nprint('copied', flush=True)\ntime.sleep(float(args_s))\n"
    done = []
    for index in range(6):
        data = BINARY * (1 + index * 8) + bytes([index])
        done.append((client.run(COPY, args=["in"], files=[{"path": "in", "base64": encoded(data)}],
                                outputs=["in.out", "gone"])["execution_id"], data))
    # Open when the server dies, and written again by a snapshot before: the files are still there for the next attempt.
    late = BINARY * 30
    running = client.accept(script.replace("args_s", "3"), args=["in"], outputs=["in.out"],
                            files=[{"path": "in", "base64": encoded(late)}])
    client.wait_for_status(running, ("running",))
    time.sleep(2.5)
    server.kill()
    server.start()
    client = server.client
    done.append((running, late))
    client.wait(running)
    expect.equal(client.view(running)["attempt"], 2)
    for _ in range(2):
        for identity, data in done:
            result = client.wait(identity)
            expect.equal((result["status"], result["artifacts"][0]["bytes"]), ("completed", len(data)), identity)
            assert artifact(client, identity, 1).body == data, identity
            expect.whole_history(client.events(identity), identity)
        server.kill()
        server.start()
        client = server.client
    server.restart()
    for identity, data in done:
        assert artifact(server.client, identity, 1).body == data, identity
