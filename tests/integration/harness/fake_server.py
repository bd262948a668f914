"""A small server of the execution contract that lies when it is told to, for testing those who check it."""

import datetime
import json
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TYPES = ("execution_requested", "execution_accepted", "execution_queued", "execution_scheduled", "execution_started",
         "execution_completed")


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class FakeServer:
    """Accepts everything and ends it at once. `lie` names what it does wrong, for every third execution."""

    def __init__(self, lie=None):
        self.lie = lie
        self.executions = {}  # id -> events
        self.keys = {}
        self.lock = threading.Lock()
        self.reads = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.post(self)

            def do_GET(self):
                outer.get(self)

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_):
                pass

        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}"
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()

    def lies_about(self, number):
        return number % 3 == 2

    def answer(self, request, status, body, headers=None):
        payload = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        request.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(payload)

    def post(self, request):
        key = request.headers.get("Idempotency-Key")
        with self.lock:
            known = self.keys.get(key)
            if known and self.lie != "two_for_a_key":
                headers = {} if self.lie == "unmarked_replay" else {"Idempotent-Replayed": "true"}
                return self.answer(request, 202, {"execution_id": known, "status": "completed"}, headers)
            number = len(self.executions)
            if self.lie == "one_id_for_all" and self.executions:
                name = next(iter(self.executions))
            else:
                stamp = uuid.uuid4().hex
                name = f"01a1fd7d-4544-7{stamp[:3]}-b{stamp[3:6]}-{stamp[6:18]}"
                self.executions[name] = (number, self.life(name))
            self.keys[key] = name
        return self.answer(request, 202, {"execution_id": name, "status": "queued"})

    def life(self, name):
        return [{"seq": i + 1, "event_type": kind, "execution_id": name, "attempt": 1, "timestamp": now(),
                 **({"status": "completed", "stdout_truncated": False} if i == 5 else {})}
                for i, kind in enumerate(TYPES)]

    def get(self, request):
        parts = request.path.split("?")[0].split("/")
        if request.path.startswith("/readyz"):
            return self.answer(request, 200, {})
        if parts[3:5] == ["events", "executions"]:
            return self.stream(request, parts[5])
        if parts[3:4] == ["executions"] and parts[5:] == ["result"]:
            return self.result(request, parts[4])
        return self.answer(request, 404, {"code": "not_found", "status": 404})

    def result(self, request, name):
        number, _ = self.executions[name]
        lying = self.lies_about(number)
        if lying and self.lie == "no_result":
            return self.answer(request, 409, {"code": "not_finished", "status": 409})
        output = "surprise" if lying and self.lie == "wrong_output" else ""
        return self.answer(request, 200, {"execution_id": name, "status": "completed", "exit_code": 0, "stdout": output,
                                          "stderr": "", "stdout_encoding": "utf-8", "stdout_truncated": False})

    def events_of(self, name):
        number, life = self.executions[name]
        if not self.lies_about(number):
            return life
        self.reads[name] = self.reads.get(name, 0) + 1
        if self.lie == "drop_event":
            return life[:2] + life[3:]
        if self.lie == "end_twice":
            return life + [{**life[-1], "seq": 7, "event_type": "execution_failed", "status": "failed"}]
        if self.lie == "repeat_event":
            return life[:3] + life[2:]
        if self.lie == "change_event" and self.reads[name] > 1:
            return [{**life[0], "lang": "other"}] + life[1:]
        if self.lie == "never_end":
            return life[:5]
        return life

    def stream(self, request, name):
        number, _ = self.executions[name]
        if self.lies_about(number) and self.lie == "lose":
            return self.answer(request, 404, {"code": "not_found", "status": 404})
        after = int(request.headers.get("Last-Event-ID", 0))
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        for event in self.events_of(name):
            if event["seq"] > after:
                text = f"id: {event['seq']}\nevent: {event['event_type']}\ndata: {json.dumps(event)}\n\n"
                request.wfile.write(text.encode())
        request.wfile.flush()
        if self.lies_about(number) and self.lie == "never_end":
            # As a server does whose execution is stuck: the stream stays open.
            try:
                request.connection.settimeout(20)
                request.connection.recv(1)
            except (OSError, socket.timeout):
                pass
        return None
