"""Applies `page_update` events: title and text of a visit that were not final when its event was sent.

A client sends a visit when its page rests. A page that changes later (a body that arrives after ten seconds, the title
of an application) is corrected by an event that names the visit in `visit_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypeVar


class _StoredEvent(Protocol):
    """A `models.recording.timeline.TimelineEvent`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def key(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def content_key(self) -> str | None: ...
    def get(self, *names: str) -> Any: ...


_Event = TypeVar("_Event", bound=_StoredEvent)


def apply_corrections(events: Sequence[_Event]) -> list[_Event]:
    """`events` in the same order, with the title and text of each visit as its last correction says."""
    corrected = list(events)
    updates = [event for event in events if event.type == "page_update"]
    if not updates:
        return corrected
    index_of_visit: dict[str, int] = {}
    for i, event in enumerate(events):
        if event.type == "page_visit":
            index_of_visit[event.key] = i
            client_id = event.get("event_id", "id")
            if client_id is not None:
                index_of_visit[str(client_id)] = i
    for update in updates:
        index = index_of_visit.get(str(update.get("visit_id", "visitId")))
        if index is not None:
            corrected[index] = _correct(corrected[index], update)
    return corrected


def _correct(visit: _Event, update: _Event) -> _Event:
    fields: dict[str, Any] = dict(visit.fields)
    title = update.fields.get("title")
    if isinstance(title, str) and title.strip():
        fields["title"] = title
    if update.content_key is None:
        return replace(visit, fields=fields)
    old, new = fields.get("metadata"), update.fields.get("metadata")
    if isinstance(new, Mapping):
        fields["metadata"] = {**(old if isinstance(old, Mapping) else {}), **new}
        fields["metadata"].pop("visit_id", None)
    return replace(visit, fields=fields, content_key=update.content_key)
