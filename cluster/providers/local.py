"""The provider that needs no key: our own outline is its answer."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.outline.types import Outline
from cluster.providers.types import PageDescription, PagePayload

LOCAL = "local"


class LocalProvider:
    """Answers with what `cluster.mindmap` has worked out already."""

    def __init__(self, skeleton: Outline) -> None:
        self._notes = {note.page_id: note for note in skeleton.annotations}

    @property
    def name(self) -> str:
        """See MapProvider."""
        return LOCAL

    async def describe(self, payloads: Sequence[PagePayload], language: str) -> list[PageDescription]:
        """See MapProvider. Never fails; a page that was left out has no description."""
        notes = [self._notes[payload.page_id] for payload in payloads if payload.page_id in self._notes]
        return [PageDescription(note.page_id, note.label, note.description, note.keywords) for note in notes]

    async def outline(self, skeleton: Outline, language: str) -> Outline:
        """See MapProvider. Never fails."""
        return skeleton
