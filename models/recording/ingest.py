"""Parses an events request into rows, with a verdict and a key for each event. A hot path, written for speed.

The JSON is decoded once, only for the fields that the server uses; the client's own bytes are stored. Only events with
page text or with a secret in a URL are encoded again.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

from models.errors import BadRequest, PayloadTooLarge
from models.recording.exclusions import default_exclusion_rule
from models.urls import redact_urls

MAX_EVENTS = 1_000
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_URL_CHARS = 8_192
MAX_CONTENT_CHARS = 100_000
#: 9999-12-31: the last day that Python's datetime can represent.
_MAX_TIMESTAMP_MS = 253_402_300_799_000
#: The years 2001 to 5138 in seconds. Read as milliseconds, they are days of 1970 to 1973 and dwell is a thousandth.
_SECONDS_SINCE_1970 = (1_000_000_000, 100_000_000_000)

#: The events whose `content` is the text of a page.
_TYPES_WITH_TEXT = frozenset({"page_visit", "page_update"})

EventVerdict = Literal["stored", "duplicate", "excluded", "invalid"]


class ClientEvent(msgspec.Struct, gc=False):
    """The fields of an event that the server uses; all others are stored unread."""

    type: str
    timestamp: int | float
    event_id: str | int | None = None
    id: str | int | None = None
    seq: int | None = None
    url: str | None = None
    title: str | None = None
    content: str | None = None
    text: str | None = None


class _Identity(msgspec.Struct, gc=False):
    """The fields that are read from an event that is not valid."""

    event_id: str | int | None = None
    id: str | int | None = None
    seq: int | None = None


class _Envelope(msgspec.Struct, gc=False):
    events: list[msgspec.Raw]


class EventRow(NamedTuple):
    """One event ready to be stored. `event_key` and `content_key` are 16 bytes."""

    event_key: bytes
    seq: int | None
    type: str
    occurred_ms: int
    content_key: bytes | None
    payload: str
    url: str | None


class Rejection(NamedTuple):
    """One event that is not stored, with the reason as a sentence or the name of a rule."""

    event_key: bytes
    seq: int | None
    verdict: Literal["excluded", "invalid"]
    reason: str


@dataclass(slots=True)
class IngestBatch:
    """The events of one request for one session, as a shard receives them.

    `order` has, for each event as sent, the index of its row (≥ 0) or of its rejection (-1 for the first, -2 …).
    """

    user_id: uuid.UUID
    session_id: uuid.UUID
    rows: list[EventRow] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    #: content_key → page text, each once.
    contents: dict[bytes, str] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    event_ids: list[str | None] = field(default_factory=list)
    num_bytes: int = 0


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_event = msgspec.json.Decoder(ClientEvent).decode
_decode_identity = msgspec.json.Decoder(_Identity).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.encode
# A fast test before the exact one: user information in a URL, or a parameter whose name suggests a secret.
_MAYBE_SECRET = re.compile(
    rb"//[^/\"\s]{1,200}@"
    rb"|[?&#;][^=\"&\s]{0,60}(?:token|auth|key|secret|passw|pwd|pass|code|sig|session|sid|jwt|otp|pin|credential|ticket"
    rb"|assertion|saml|nonce|invit|access|csrf|xsrf|hmac|hdn|cv[vc]|bearer|magic)[^=\"&\s]{0,20}="
    rb"|=(?:eyJ|[sprk]{2}_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|xox|AKIA|ASIA|AIza|ya29\.|EAA|hf_|npm_|pypi-|sk-|SG\."
    rb"|ST-|PG?T-|TGT-|dop_v1_|shp|4/[01]A)",
    re.IGNORECASE,
)
# One escape of a JSON string. When a text was cut inside a surrogate pair, browsers encode a lone surrogate: JSON that
# RFC 8259 allows and strict decoders reject. A rejection would make the client send the same batch indefinitely.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(?P<half>u[dD][89a-fA-F]\w\w)|.)", re.DOTALL)


def content_key(text: str) -> bytes:
    """The 16-byte key of a page text: its BLAKE2b digest (RFC 7693)."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def client_key(event_id: str) -> bytes:
    """The 16-byte key of a client's event id: the id itself when it is a UUID, else its BLAKE2b digest (RFC 7693)."""
    if len(event_id) == 36:
        try:
            return uuid.UUID(event_id).bytes
        except ValueError:
            pass
    return blake2b(event_id.encode("utf-8", "replace"), digest_size=16).digest()


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_urls(value) if "://" in value else value
    if isinstance(value, dict):
        return {k: _redacted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_redacted(v) for v in value]
    return value


def _reason(error: msgspec.ValidationError) -> str:
    return str(error).replace("`$.", "`").replace(" - at `$`", "")


def parse_batch(
    body: bytes, *, user_id: uuid.UUID, session_id: uuid.UUID, allow_private_networks: bool = False
) -> IngestBatch:
    """The batch in `body`.

    Raises PayloadTooLarge over 4 MB or 1,000 events, and BadRequest when the body is not an object with a non-empty
    list `events`. An error in a single event becomes the verdict of that event. `allow_private_networks`: see
    `models.recording.exclusions`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge("the request is larger than 4 MB; send the events in smaller batches")
    try:
        events = _events(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the body must be an object with a list `events`: {_reason(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("the body is not valid JSON") from None
    if not events:
        raise BadRequest("no events provided")
    if len(events) > MAX_EVENTS:
        raise PayloadTooLarge(f"{len(events)} events are too many for one request; send at most {MAX_EVENTS}")
    batch = IngestBatch(user_id, session_id, num_bytes=len(body))
    for raw in events:
        _add(batch, bytes(raw), allow_private_networks)
    return batch


def _events(body: bytes) -> list[msgspec.Raw]:
    try:
        return _decode_envelope(body).events
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        repaired = _ESCAPE.sub(_replace_lone_surrogate, body)
        if repaired == body:
            raise
        return _decode_envelope(repaired).events


def _replace_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]


def _add(batch: IngestBatch, raw: bytes, allow_private_networks: bool) -> None:
    event_id: str | None = None
    seq: int | None = None
    try:
        event = _decode_event(raw)
        event_id, seq = _identity(event)
        reason = _invalid(event, raw, event_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        event, reason = None, _reason(error) if isinstance(error, msgspec.ValidationError) else "not valid JSON"
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            event_id, seq = _identity(_decode_identity(raw))
    key = client_key(event_id) if event_id is not None else blake2b(raw, digest_size=16).digest()
    batch.event_ids.append(event_id)
    if event is None or reason is not None:
        return _reject(batch, Rejection(key, seq, "invalid", reason or "not valid"))
    if event.url and (rule := default_exclusion_rule(event.url, allow_private_networks=allow_private_networks)):
        return _reject(batch, Rejection(key, seq, "excluded", f"default: {rule}"))

    stored_content: bytes | None = None
    takes_text = event.content is not None and event.type in _TYPES_WITH_TEXT
    if takes_text or _MAYBE_SECRET.search(raw):
        fields = _redacted(_decode_any(raw))
        if takes_text:
            text = fields.pop("content")[:MAX_CONTENT_CHARS]
            if text.strip():
                stored_content = content_key(text)
                batch.contents[stored_content] = text
        raw = _encode(fields)
    batch.order.append(len(batch.rows))
    batch.rows.append(EventRow(key, seq, event.type, int(event.timestamp), stored_content, raw.decode(), event.url))
    return None


def _identity(event: ClientEvent | _Identity) -> tuple[str | None, int | None]:
    client_id = event.event_id if event.event_id is not None else event.id
    event_id = None if client_id is None or client_id == "" else str(client_id)
    return event_id, event.seq if event.seq is not None and 0 <= event.seq < 2**31 else None


def _reject(batch: IngestBatch, rejection: Rejection) -> None:
    batch.rejections.append(rejection)
    batch.order.append(-len(batch.rejections))


def _invalid(event: ClientEvent, raw: bytes, event_id: str | None) -> str | None:
    if not event.type.strip():
        return "`type` is empty"
    if len(event.type) > 64:
        return "`type` is longer than 64 characters"
    if not 0 < event.timestamp < _MAX_TIMESTAMP_MS:
        return "`timestamp` is not a time in milliseconds"
    if _SECONDS_SINCE_1970[0] <= event.timestamp < _SECONDS_SINCE_1970[1]:
        return "`timestamp` is in seconds, not in milliseconds"
    if event.url is not None and len(event.url) > MAX_URL_CHARS:
        return f"`url` is longer than {MAX_URL_CHARS} characters"
    if event_id is not None and len(event_id) > 200:
        return "`event_id` is longer than 200 characters"
    # PostgreSQL's `text` cannot store U+0000. No page contains it: HTML parsers replace it.
    if b"\\u0000" in raw:
        return "contains a NUL character"
    return None


def events_reply(batch: IngestBatch, duplicates: frozenset[int], excluded: dict[int, str]) -> dict[str, Any]:
    """The response to an events request: a verdict for each event in the order sent, and counts that sum to `total`.

    `duplicates` are the indexes of `batch.rows` that were stored already; `excluded` maps the indexes of rows that a
    rule of the user excludes to the rule. `processed` counts the events that the client need not send again.
    """
    counts = {"stored": 0, "duplicate": 0, "excluded": 0, "invalid": 0}
    listed: list[dict[str, Any]] = []
    for place, index in enumerate(batch.order):
        entry: dict[str, Any] = {}
        if (event_id := batch.event_ids[place]) is not None:
            entry["event_id"] = event_id
        if index < 0:
            rejection = batch.rejections[-index - 1]
            entry["verdict"], entry["reason"] = rejection.verdict, rejection.reason
        elif index in excluded:
            entry["verdict"], entry["reason"] = "excluded", excluded[index]
        else:
            entry["verdict"] = "duplicate" if index in duplicates else "stored"
        counts[entry["verdict"]] += 1
        listed.append(entry)
    total = len(batch.order)
    return {"processed": total - counts["invalid"], "total": total, **counts, "verdicts": listed}
