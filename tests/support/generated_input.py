"""Generated requests: batches of events and edits of a map, most of them nearly valid, with hostile values anywhere.

Everything is drawn from the `random.Random` that the caller passes, so a seed repeats a run.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

T0 = 1_760_000_000_000

#: JSON values as bytes, many of which a strict encoder would not write.
VALUES: dict[str, bytes] = {
    "float too large": b"1e999",
    "float too small": b"-1e999",
    "float with many digits": b"1" + b"0" * 400 + b".5",
    "largest float": b"1.7976931348623157e308",
    "integer of 65 bits": b"36893488147419103232",
    "integer of 400 digits": b"9" * 400,
    "integer of 5,000 digits": b"9" * 5_000,
    "tiny float": b"1e-400",
    "negative zero": b"-0.0",
    "nested 60 times": b"[" * 60 + b"]" * 60,
    "nested 70 times": b'{"a":' * 70 + b"1" + b"}" * 70,
    "nested 500 times": b"[" * 500 + b"]" * 500,
    "nested 900 times": b'{"a":' * 900 + b"1" + b"}" * 900,
    "nested 5,000 times": b"[" * 5_000 + b"]" * 5_000,
    "nested 5,000 times with a secret": b'["https://e.com/?token=sesame",' * 5_000 + b"1" + b"]" * 5_000,
    "invalid UTF-8": b'"\xff\xfe"',
    "invalid UTF-8 in a key": b'{"\xc3":1}',
    "encoded surrogate": b'"\xed\xa0\x80"',
    "half an emoji": rb'"cut \ud83d"',
    "half an emoji as key": rb'{"\ude00":1}',
    "NUL": rb'"a\u0000b"',
    "NUL in a key": rb'{"a\u0000":1}',
    "text that spells NUL": rb'"C:\\u0000"',
    "noncharacter": '"\uffff"'.encode(),
    "invalid escape": rb'"\q"',
    "raw line break": b'"a\nb"',
    "empty text": b'""',
    "long text": b'"' + b"x" * 300_000 + b'"',
    "many numbers": b"[" + b"1," * 50_000 + b"1]",
    "combining marks": ('"e' + "\u0315\u0300" * 2_000 + '"').encode(),
    "question marks": b'"' + b"?" * 20_000 + b'"',
    "parameters": b'"https://e.com/?' + b"a=b&" * 5_000 + b'"',
    "secret in a URL": b'"https://u:p@e.com/?token=sesame#code=sesame"',
    "escaped secret": rb'"https:\/\/e.com\/?tok\u0065n=sesame"',
    "true": b"true",
    "null": b"null",
    "object": b'{"a":{"b":[1,2.5,"c"]}}',
    "URL that cannot be parsed": b'"https://[::1/?token=sesame"',
    "long host": b'"https://' + b"a." * 4_000 + b'com/"',
    "largest time": b"253402300799000",
    "text": '"강화학습 and café"'.encode(),
}

_FIELDS = (
    "type", "timestamp", "event_id", "id", "seq", "url", "title", "content", "text", "metadata", "tab_id", "tabId",
    "duration_ms", "active_ms", "max_scroll_depth", "scroll_depth", "selector", "color", "note", "referrer", "scrollY",
)  # fmt: skip
_TYPES = ("page_visit", "page_visit", "page_leave", "scroll", "highlight", "tab_switch")


class EventGenerator:
    """Bodies for `POST /v1/sessions/{id}/events`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._values = list(VALUES.values())
        self._small = [value for value in self._values if len(value) < 10_000]
        self._num_events = 0

    def body(self) -> bytes:
        """A body: mostly an object with a list of events."""
        rng = self._rng
        events = [self.event() for _ in range(rng.choice((1, 1, 2, 5, 20)))]
        body = b'{"events":[' + b",".join(events) + b"]}"
        match rng.randrange(40):
            case 0:
                return body[: rng.randrange(len(body))]
            case 1:
                return b'{"events":' + rng.choice(self._values) + b"}"
            case 2:
                return b'{"other":' + rng.choice(self._values) + b"," + body[1:]
            case 3:
                return rng.choice(self._values)
            case 4:
                place = rng.randrange(len(body))
                return body[:place] + bytes([rng.randrange(256)]) + body[place + 1 :]
            case _:
                return body

    def event(self) -> bytes:
        """One event; about a third of them have a hostile value."""
        rng = self._rng
        self._num_events += 1
        page = rng.randrange(6)
        fields: dict[str, bytes] = {
            "type": json.dumps(rng.choice(_TYPES)).encode(),
            "timestamp": str(T0 + self._num_events * 500 + rng.randrange(400)).encode(),
            "url": f'"https://example.com/page-{page}"'.encode(),
        }
        if rng.random() < 0.7:
            fields["event_id"] = f'"e-{rng.randrange(10**9)}"'.encode()
        if rng.random() < 0.5:
            fields["seq"] = str(self._num_events).encode()
        if rng.random() < 0.5:
            fields["title"] = f'"Page {page} about bears"'.encode()
        if fields["type"] == b'"highlight"':
            fields["text"] = f'"a sentence about bears number {rng.randrange(50)}"'.encode()
        if fields["type"] == b'"page_visit"' and rng.random() < 0.5:
            fields["content"] = json.dumps(f"Bears eat honey and salmon, says page {page}. " * 20).encode()
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2))):
            name = rng.choice(_FIELDS)
            value = rng.choice(self._values if rng.random() < 0.2 else self._small)
            if rng.random() < 0.3:
                fields["metadata"] = b'{"' + name.encode() + b'":' + value + b"}"
            else:
                fields[name] = value
        return b"{" + b",".join(b'"' + name.encode() + b'":' + value for name, value in fields.items()) + b"}"


class EditGenerator:
    """Bodies for `PATCH /v1/sessions/{id}/mindmap`; `node_ids` are those of the map."""

    def __init__(self, rng: random.Random, node_ids: Sequence[str]) -> None:
        self._rng, self._node_ids = rng, [*node_ids, "no such node", ""]

    def body(self) -> bytes:
        """A body with one to five operations."""
        rng = self._rng
        operations = [self._operation() for _ in range(rng.choice((1, 1, 2, 5)))]
        body: dict[str, Any] = {"operations": operations}
        if rng.random() < 0.1:
            body["expected_seq"] = self._odd_value()
        if rng.random() < 0.1:
            body["version"] = self._odd_value()
        encoded = json.dumps(body).encode()
        if rng.random() < 0.1:
            encoded = encoded.replace(
                b'"label": "', rng.choice((rb'"label": "\ud83d', rb'"label": "\u0000', b'"label": "\xff'))
            )
        return encoded

    def _operation(self) -> dict[str, Any]:
        rng = self._rng
        node = rng.choice
        ids = self._node_ids
        operation: dict[str, Any] = {
            "op": node(
                ("rename", "merge", "split", "move", "pin", "place", "hide", "add_node", "add_edge", "remove_edge",
                 "label_edge", "delete", "undo", "redo")
            )
        }  # fmt: skip
        candidates = {
            "op_id": f"op-{rng.randrange(500)}",
            "node_id": node(ids),
            "node_ids": [node(ids) for _ in range(rng.randrange(4))],
            "member_ids": [node(ids) for _ in range(rng.randrange(4))],
            "parent_id": node(ids),
            "source": node(ids),
            "target": node(ids),
            "type": node(("topic", "subtopic", "page")),
            "label": node(("A name", "", "<b>bold</b>", "x" * 400, "이름", "[a](javascript:b)", "e" + "\u0300" * 300)),
            "description": "About it",
            "pinned": rng.random() < 0.5,
            "hidden": rng.random() < 0.5,
            "layout": node(("tree", "radial", "galaxy")),
            "offset": {"x": rng.uniform(-2e4, 2e4), "y": rng.choice((-3.5, 0, 1e300, float("nan")))},
            "position": {"x": rng.uniform(-1e4, 1e4), "y": 1.0, "z": rng.choice((0, 1e300, float("nan")))},
        }
        fields_of = {
            "rename": ("node_id", "label"),
            "merge": ("node_ids",),
            "split": ("node_id", "member_ids", "label"),
            "move": ("node_id", "parent_id"),
            "pin": ("node_id", "pinned", "position"),
            "place": ("node_id", "layout", "offset"),
            "hide": ("node_id", "hidden"),
            "add_node": ("parent_id", "type", "label", "description"),
            "add_edge": ("source", "target", "label"),
            "remove_edge": ("source", "target"),
            "label_edge": ("source", "target", "label"),
            "delete": ("node_id",),
        }
        for name in fields_of.get(operation["op"], ()):
            if rng.random() < 0.95:
                operation[name] = candidates[name]
        if rng.random() < 0.5:
            operation["op_id"] = candidates["op_id"]
        if rng.random() < 0.15:
            operation[node(tuple(candidates))] = self._odd_value()
        return operation

    def _odd_value(self) -> Any:
        return self._rng.choice(
            (
                None,
                0,
                -1,
                1,
                10**30,
                1.5,
                float("nan"),
                float("inf"),
                "",
                "x" * 500,
                [],
                {},
                [[[]]],
                {"a": 1},
                True,
                "\0",
            )
        )
