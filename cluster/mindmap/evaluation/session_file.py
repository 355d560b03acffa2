"""Sessions from files: an event batch as the extension sends it, read without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from models.recording.pages import CapturedPage
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline, captured_pages

_MAX_TIMESTAMP_MS = 1e14


class InvalidSessionFile(ValueError):
    """The file does not hold an event batch; the message says why."""


def parse_events(raw: bytes | str) -> list[dict[str, Any]]:
    """The events of a file: a JSON list, or an object with the list under `events`.

    Entries that are not events are skipped. Raises `InvalidSessionFile` for any other content.
    """
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
    """The captured pages of an event batch, with the dwell times, scroll depths and highlights the server computes.

    Events without a valid timestamp are skipped.
    """
    contents: dict[str, str] = {}
    timeline_events = []
    for i, event in enumerate(events):
        occurred_ms = _timestamp_ms(event)
        if occurred_ms is None:
            continue
        key = f"{i:08d}"
        content = event.get("content")
        has_content = event["type"] == "page_visit" and isinstance(content, str) and bool(content)
        if has_content:
            contents[key] = str(content)
        timeline_events.append(
            TimelineEvent(
                key=key,
                type=event["type"],
                occurred_ms=occurred_ms,
                received_ms=occurred_ms,
                fields=event,
                content_key=key if has_content else None,
            )
        )
    if not timeline_events:
        return []
    times = [event.occurred_ms for event in timeline_events]
    return captured_pages(build_timeline(timeline_events, SessionSpan(min(times), max(times))), contents)


def _timestamp_ms(event: dict[str, Any]) -> int | None:
    """The event's timestamp in UTC epoch milliseconds; None if it is missing or out of range."""
    timestamp = event.get("timestamp")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    # The comparison is false for NaN.
    return int(timestamp) if 0 <= timestamp < _MAX_TIMESTAMP_MS else None
