"""What many cases check alike."""

import json
import re

from .client import TERMINAL_EVENTS

UUID_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def equal(seen, wanted, what=""):
    assert seen == wanted, f"{what or 'value'}: wanted {short(wanted)}, got {short(seen)}"


def short(value, length=400):
    words = repr(value)
    return words if len(words) <= length else words[:length] + f"… ({len(words)} characters)"


def problem(answer, status, code=None):
    """The answer is an error of the contract's form; gives its body."""
    assert answer.status == status, f"wanted {status}, got {answer.status}: {answer.body[:1000]!r}"
    kind = (answer.header("Content-Type") or "").partition(";")[0]
    equal(kind, "application/problem+json", "Content-Type")
    body = answer.json()
    for member, form in (("type", str), ("title", str), ("status", int), ("detail", str), ("code", str),
                         ("request_id", str), ("retryable", bool)):
        assert isinstance(body.get(member), form), f"{member} is missing or no {form.__name__}: {body}"
    equal(body["status"], status, "status in the body")
    equal(body["type"], "/problems/" + body["code"], "type")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", body["code"]), body["code"]
    if code is not None:
        equal(body["code"], code, "code")
    return body


def input_error(answer, pointer):
    """422 with an error that points there; gives that error."""
    errors = problem(answer, 422).get("errors")
    assert isinstance(errors, list) and errors, f"no errors[] in {answer.body[:1000]!r}"
    for error in errors:
        assert set(error) >= {"pointer", "code", "detail"}, error
    for error in errors:
        if error["pointer"] == pointer:
            return error
    raise AssertionError(f"no error points to {pointer!r}: {errors}")


def dense(events, first=1):
    """Numbered first, first + 1, … and consistent with what each event says of itself."""
    for wanted, event in enumerate(events, first):
        equal(event.number, wanted, "id of an event")
        equal(event.body["seq"], wanted, "seq of an event")
        equal(event.body["event_type"], event.type, "event_type")
        assert TIME.fullmatch(event.body["timestamp"]), event.body
        assert event.body["event_version"] >= 1 and event.body["attempt"] >= 1, event.body


def whole_history(events, execution_id):
    """A finished execution's events from 1 on: dense, in a possible order, one terminal event at the end."""
    dense(events)
    types = [event.type for event in events]
    assert {event.body["execution_id"] for event in events} == {execution_id}
    equal(types[:3], ["execution_requested", "execution_accepted", "execution_queued"], "the first events")
    assert types[-1] in TERMINAL_EVENTS, types
    equal(sum(kind in TERMINAL_EVENTS for kind in types), 1, "terminal events")
    attempt, starts, last_time = 1, {}, ""
    for event in events:
        body = event.body
        equal(body["attempt"], attempt, f"attempt of event {event.number} ({event.type})")
        if event.type in ("execution_scheduled", "execution_started"):
            starts[event.type, attempt] = starts.get((event.type, attempt), 0) + 1
            equal(starts[event.type, attempt], 1, f"{event.type} of attempt {attempt}")
        if event.type == "execution_attempt_ended":
            attempt += 1
        assert body["timestamp"] >= last_time, f"time went back at event {event.number}"
        last_time = body["timestamp"]


def output_of(events, stream):
    """The bytes of one stream of the last attempt, put together from its events, whose offsets must fit."""
    import base64

    pieces, length = [], 0
    for event in events:
        if event.type == "execution_attempt_ended":
            pieces, length = [], 0
        if event.type == "execution_output" and event.body["stream"] == stream:
            body = event.body
            assert ("text" in body) != ("base64" in body), body.keys()
            piece = body["text"].encode() if "text" in body else base64.b64decode(body["base64"], validate=True)
            equal(body["offset"], length, f"offset of event {event.number}")
            assert piece, f"event {event.number} carries nothing"
            pieces.append(piece)
            length += len(piece)
    return b"".join(pieces)


def stream_of(result, stream):
    """The bytes of a stream in a result body."""
    import base64

    if result[stream + "_encoding"] == "utf-8":
        return result[stream].encode()
    equal(result[stream + "_encoding"], "base64", stream + "_encoding")
    decoded = base64.b64decode(result[stream], validate=True)
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return decoded
    raise AssertionError(f"{stream} is valid UTF-8 and yet sent as base64")


def json_line(text):
    """The one JSON document in a command's output."""
    return json.loads(text)
