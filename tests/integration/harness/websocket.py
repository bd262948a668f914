"""A client of the attach route: WebSocket (RFC 6455) on the standard library alone."""

import base64
import hashlib
import json
import os
import socket
import struct
import time

ACCEPT_ID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The answer to the handshake, as bytes."""

    def __init__(self, answer):
        super().__init__(answer[:500])
        self.status = int(answer.split(b" ")[1]) if answer else 0
        body = answer.partition(b"\r\n\r\n")[2]
        self.problem = json.loads(body) if body.startswith(b"{") else {}


class Attached:
    """One WebSocket. Events, output and other messages are kept as they come."""

    def __init__(self, server, execution_id, after=None, headers=(), timeout_s=60.0):
        self.timeout_s = timeout_s
        self.events = []
        self.messages = []
        self.output = {"stdout": b"", "stderr": b""}
        self.pongs = []
        self.close_code = None
        self.close_reason = ""
        self.ended = False
        self._unread = b""
        self.socket = socket.create_connection((server.client.host, server.client.port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open(server.client, execution_id, after, headers)

    def _open(self, client, execution_id, after, headers):
        key = base64.b64encode(os.urandom(16))
        target = f"/api/v1/executions/{execution_id}/attach" + (f"?after={after}" if after is not None else "")
        lines = [f"GET {target} HTTP/1.1", f"Host: {client.host}:{client.port}", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key.decode(), *headers]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self._unread:
            self._receive()
            if self.ended:
                raise Refused(self._unread)
        if not self._unread.startswith(b"HTTP/1.1 101 "):
            self.socket.settimeout(2.0)
            while not self._unread.endswith(b"}"):
                self._receive()
            raise Refused(self._unread)
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        wanted = base64.b64encode(hashlib.sha1(key + ACCEPT_ID).digest()).decode()
        assert f"Sec-WebSocket-Accept: {wanted}" in head.decode(), head
        self._take_frames()

    def frame(self, opcode, payload, final=True, masked=True):
        head = bytes([(0x80 if final else 0) | opcode])
        mask_bit = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([mask_bit | len(payload)])
        elif len(payload) < 65536:
            head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
        if not masked:
            return head + payload
        mask = os.urandom(4)
        return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))

    def send(self, opcode, payload):
        self.socket.sendall(self.frame(opcode, payload))

    def type(self, text):
        self.send(BINARY, text.encode() if isinstance(text, str) else text)

    def tell(self, **what):
        self.send(TEXT, json.dumps(what).encode())

    def close(self):
        self.socket.close()

    def _receive(self):
        data = self.socket.recv(65536)
        if not data:
            self.ended = True
        self._unread += data

    def _take_frames(self):
        while len(self._unread) >= 2:
            size, at = self._unread[1] & 0x7F, 2
            assert not self._unread[1] & 0x80, "a server's frame is masked"
            if size == 126:
                size, at = struct.unpack(">H", self._unread[2:4])[0] if len(self._unread) >= 4 else 1 << 60, 4
            elif size == 127:
                size, at = struct.unpack(">Q", self._unread[2:10])[0] if len(self._unread) >= 10 else 1 << 60, 10
            if len(self._unread) < at + size:
                return
            opcode, payload = self._unread[0] & 15, self._unread[at:at + size]
            self._unread = self._unread[at + size:]
            self._take(opcode, payload)

    def _take(self, opcode, payload):
        if opcode == CLOSE:
            self.close_code = struct.unpack(">H", payload[:2])[0] if payload else 1005
            self.close_reason = payload[2:].decode()
        elif opcode == PONG:
            self.pongs.append(payload)
        elif opcode == TEXT:
            body = json.loads(payload)
            if "seq" not in body:
                self.messages.append(body)
                return
            body["raw"] = payload
            self.events.append(body)
            if body["event_type"] == "execution_output":
                data = body["text"].encode() if "text" in body else base64.b64decode(body["base64"])
                self.output[body["stream"]] += data

    def until(self, condition, what, timeout_s=None):
        """Reads until the condition holds; fails with what was wanted."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        while not condition(self):
            left = deadline - time.monotonic()
            assert left > 0 and not self.ended, (f"{what} did not come; output {self.output}, messages {self.messages}, "
                                                 f"closed {self.close_code} {self.close_reason!r}")
            self.socket.settimeout(left)
            try:
                self._receive()
            except TimeoutError:
                continue
            self._take_frames()
        return self

    def until_output(self, wanted, stream="stdout"):
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        return self.until(lambda c: wanted in c.output[stream], f"{wanted!r} on {stream}")

    def until_closed(self):
        return self.until(lambda c: c.close_code is not None, "the close frame")
