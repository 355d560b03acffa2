"""Which stored events of a session are about a page, a site or a time that its user wants forgotten.

A pure function of the events and the timeline. Events of other pages stay, without the addresses and titles of what is
forgotten: a page names the one that led to it, and a client may send a title before the page has changed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.recording.attention import VisitOrigin
from models.recording.timeline import Timeline, TimelineEvent, VisitRecord
from models.urls import host_of, page_id, url_hash

#: Shorter titles ("Home") stand on many pages: they are no trace of one.
_MIN_TITLE_CHARS = 8


@dataclass(frozen=True, slots=True)
class ForgetTarget:
    """What to forget; one of the three is set. Times are UTC epoch milliseconds, `until_ms` is not included."""

    page_id: str | None = None
    domain: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def covers_visit(self, visit: VisitRecord) -> bool:
        """Whether the visit is forgotten; of a time, whether any of it lies within."""
        if self.page_id is not None:
            return visit.page_id == self.page_id
        if self.domain is not None:
            return is_on_site(visit.url, self.domain)
        assert self.since_ms is not None
        assert self.until_ms is not None
        is_within = visit.ended_ms > self.since_ms or visit.started_ms >= self.since_ms
        return is_within and visit.started_ms < self.until_ms

    def covers_moment(self, at_ms: int) -> bool:
        """Whether events of this moment are forgotten, whatever page they are about."""
        if self.since_ms is None or self.until_ms is None:
            return False
        return self.since_ms <= at_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class ForgetPlan:
    """Keys of events to delete, and the new payloads of events that mention what is forgotten."""

    deleted: frozenset[str]
    rewritten: Mapping[str, dict[str, Any]]
    num_visits: int


def is_on_site(url: str, domain: str) -> bool:
    """Whether `url` is on `domain` or a subdomain of it."""
    host = host_of(url)
    return host == domain or host.endswith(f".{domain}")


def plan_forgetting(events: Iterable[TimelineEvent], timeline: Timeline, target: ForgetTarget) -> ForgetPlan:
    """What to delete and to rewrite; empty when the session has nothing of `target`."""
    events = list(events)
    forgotten = [visit for visit in timeline.visits if target.covers_visit(visit)]
    kept = [visit for visit in timeline.visits if not target.covers_visit(visit)]
    traces = _Traces.of(forgotten, kept, target)
    named = _names_of(events, {visit.key for visit in forgotten})
    kept_names = _names_of(events, {visit.key for visit in kept})
    deleted = {
        event.key for event in events if _is_about(event, timeline.clock_skew_ms, target, traces, named, kept_names)
    }
    deleted |= {visit.key for visit in forgotten}
    deleted |= {h.key for h in timeline.highlights if target.covers_moment(h.occurred_ms) or h.visit_key in deleted}
    rewritten = {}
    for event in events:
        if event.key in deleted:
            continue
        fields = traces.removed_from(event.fields)
        if fields != event.fields:
            rewritten[event.key] = fields
    return ForgetPlan(frozenset(deleted), rewritten, len(forgotten))


def timeline_without(timeline: Timeline, target: ForgetTarget) -> Timeline | None:
    """The timeline of a session without events after `target` is forgotten; None when it has nothing of it."""
    forgotten = [visit for visit in timeline.visits if target.covers_visit(visit)]
    kept = [visit for visit in timeline.visits if not target.covers_visit(visit)]
    traces = _Traces.of(forgotten, kept, target)
    gone = {visit.key for visit in forgotten}
    visits: list[VisitRecord] = []
    seen: set[str] = set()
    for visit in kept:
        visits.append(
            replace(
                visit,
                ordinal=len(visits),
                is_revisit=visit.page_id in seen,
                title=None if visit.title and traces.is_forgotten(visit.title) else visit.title,
                canonical=None if visit.canonical and traces.is_forgotten(visit.canonical) else visit.canonical,
                origin=_origin_without(visit.origin, gone, traces),
            )
        )
        seen.add(visit.page_id)
    highlights = tuple(
        h
        for h in timeline.highlights
        if not target.covers_moment(h.occurred_ms)
        and h.visit_key not in gone
        and not (h.url and traces.is_forgotten(h.url))
    )
    rest = replace(
        timeline,
        visits=tuple(visits),
        highlights=highlights,
        away=tuple(span for span in timeline.away if not target.covers_moment(span.started_ms)),
        num_events=timeline.num_events - len(forgotten) - (len(timeline.highlights) - len(highlights)),
        num_page_visits=len(visits),
        num_highlights=len(highlights),
        num_unique_urls=len({url_hash(visit.url) for visit in visits}),
        dwell_ms=sum(visit.dwell_ms for visit in visits),
    )
    is_unchanged = not forgotten and (rest.visits, rest.highlights) == (timeline.visits, timeline.highlights)
    return None if is_unchanged else rest


def _origin_without(origin: VisitOrigin | None, gone: set[str], traces: _Traces) -> VisitOrigin | None:
    if origin is None or origin.visit_key in gone or (origin.referrer and traces.is_forgotten(origin.referrer)):
        return None
    return origin


def _names_of(events: Sequence[TimelineEvent], keys: set[str]) -> frozenset[str]:
    """The ids by which other events name the visits with these keys."""
    ids = {str(name) for e in events if e.key in keys and (name := e.get("event_id", "id")) is not None}
    return frozenset(ids | keys)


def _is_about(
    event: TimelineEvent,
    skew_ms: int,
    target: ForgetTarget,
    traces: _Traces,
    names: frozenset[str],
    kept_names: frozenset[str],
) -> bool:
    if target.covers_moment(event.occurred_ms + skew_ms):
        return True
    visit = event.get("visit_id", "visitId")
    if visit is not None and str(visit) in names:
        return True
    url = event.fields.get("url")
    if not isinstance(url, str) or not url:
        return False
    if target.domain is not None:
        return is_on_site(url, target.domain)
    if visit is not None and str(visit) in kept_names:
        return False
    return traces.is_forgotten(url)


@dataclass(frozen=True, slots=True)
class _Traces:
    """The addresses and titles that must not remain."""

    domain: str | None
    page_ids: frozenset[str]
    urls: tuple[str, ...]
    titles: frozenset[str]

    @staticmethod
    def of(forgotten: Sequence[VisitRecord], kept: Sequence[VisitRecord], target: ForgetTarget) -> _Traces:
        """Of the forgotten visits, what no other visit of the session has."""
        kept_ids = {page_id(visit.url) for visit in kept} | {visit.page_id for visit in kept}
        kept_titles = {visit.title for visit in kept}
        gone = [visit for visit in forgotten if page_id(visit.url) not in kept_ids]
        ids = {page_id(visit.url) for visit in gone} | {v.page_id for v in gone if v.page_id not in kept_ids}
        titles = {visit.title.strip() for visit in gone if visit.title and visit.title not in kept_titles}
        if target.page_id is not None:
            ids.add(target.page_id)
        return _Traces(
            target.domain,
            frozenset(ids),
            tuple(sorted({visit.url for visit in gone}, key=len, reverse=True)),
            frozenset(title for title in titles if len(title) >= _MIN_TITLE_CHARS),
        )

    def is_forgotten(self, text: str) -> bool:
        """Whether `text` is the address or the title of something forgotten, or contains such an address."""
        if text.strip() in self.titles:
            return True
        if "://" not in text:
            return False
        if self.domain is not None and (is_on_site(text, self.domain) or f"//{self.domain}" in text):
            return True
        return page_id(text) in self.page_ids or any(url in text for url in self.urls)

    def removed_from(self, value: Any) -> Any:
        """`value` without the strings that `is_forgotten`, at any depth."""
        if isinstance(value, Mapping):
            return {
                name: self.removed_from(each)
                for name, each in value.items()
                if not (isinstance(each, str) and self.is_forgotten(each))
            }
        if isinstance(value, list):
            return [
                self.removed_from(each) for each in value if not (isinstance(each, str) and self.is_forgotten(each))
            ]
        return value
