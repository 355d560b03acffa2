"""What events tell besides the visits: where a visit was opened from, and the times away from the pages.

Pure functions, used by `models.recording.timeline`. Times are UTC epoch milliseconds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.urls import page_id

_MAX_URL_CHARS = 8192
#: Events that only a present user causes. A visit that was imported is not among them.
_PRESENCE = frozenset({"active", "window_focus", "tab_activated", "page_visit", "highlight", "scroll"})


class _Event(Protocol):
    """What is read of a `models.recording.timeline.TimelineEvent`."""

    @property
    def key(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def occurred_ms(self) -> int: ...
    def get(self, *names: str) -> Any: ...


class _Visit(Protocol):
    """What is read of a `models.recording.timeline.VisitRecord`."""

    @property
    def key(self) -> str: ...
    @property
    def page_id(self) -> str: ...
    @property
    def tab_id(self) -> int | float | str | None: ...
    @property
    def via(self) -> str | None: ...


class AwayReason(enum.StrEnum):
    """Why the user did not read."""

    #: No input by mouse or keyboard.
    IDLE = "idle"
    #: Another program was in front.
    OTHER_WINDOW = "other_window"


_BEGINS = {"idle": AwayReason.IDLE, "window_blur": AwayReason.OTHER_WINDOW}


@dataclass(frozen=True, slots=True)
class AwaySpan:
    """A time in which the user did not read. `ended_ms` is None when no later event shows that the user returned."""

    reason: AwayReason
    started_ms: int
    ended_ms: int | None


def away_spans(events: Iterable[_Event], imported: frozenset[str]) -> list[AwaySpan]:
    """The times away from the pages, in order and without overlap. `imported` are the keys of imported visits.

    Clients report per tab, so several events may tell the same; the first one counts.
    """
    spans: list[AwaySpan] = []
    begun: tuple[AwayReason, int] | None = None
    for event in events:
        if event.type in _BEGINS:
            begun = begun or (_BEGINS[event.type], event.occurred_ms)
        elif begun is not None and event.type in _PRESENCE and event.key not in imported:
            if event.occurred_ms > begun[1]:
                spans.append(AwaySpan(begun[0], begun[1], event.occurred_ms))
            begun = None
    if begun is not None:
        spans.append(AwaySpan(begun[0], begun[1], None))
    return spans


@dataclass(frozen=True, slots=True)
class VisitOrigin:
    """Where a visit was opened from: the key of an earlier visit, or the address of a page outside the session."""

    visit_key: str | None = None
    referrer: str | None = None


def visit_origins(
    events: Sequence[_Event], visits: Sequence[_Visit], by_event_id: Mapping[str, int]
) -> dict[str, VisitOrigin]:
    """By visit key, where it was opened from, as far as its events say so.

    The opener that the client names comes first. Inside one document (`via` is `route`) the origin is the page before
    in that tab, because a document keeps the referrer it was loaded with. Otherwise the referrer counts.
    """
    index_by_key = {visit.key: i for i, visit in enumerate(visits)}
    last_in_tab: dict[int | float | str, str] = {}
    last_of_page: dict[str, str] = {}
    origins: dict[str, VisitOrigin] = {}
    for event in events:
        i = index_by_key.get(event.key)
        if i is None:
            continue
        visit = visits[i]
        origin = _origin(event, visit, i, visits, by_event_id, last_in_tab, last_of_page)
        if origin is not None:
            origins[visit.key] = origin
        if visit.tab_id is not None:
            last_in_tab[visit.tab_id] = visit.key
        last_of_page[visit.page_id] = visit.key
    return origins


def _origin(
    event: _Event,
    visit: _Visit,
    i: int,
    visits: Sequence[_Visit],
    by_event_id: Mapping[str, int],
    last_in_tab: Mapping[int | float | str, str],
    last_of_page: Mapping[str, str],
) -> VisitOrigin | None:
    opener = event.get("opener_visit_id", "openerVisitId")
    found = by_event_id.get(str(opener)) if opener is not None else None
    if found is not None and found < i:
        return VisitOrigin(visit_key=visits[found].key)
    if visit.via == "route" and visit.tab_id is not None and visit.tab_id in last_in_tab:
        return VisitOrigin(visit_key=last_in_tab[visit.tab_id])
    referrer = event.get("referrer")
    if not isinstance(referrer, str) or not referrer.strip() or visit.via == "route":
        return None
    referrer = referrer[:_MAX_URL_CHARS]
    page = page_id(referrer)
    if page == visit.page_id:
        return None
    if page in last_of_page:
        return VisitOrigin(visit_key=last_of_page[page])
    return VisitOrigin(referrer=referrer) if referrer.startswith(("http://", "https://")) else None
