"""Programs with a network: where they may go, where they may not, and that there is no other way out."""

import http.server
import json
import socket
import threading
import time

from harness import expect
from harness.runner import case


class Peer:
    """A server on this machine. Clients of it are counted."""

    def __init__(self, address="127.0.0.1"):
        self.seen = []
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                peer.seen.append((self.path, dict(self.headers)))
                body = b"answer of " + self.path.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                data = self.rfile.read(int(self.headers["Content-Length"]))
                peer.seen.append((self.path, len(data)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def server_with(context, **properties):
    flags = [f"--network.{name}={value}" for name, value in properties.items()]
    server = context.own(flags=flags)
    server.start()
    return server


# The hosts of these tests are local ones, which programs usually look for in their own box.
FETCH = """
import os, sys, urllib.request
for name in ("no_proxy", "NO_PROXY"):
    os.environ.pop(name, None)
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=10).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.headers["X-Weir-Refused"], error.read().decode().strip())
    except Exception as error:
        print(type(error).__name__, error)
"""


@case()
def a_program_reaches_what_request_and_operator_name(context):
    with Peer() as meant, Peer() as other:
        server = server_with(context, hosts="127.0.0.1:*,localhost:*", reachable=f"127.0.0.1:{meant.port}")
        allow = {"allow": [f"127.0.0.1:{meant.port}", f"localhost:{meant.port}", f"127.0.0.1:{other.port}"]}
        result = server.client.run(FETCH, network=allow, args=[
            f"http://127.0.0.1:{meant.port}/a?b=c", f"http://localhost:{meant.port}/d", f"http://127.0.0.1:{other.port}/",
            f"http://localhost:{other.port}/", f"http://127.0.0.1:{server.client.port}/livez"])
        lines = result["stdout"].splitlines()
        expect.equal(lines[:2], ["answer of /a?b=c", "answer of /d"], result)
        assert lines[2].startswith("403 own_address weir: 127.0.0.1:"), lines
        assert lines[3].startswith("403 not_in_request weir: localhost:"), lines
        assert lines[4].startswith("403 not_in_request "), lines
        used = result["network"]
        expect.equal((used["mode"], used["connections"], used["refused"]), ("allow", 2, 3))
        assert used["sent_bytes"] > 0 and used["received_bytes"] > 0 and not used["bytes_limit_reached"], used
        expect.equal([(one["to"], one["reason"]) for one in used["refusals"]],
                     [(f"127.0.0.1:{other.port}", "own_address"), (f"localhost:{other.port}", "not_in_request"),
                      (f"127.0.0.1:{server.client.port}", "not_in_request")])
        expect.equal(([path for path, _ in meant.seen], other.seen), (["/a?b=c", "/d"], []))
        expect.equal(meant.seen[1][1]["Host"], f"localhost:{meant.port}")
        expect.equal(server.client.metric("weir_network_connections_total"), 2)
        expect.equal(server.client.metric("weir_network_refused_total"), 3)
        expect.equal(server.client.metric("weir_network_connections_open"), 0)


TUNNEL = """
import socket, sys
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\\r\\n\\r\\n".encode())
print(s.recv(1000).split(b"\\r\\n")[0].decode())
s.sendall(b"GET /tunnelled HTTP/1.0\\r\\n\\r\\n")
data = b""
while part := s.recv(1000):
    data += part
print(data.split(b"\\r\\n\\r\\n")[1].decode())
"""


@case()
def a_tunnel_carries_anything(context):
    with Peer() as peer:
        server = server_with(context, hosts="*:*", reachable=f"127.0.0.1:{peer.port}")
        where = f"127.0.0.1:{peer.port}"
        result = server.client.run(TUNNEL, network={"allow": [where]}, args=[where])
        expect.equal(result["stdout"], "HTTP/1.1 200 Connection established\nanswer of /tunnelled\n", result)


@case()
def nobody_has_a_network_unless_the_operator_says_so(context):
    client = context.shared().client
    answer = client.post("/api/v1/execute", {"script": "x", "network": {"allow": ["example.org:443"]}})
    expect.problem(answer, 403, "network_not_allowed")
    error = answer.json()["errors"][0]
    expect.equal((error["pointer"], error["code"]), ("/network/allow/0", "not_allowed"))
    assert "network.hosts" in error["detail"], error
    expect.problem(client.post("/api/v1/execute", {"script": "x", "network": "open"}), 403, "network_not_allowed")
    expect.input_error(client.post("/api/v1/execute", {"script": "x", "network": {"allow": ["127.1:80"]}}),
                       "/network/allow/0")
    result = client.run("print(1)", network="none")
    expect.equal((result["status"], result["network"]), ("completed", None))
    limits = client.get("/api/v1/k8s-limits").json()["network"]
    expect.equal((limits["hosts"], limits["open"]), ([], []))


@case()
def open_is_for_languages_and_roles_that_the_operator_names(context):
    server = server_with(context, open="bash")
    answer = server.client.post("/api/v1/execute", {"script": "x", "lang": "python", "network": "open"})
    expect.problem(answer, 403, "network_not_allowed")
    script = """
exec 3<>/dev/tcp/127.0.0.1/3128
for host in 127.0.0.1:%d localhost:%d 169.254.169.254:80 [fd00:ec2::254]:80 10.0.0.1:80 metadata.google.internal.invalid:80
do
    exec 3<>/dev/tcp/127.0.0.1/3128
    printf 'CONNECT %%s HTTP/1.1\\r\\n\\r\\n' $host >&3
    cat <&3 | grep -i -E '^(X-Weir|HTTP)' | tr -d '\\r' | tr '\\n' ' '
    echo
done
""" % (server.client.port, server.client.port)
    result = server.client.run(script, lang="bash", network="open")
    own = "HTTP/1.1 403 Forbidden X-Weir-Refused: own_address "
    forbidden = "HTTP/1.1 403 Forbidden X-Weir-Refused: forbidden_address "
    lines = result["stdout"].splitlines()
    expect.equal(lines[:5], [own, own, forbidden, forbidden, forbidden], result)
    assert lines[5].startswith(("HTTP/1.1 502", "HTTP/1.1 504")), lines
    expect.equal((result["network"]["mode"], result["network"]["connections"]), ("open", 0))


ESCAPES = r"""
import ctypes, os, socket, struct
def attempt(name, what):
    try:
        print(name, "REACHED", what())
    except OSError as error:
        print(name, "refused", error.errno)
def direct(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        s.connect(address)
        if kind != socket.SOCK_STREAM:
            s.send(b"x")
        return s.getsockname()
attempt("tcp", lambda: direct(socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 443)))
attempt("metadata", lambda: direct(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)))
attempt("udp", lambda: direct(socket.AF_INET, socket.SOCK_DGRAM, ("8.8.8.8", 53)))
attempt("tcp6", lambda: direct(socket.AF_INET6, socket.SOCK_STREAM, ("2606:4700::1111", 443)))
attempt("udp6", lambda: direct(socket.AF_INET6, socket.SOCK_DGRAM, ("2606:4700::1111", 53)))
attempt("node", lambda: direct(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", NODE)))
attempt("peer", lambda: direct(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PEER)))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("raw6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW, 3))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("ping", lambda: direct(socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 0)) and 0)
attempt("abstract", lambda: direct(socket.AF_UNIX, socket.SOCK_STREAM, "\0weir"))
attempt("same port", lambda: socket.create_server(("127.0.0.1", 3128)))
def interfaces():
    names = [name for _, name in socket.if_nameindex()]
    if names == ["lo"]:
        raise OSError(0, "nothing but loopback")
    return names
attempt("interfaces", interfaces)
libc = ctypes.CDLL(None, use_errno=True)
def unshare():
    if libc.unshare(0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
attempt("namespace", unshare)
"""


@case()
def there_is_no_other_way_out(context):
    with Peer() as peer:
        server = server_with(context, hosts="*:*", reachable=f"127.0.0.1:{peer.port}")
        script = ESCAPES.replace("NODE", str(server.client.port)).replace("PEER", str(peer.port))
        for network in ("none", {"allow": ["*:*"]}):
            result = server.client.run(script, network=network)
            expect.equal(result["exit_code"], 0, result)
            reached = [line for line in result["stdout"].splitlines() if "REACHED" in line]
            # Without a network nothing listens there, and the program may.
            expect.equal([line.split(" REACHED")[0] for line in reached], ["same port"] if network == "none" else [])
            expect.equal(peer.seen, [])


@case()
def two_programs_do_not_meet(context):
    server = server_with(context, hosts="*:*")
    first = server.client.accept("import socket\ns = socket.create_server(('127.0.0.1', 5555))\nprint('up', flush=True)\n"
                                 "s.settimeout(8)\ns.accept()", network={"allow": ["*:*"]})
    with server.client.stream(first) as stream:
        next(event for event in stream if event.type == "execution_output")
    second = ("import socket\ntry:\n    socket.create_connection(('127.0.0.1', 5555))\n    print('met')\n"
              "except ConnectionRefusedError:\n    print('alone')")
    expect.equal(server.client.run(second, network={"allow": ["*:*"]})["stdout"], "alone\n")
    result = server.client.run(FETCH, network={"allow": ["*:*"]}, args=["http://127.0.0.1:5555/"])
    assert result["stdout"].startswith("403 own_address"), result
    server.client.cancel(first)


@case()
def bytes_and_connections_are_bounded(context):
    with Peer() as peer:
        server = server_with(context, hosts="*:*", reachable=f"127.0.0.1:{peer.port}", bytes_max="64KiB", connections_max=2)
        where = f"127.0.0.1:{peer.port}"
        script = f"""
import os, socket, time, urllib.request
for name in ("no_proxy", "NO_PROXY"):
    del os.environ[name]
def proxy():
    return socket.create_connection(("127.0.0.1", 3128))
held = [proxy(), proxy()]
time.sleep(0.2)
third = proxy()
print(third.recv(1000).split(b"\\r\\n")[1].decode())
for one in held:
    one.close()
time.sleep(0.2)
try:
    urllib.request.urlopen(urllib.request.Request("http://{where}/", data=b"x" * 200_000))
    print("sent")
except OSError as error:
    print("cut")
try:
    urllib.request.urlopen("http://{where}/")
except urllib.error.HTTPError as error:
    print(error.headers["X-Weir-Refused"])
"""
        result = server.client.run(script, network={"allow": [where]})
        expect.equal(result["stdout"].splitlines(), ["X-Weir-Refused: network.connections_max", "cut", "network.bytes_max"],
                     result)
        expect.equal(result["network"]["bytes_limit_reached"], True)
        for limit in ("network.connections_max", "network.bytes_max"):
            text = server.client.get("/metrics").body.decode()
            assert any(line.startswith("weir_limit_reached_total") and limit in line and not line.endswith(" 0")
                       for line in text.splitlines()), limit


@case()
def a_connection_ends_with_its_program(context):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = server_with(context, hosts="*:*", reachable=f"127.0.0.1:{port}")
    script = f"""
import socket, time
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(b"CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n")
s.recv(1000)
time.sleep(3600)
"""
    identity = server.client.accept(script, network={"allow": [f"127.0.0.1:{port}"]})
    listener.settimeout(20)
    peer, _ = listener.accept()
    peer.settimeout(20)
    began = time.monotonic()
    server.client.cancel(identity)
    expect.equal(peer.recv(1), b"")
    took_ms = (time.monotonic() - began) * 1e3
    assert took_ms < 2_000, took_ms
    expect.equal(server.client.wait(identity)["status"], "cancelled")
    listener.close()


@case()
def an_execution_with_effects_outside_is_tried_once(context):
    server = server_with(context, hosts="*:*")
    identity = server.client.accept("import time; time.sleep(60)", network={"allow": ["a.example:1"]})
    server.client.wait_for_status(identity, ("running",))
    server.restart(hard=True)
    result = server.client.wait(identity)
    expect.equal((result["error_type"], result["network"]), ("infrastructure", None))


@case()
def the_command_line_asks_for_hosts(context):
    with Peer() as peer:
        server = server_with(context, hosts="*:*", reachable=f"127.0.0.1:{peer.port}")
        path = server.home / "fetch.py"
        path.write_text(FETCH)
        where = f"127.0.0.1:{peer.port}"
        ended = context.binary.cli("run", "--allow", where, str(path), f"http://{where}/x", server=server)
        expect.equal((ended.returncode, ended.stdout), (0, "answer of /x\n"), ended)
        ended = context.binary.cli("run", "-o", "json", str(path), f"http://{where}/x", server=server)
        assert json.loads(ended.stdout)["network"] is None, ended
        ended = context.binary.cli("run", "--network", "open", str(path), server=server)
        expect.equal(ended.returncode, 4)
