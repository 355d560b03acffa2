"""Request bodies of one hostile account: the shapes that cost most to read, each close to the largest accepted body."""

from __future__ import annotations

import json
from collections.abc import Iterator

from models.recording.ingest import MAX_BODY_BYTES

_T0 = 1_760_000_000_000
#: Room for the fields around the large one.
_SIZE = MAX_BODY_BYTES - 100_000


def _body(*events: str) -> bytes:
    return f'{{"events":[{",".join(events)}]}}'.encode()


def _event(fields: str = '"x":1', url: str = "https://e.com/a") -> str:
    head = json.dumps({"type": "page_visit", "timestamp": _T0, "url": url})
    return f"{head[:-1]},{fields}}}"


def _repeated(unit: str, size: int) -> str:
    """A JSON string of about `size` bytes."""
    return json.dumps(unit * (size // (len(json.dumps(unit)) - 2)))


def hostile_bodies(size: int = _SIZE) -> Iterator[tuple[str, bytes]]:
    """(name, body) of each shape; `size` bytes are hostile."""
    nested = "[" * 60 + "]" * 60
    many = {"nesting": '"a":' + nested, "number": '"n":' + "9" * 5_000, "small float": '"n":1e-' + "9" * 300}
    for name, fields in many.items():
        event = _event(fields)
        yield f"many events: {name}", _body(*[event] * min(size // len(event), 1_000))
    yield "deep nesting", _body(_event('"a":' + "[" * (size // 2) + "]" * (size // 2)))
    yield "one long number", _body(_event('"n":' + "9" * size))
    for unit in (
        "?",
        "?a=b&",
        "token=a&",
        "?a=b&token=c#",
        "eyJaaaaaaaa.aaaaaaaa-",
        "\\u0074oken=",
        "https://e.com/?code=",
    ):
        yield f"secrets: {unit}", _body(_event('"s":' + _repeated(unit, size)))
        yield f"page text: {unit}", _body(_event('"content":' + _repeated(unit, size)))
    yield "pairs in a URL", _body(_event(url="https://e.com/?" + "a=b&" * (size // 4)))
    pairs = _event(url="https://e.com/?" + "token=b&" * 200)
    yield "many URLs with pairs", _body(*[pairs] * min(size // len(pairs), 1_000))
