"""Sessions from files: an event batch as the extension sends it, read without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from models.recording.pages import CapturedPage
from models.recording.same_pages import reconcile
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline, captured_pages


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
    events = [event for event in data if isinstance(event, dict) and isinstance(event.get("type"), str)]
    if data and not events:
        raise InvalidSessionFile(
            f'none of the entries ({len(data)}) is an event: an event has a "type" and a "timestamp"'
        )
    return events


def pages_from_events(events: Sequence[dict[str, Any]]) -> list[CapturedPage]:
    """The captured pages of an event batch, with the dwell times, scroll depths and highlights the server computes.

    Events without a valid timestamp are skipped, except page visits: their pages would be lost. Raises
    `InvalidSessionFile` for a page visit whose time is not in milliseconds, as the server refuses it too.
    """
    contents: dict[str, str] = {}
    timeline_events = []
    for i, event in enumerate(events):
        occurred_ms = _timestamp_ms(event)
        if occurred_ms is None:
            if event["type"] == "page_visit" and event.get("url"):
                raise InvalidSessionFile(_unreadable_time(i, event))
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
    timeline = reconcile(build_timeline(timeline_events, SessionSpan(min(times), max(times))), contents)
    return captured_pages(timeline, contents)


#: Milliseconds of 1973 and of 5138: smaller and larger numbers are times in another unit.
_SECONDS_FROM, _MILLISECONDS_FROM, _MICROSECONDS_FROM = 1e9, 1e11, 1e14


def _timestamp_ms(event: dict[str, Any]) -> int | None:
    """The event's timestamp in UTC epoch milliseconds; None if it is none.

    Numbers below 10^9 are milliseconds too, as files whose times begin at 0 have them.
    """
    timestamp = event.get("timestamp")
    # The comparisons are false for NaN.
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float) or not timestamp >= 0:
        return None
    if timestamp < _SECONDS_FROM or _MILLISECONDS_FROM <= timestamp < _MICROSECONDS_FROM:
        return int(timestamp)
    return None


def _unreadable_time(i: int, event: dict[str, Any]) -> str:
    """Why the page visit at index `i` has no time, as a sentence that says what to do."""
    time = event.get("timestamp")
    shown = json.dumps(time, ensure_ascii=False)[:60]
    problem = f"has the time {shown}, which is not in milliseconds since 1970"
    if time is None:
        problem = "has no timestamp"
    elif isinstance(time, str):
        problem = f"has the time {shown} as text, not as a number of milliseconds since 1970"
    elif isinstance(time, int | float) and _SECONDS_FROM <= time < _MILLISECONDS_FROM:
        problem = f"has the time {shown}, which is in seconds, not in milliseconds"
    elif isinstance(time, int | float) and time >= _MICROSECONDS_FROM:
        problem = f"has the time {shown}, which is in a smaller unit than milliseconds since 1970"
    return f"entry {i + 1}, a page visit, {problem}"
