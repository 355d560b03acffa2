"""Parses an events request into rows, with a verdict and a key for each event. A hot path, written for speed.

Each event is decoded once, by the decoder that reads it later, and the client's own bytes are stored. Only events with
page text or with a secret in a URL are encoded again. The time for a request grows linearly with its size, whatever it
contains (`tests/unit/test_growth.py`).
"""

from __future__ import annotations

import contextlib
import re
import uuid
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import is_not
from typing import Any, Literal, NamedTuple

import msgspec

from models.errors import BadRequest, PayloadTooLarge
from models.recording.exclusions import BROWSER_PAGE, default_exclusion_rule
from models.recording.payloads import (
    MAX_NESTING,
    UNREADABLE,
    NestedTooDeep,
    contains_nul,
    decode_payload,
    encode_payload,
)
from models.url_secrets import may_contain_secret, redact_url, redact_urls

MAX_EVENTS = 1_000
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_URL_CHARS = 8_192
MAX_CONTENT_CHARS = 100_000
#: One event without its page text.
MAX_EVENT_BYTES = 256 * 1024
#: 9999-12-31 at 00:00. Python's datetime represents no later day in any time zone, and a database client may use any.
_MAX_TIMESTAMP_MS = 253_402_214_400_000
#: The years 2001 to 5138 in seconds. Read as milliseconds, they are days of 1970 to 1973 and dwell is a thousandth.
_SECONDS_SINCE_1970 = (1_000_000_000, 100_000_000_000)

#: The events whose `content` is the text of a page.
_TYPES_WITH_TEXT = frozenset({"page_visit", "page_update"})

EventVerdict = Literal["stored", "duplicate", "excluded", "invalid"]


class ClientEvent(msgspec.Struct, gc=False):
    """The fields of an event whose type the server checks; all others are stored as they are."""

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


class _Content(msgspec.Struct, gc=False):
    """The page text of an event, still encoded."""

    content: msgspec.Raw
    type: str


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
    #: Index of a row → the default rule that excludes it unless the user allows the site (`excluded_rows`).
    default_rules: dict[int, str] = field(default_factory=dict)
    #: content_key → page text, each once.
    contents: dict[bytes, str] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    event_ids: list[str | None] = field(default_factory=list)
    num_bytes: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # Sent to a shard for each request: with 100 events, Ray's pickle takes 176 µs for the fields, and this 10.
        return _unpack_batch, (
            self.user_id.bytes,
            self.session_id.bytes,
            _pack(_PackedFields(*(getattr(self, name) for name in _PackedFields._fields))),
        )


class _PackedFields(NamedTuple):
    """The fields of an `IngestBatch` after its ids."""

    rows: list[EventRow]
    rejections: list[Rejection]
    default_rules: dict[int, str]
    contents: dict[bytes, str]
    order: list[int]
    event_ids: list[str | None]
    num_bytes: int


_pack = msgspec.msgpack.Encoder().encode
_unpack_fields = msgspec.msgpack.Decoder(_PackedFields).decode


def _unpack_batch(user_id: bytes, session_id: bytes, packed: bytes) -> IngestBatch:
    return IngestBatch(uuid.UUID(bytes=user_id), uuid.UUID(bytes=session_id), *_unpack_fields(packed))


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_identity = msgspec.json.Decoder(_Identity).decode
_decode_content = msgspec.json.Decoder(_Content).decode
_convert = msgspec.convert
_encode_canonical = msgspec.json.Encoder(order="sorted").encode
# One escape of a JSON string. When a text was cut inside a surrogate pair, browsers encode a lone surrogate: JSON that
# RFC 8259 allows and strict decoders reject. A rejection would make the client send the same batch indefinitely.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(?P<half>u[dD][89a-fA-F]\w\w)|.)", re.DOTALL)
# An address that `redact_urls` reads as one.
_WHOLE_URL = re.compile(r"[A-Za-z]+://[^\s\"<>]+")
# A JSON string, also an unterminated one, or a run of brackets of one direction.
_STRING_OR_BRACKETS = re.compile(rb'"(?>[^"\\]+|\\.)*+"?|[\[{]+|[\]}]+', re.DOTALL)


def content_key(text: str) -> bytes:
    """The 16-byte key of a page text: its BLAKE2b digest (RFC 7693)."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def client_key(event_id: str) -> bytes:
    """The 16-byte key of a client's event id: the id itself when it is a UUID, else its BLAKE2b digest (RFC 7693)."""
    if len(event_id) == 36:
        with contextlib.suppress(ValueError):
            # Four times as fast as UUID(), which accepts other spellings too.
            if len(key := bytes.fromhex(event_id.replace("-", ""))) == 16:
                return key
        with contextlib.suppress(ValueError):
            return uuid.UUID(event_id).bytes
    return blake2b(event_id.encode("utf-8", "replace"), digest_size=16).digest()


def _redacted(value: Any, depth: int = 2) -> Any:
    """`value` without credentials in URLs: the same object when it has none. Raises NestedTooDeep."""
    kind = type(value)
    if kind is str:
        return redact_urls(value) if "/" in value or "=" in value else value
    if kind is not dict and kind is not list:
        return value  # a number, true, false or null
    if depth > MAX_NESTING:
        raise NestedTooDeep
    if kind is list:
        items = [_redacted(item, depth + 1) for item in value]
        return items if any(map(is_not, items, value)) else value
    fields = {
        name if name.isidentifier() else redact_urls(name): _redacted(field, depth + 1) for name, field in value.items()
    }
    is_changed = len(fields) != len(value) or any(map(is_not, fields, value))
    return fields if is_changed or any(map(is_not, fields.values(), value.values())) else value


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
    except UNREADABLE:
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
    except RecursionError:
        body = _without_deep_values(body)
    except UNREADABLE:
        pass
    return _decode_envelope(_ESCAPE.sub(_replace_lone_surrogate, body)).events


def _replace_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]


def _without_deep_values(body: bytes) -> bytes:
    """`body` with 0 for what lies far deeper than events may nest, so that only the events concerned are invalid."""
    limit, depth, kept_from = MAX_NESTING + 10, 0, 0
    parts: list[bytes] = []
    for match in _STRING_OR_BRACKETS.finditer(body):
        token = match[0]
        if token[0] in b"[{":
            if depth <= limit < depth + len(token):
                # The last bracket that is kept opens a list: an object's is followed by a name, not by a bracket.
                parts += (body[kept_from : match.start() + limit - depth], b"0")
            depth += len(token)
        elif token[0] in b"]}":
            if depth > limit >= depth - len(token):
                kept_from = match.start() + depth - limit
            depth -= len(token)
    if depth <= limit:
        parts.append(body[kept_from:])
    return b"".join(parts)


def _add(batch: IngestBatch, raw: bytes, allow_private_networks: bool) -> None:
    event_id: str | None = None
    seq: int | None = None
    event: ClientEvent | None = None
    fields: dict[str, Any] = {}
    try:
        _check_size(raw)
        fields = decode_payload(raw)
        event = _convert(fields, ClientEvent)
        event_id, seq = _identity(event)
        reason = _invalid(event, event_id)
        if reason is None and b"\\u0000" in raw and contains_nul(fields):
            # PostgreSQL's `text` cannot store U+0000. No page contains it: HTML parsers replace it.
            reason = "contains a NUL character"
    except UNREADABLE as error:
        reason = _reason(error) if isinstance(error, msgspec.ValidationError) else "not valid JSON"
    except _TooLarge:
        reason = f"larger than {MAX_EVENT_BYTES // 1024} KB without its page text"
    if event is None:
        with contextlib.suppress(*UNREADABLE):
            event_id, seq = _identity(_decode_identity(raw))
    key = client_key(event_id) if event_id is not None else _content_digest(raw, fields)
    batch.event_ids.append(event_id)
    if event is None or reason is not None:
        return _reject(batch, Rejection(key, seq, "invalid", reason or "not valid"))
    rule = default_exclusion_rule(event.url, allow_private_networks=allow_private_networks) if event.url else None
    if rule == BROWSER_PAGE:
        return _reject(batch, Rejection(key, seq, "excluded", f"default: {rule}"))

    text = fields.pop("content") if event.content is not None and event.type in _TYPES_WITH_TEXT else None
    try:
        payload = raw.decode()
        kept = _without_secrets(fields, payload)
    except NestedTooDeep:
        return _reject(batch, Rejection(key, seq, "invalid", f"nested deeper than {MAX_NESTING} levels"))
    if text is not None or kept is not fields:
        payload = encode_payload(kept)
    stored_content: bytes | None = None
    if text is not None:
        text = redact_urls(text[:MAX_CONTENT_CHARS])
        if text.strip():
            stored_content = content_key(text)
            batch.contents[stored_content] = text
    if rule is not None:
        # Whether the user allows the site is known where the batch is saved.
        batch.default_rules[len(batch.rows)] = rule
    batch.order.append(len(batch.rows))
    batch.rows.append(EventRow(key, seq, event.type, int(event.timestamp), stored_content, payload, event.url))
    return None


class _TooLarge(Exception):
    """An event is larger than `MAX_EVENT_BYTES` without its page text."""


def _check_size(raw: bytes) -> None:
    """Raise _TooLarge before an event of many small values is decoded, which takes many times its size in memory."""
    if len(raw) <= MAX_EVENT_BYTES:
        return
    num_content_bytes = 0
    with contextlib.suppress(*UNREADABLE):
        event = _decode_content(raw)
        num_content_bytes = (
            len(event.content) if event.type in _TYPES_WITH_TEXT and bytes(event.content)[:1] == b'"' else 0
        )
    if len(raw) - num_content_bytes > MAX_EVENT_BYTES:
        raise _TooLarge


def _without_secrets(fields: dict[str, Any], payload: str) -> dict[str, Any]:
    """`fields` without credentials in URLs: the same object when it has none. Raises NestedTooDeep.

    Decoded values are examined, because a JSON string can spell a character in several ways.
    """
    if not may_contain_secret(payload) and payload.count("{") + payload.count("[") <= MAX_NESTING:
        return fields
    url = fields.get("url")
    kept: dict[str, Any] = _redacted(fields, 1)
    # `_redacted` has read an address as a whole, unless it ends early or has no scheme.
    is_read = type(url) is str and _WHOLE_URL.fullmatch(url)
    if type(url) is str and not is_read and (kept_url := redact_url(url)) is not url:
        kept = {**kept, "url": kept_url}
    return kept


def _content_digest(raw: bytes, fields: dict[str, Any]) -> bytes:
    """The key of an event without an id: of its content, not of the bytes that spell it.

    The order of fields, blanks, escapes and the spelling of numbers do not count. An event that cannot be read has the
    key of its bytes.
    """
    if fields:
        # msgspec does not write integers of more than 64 bits.
        with contextlib.suppress(OverflowError, NestedTooDeep):
            raw = _encode_canonical(_canonical(fields, 1))
    return blake2b(raw, digest_size=16).digest()


def _canonical(value: Any, depth: int) -> Any:
    """`value` with whole numbers as integers: 1, 1.0 and 1e0 are one number in JSON."""
    kind = type(value)
    if kind is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if kind is not dict and kind is not list:
        return value
    if depth > MAX_NESTING:
        raise NestedTooDeep
    if kind is list:
        return [_canonical(item, depth + 1) for item in value]
    return {name: _canonical(item, depth + 1) for name, item in value.items()}


def _identity(event: ClientEvent | _Identity) -> tuple[str | None, int | None]:
    client_id = event.event_id if event.event_id is not None else event.id
    event_id = None if client_id is None or client_id == "" else str(client_id)
    return event_id, event.seq if event.seq is not None and 0 <= event.seq < 2**31 else None


def _reject(batch: IngestBatch, rejection: Rejection) -> None:
    batch.rejections.append(rejection)
    batch.order.append(-len(batch.rejections))


def _invalid(event: ClientEvent, event_id: str | None) -> str | None:
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
