"""Sessions from files: the event batch as the extension sends it, read without any server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from models.recording.pages import CapturedPage
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline, captured_pages


class InvalidSessionFile(ValueError):
    """The file does not hold an event batch. `str()` says why, for people."""


def parse_events(raw: bytes | str) -> list[dict[str, Any]]:
    """The events of a file: a JSON list, or an object with the list under `events`. Raises `NotASession`."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidSessionFile(f"not JSON: {error}") from error
    if isinstance(data, dict):
        data = data.get("events")
    if not isinstance(data, list):
        raise InvalidSessionFile('expected a list of events, or an object with the list under "events"')
    return [event for event in data if isinstance(event, dict) and isinstance(event.get("type"), str)]


def pages_from_events(events: Sequence[dict[str, Any]]) -> list[CapturedPage]:
    """The captured pages of an event batch, with the dwell, scroll and highlights the service itself would find."""
    contents: dict[str, str] = {}
    found = []
    for i, event in enumerate(events):
        at = event.get("timestamp")
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 1e14:
            continue
        key = f"{i:08d}"
        content = event.get("content")
        has_text = event["type"] == "page_visit" and isinstance(content, str) and bool(content)
        if has_text:
            contents[key] = str(content)
        found.append(
            TimelineEvent(
                key=key, type=event["type"], occurred_ms=int(at), received_ms=int(at), fields=event,
                content_key=key if has_text else None,
            )
        )  # fmt: skip
    if not found:
        return []
    first, last = min(e.occurred_ms for e in found), max(e.occurred_ms for e in found)
    return captured_pages(build_timeline(found, SessionSpan(first, last)), contents)
