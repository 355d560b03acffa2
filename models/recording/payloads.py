"""The stored form of an event: how its JSON is decoded, and which values can be read again.

Ingestion and every later reader use this one decoder, so that no event is acknowledged which cannot be read later.
Decoders of single fields do not suffice: they skip the other fields without looking at their numbers and encodings.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

#: Objects and lists inside each other. Real events have three or four.
MAX_NESTING: Final = 64

decode_payload = msgspec.json.Decoder(dict[str, Any]).decode
#: What `decode_payload` raises for bytes that are not an object with readable values.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NestedTooDeep(ValueError):
    """An event has more than `MAX_NESTING` objects and lists inside each other."""


def encode_payload(fields: dict[str, Any]) -> str:
    """`fields` as JSON that `decode_payload` reads."""
    try:
        return msgspec.json.encode(fields).decode()
    except OverflowError:
        # msgspec reads integers of more than 64 bits and does not write them.
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def contains_nul(fields: dict[str, Any]) -> bool:
    """Whether U+0000 is in a key or text of `fields`, at any depth."""
    waiting: list[Any] = [fields]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if "\0" in value:
                return True
        elif isinstance(value, dict):
            waiting += value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False
