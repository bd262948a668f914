"""A plain HTTP client and a reader of event streams, on the standard library alone."""

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass, field

TERMINAL = ("completed", "failed", "timeout", "cancelled")
TERMINAL_EVENTS = tuple("execution_" + status for status in TERMINAL)


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    def header(self, name):
        return self.headers.get(name)


@dataclass
class Event:
    number: int | None
    type: str
    data: bytes  # the bytes behind `data: `, which never change
    seen_at: float = 0.0
    body: dict = field(default_factory=dict)


class Client:
    """One server. Connections are kept, one per thread; any thread may call."""

    def __init__(self, host, port, timeout_s=120.0):
        self.host = host
        self.port = port
        self.timeout_s = timeout_s
        self._local = threading.local()

    def request(self, method, path, body=None, headers=None, fresh=False):
        """Any answer is a Response; no answer is an OSError or http.client.HTTPException."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        elif isinstance(body, str):
            body = body.encode()
        sent = dict(headers or {})
        if body is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        kept = getattr(self._local, "connection", None)
        # A server closes what is idle for long; a connection that was kept longer is not used again.
        stale = time.monotonic() - getattr(self._local, "used_at", 0.0) > 30
        if fresh or kept is None or stale:
            kept = self._connect()
        self._local.used_at = time.monotonic()
        try:
            kept.request(method, path, body=body, headers=sent)
            answer = kept.getresponse()
            result = Response(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            kept.close()
            self._local.connection = None
            raise
        self._local.connection = None if answer.will_close else kept
        return result

    def _connect(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        return self.request("POST", path, body=body, headers=headers)

    # The contract in words.

    def execute(self, script, wait_s=None, key=None, **fields):
        headers = {}
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.post("/api/v1/execute", {"script": script, **fields}, headers)

    def accept(self, script, **fields):
        """Posts and gives the id; anything but 202 fails the case."""
        answer = self.execute(script, **fields)
        assert answer.status == 202, (answer.status, answer.body[:2000])
        return answer.json()["execution_id"]

    def view(self, execution_id):
        answer = self.get(f"/api/v1/executions/{execution_id}")
        assert answer.status == 200, (execution_id, answer.status, answer.body[:2000])
        return answer.json()

    def result(self, execution_id):
        answer = self.get(f"/api/v1/executions/{execution_id}/result")
        assert answer.status == 200, (execution_id, answer.status, answer.body[:2000])
        return answer.json()

    def wait(self, execution_id, timeout_s=180.0):
        """The result, once there is one."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.get(f"/api/v1/executions/{execution_id}/result")
            if answer.status == 200:
                return answer.json()
            assert answer.status == 409, (answer.status, answer.body[:2000])
            assert time.monotonic() < deadline, f"{execution_id} has not ended after {timeout_s} s"
            time.sleep(0.02)

    def run(self, script, timeout_s=180.0, **fields):
        return self.wait(self.accept(script, **fields), timeout_s)

    def wait_for_status(self, execution_id, statuses, timeout_s=90.0):
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.view(execution_id)
            if seen["status"] in statuses:
                return seen
            assert time.monotonic() < deadline, f"{execution_id} is {seen['status']} after {timeout_s} s"
            time.sleep(0.01)

    def cancel(self, execution_id):
        return self.post(f"/api/v1/executions/{execution_id}/cancel")

    def list_all(self, query, page=1000):
        """All items of a list, by its cursors."""
        items, cursor = [], ""
        while True:
            answer = self.get(f"/api/v1/executions?limit={page}{query}{cursor}")
            assert answer.status == 200, (answer.status, answer.body[:2000])
            body = answer.json()
            items += body["items"]
            if not body["next_cursor"]:
                return items
            cursor = "&cursor=" + body["next_cursor"]

    def stream(self, execution_id, after=None, query="", timeout_s=None):
        return Stream(self, execution_id, after, query, timeout_s or self.timeout_s)

    def metric(self, name):
        """The sum of a metric over its label sets; one that nobody named is an error."""
        text = self.get("/metrics").body.decode()
        found = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        assert found, f"{name} is not in /metrics"
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def events(self, execution_id, after=None, timeout_s=None):
        """All events up to the end of the stream, which the server closes behind the terminal one."""
        with self.stream(execution_id, after, timeout_s=timeout_s) as stream:
            return list(stream)


class Stream:
    """An event stream: iterate for Events; `end` says how it ended. Comments are counted, not given."""

    def __init__(self, client, execution_id, after, query, timeout_s):
        self.comments = 0
        self.end = None  # "closed" by the server in an orderly way, "broken" otherwise
        self._connection = http.client.HTTPConnection(client.host, client.port, timeout=timeout_s)
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        self._connection.request("GET", f"/api/v1/events/executions/{execution_id}{query}", headers=headers)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers
        if self.status != 200:
            self.body = self._answer.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # The answer holds the socket too; both must go for the server to see the end.
        self._answer.close()
        self._connection.close()

    def __iter__(self):
        number, kind, data = None, "message", []
        while True:
            try:
                line = self._answer.readline()
            except (http.client.HTTPException, ConnectionError, ValueError, AttributeError):
                self.end = "broken"
                return
            if not line:
                self.end = "closed"
                return
            line = line.rstrip(b"\n").rstrip(b"\r")
            if not line:
                if data:
                    raw = b"\n".join(data)
                    yield Event(number, kind, raw, time.monotonic(), json.loads(raw))
                number, kind, data = None, "message", []
            elif line.startswith(b":"):
                self.comments += 1
            else:
                name, _, value = line.partition(b":")
                value = value.removeprefix(b" ")
                if name == b"id":
                    number = int(value)
                elif name == b"event":
                    kind = value.decode()
                elif name == b"data":
                    data.append(value)


def raw_exchange(host, port, request, timeout_s=5.0):
    """Sends bytes as they are and gives all bytes that come back until the server closes or is silent."""
    received = b""
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(request)
        try:
            while piece := connection.recv(65536):
                received += piece
        except (TimeoutError, ConnectionError):
            pass
    return received
