"""Corrections of an untrusted outline: unknown ids, pages in two places, quotes that are not verbatim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.mindmap.outline.types import Outline, OutlineTopic
from models.mindmap.document import CORE_ID, NODE_ID_PATTERN, Evidence
from models.mindmap.notes import MapNote, map_note
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage


def repair_outline(outline: Outline, captured: Mapping[str, CapturedPage]) -> tuple[Outline, list[MapNote]]:
    """`outline` with every captured page in at most one topic, and notes that say what was corrected.

    Unknown and repeated page ids are removed, deeper levels are flattened into sub-topics, empty topics are dropped,
    invalid or duplicate topic ids are replaced, and evidence that is not verbatim is removed.
    """
    repair = _Repair(captured)
    topics = [topic for topic in map(repair.topic, outline.topics) if topic is not None]
    notes = []
    if repair.num_unknown:
        notes.append(map_note("unknown_pages", count=repair.num_unknown))
    if repair.num_repeated:
        notes.append(map_note("repeated_pages", count=repair.num_repeated))
    return replace(outline, topics=tuple(topics)), notes


@dataclass(slots=True)
class _Repair:
    """What has been used so far while an outline is repaired in order."""

    captured: Mapping[str, CapturedPage]
    num_unknown: int = 0
    num_repeated: int = 0
    _placed: set[str] = field(default_factory=set)
    _topic_ids: set[str] = field(default_factory=lambda: {CORE_ID})

    def topic(self, topic: OutlineTopic) -> OutlineTopic | None:
        """The repaired topic; None if it has no pages."""
        page_ids = self._place(topic.page_ids)
        subtopics = [subtopic for subtopic in map(self._subtopic, topic.subtopics) if subtopic is not None]
        if len(subtopics) == 1 and not page_ids:  # A single sub-topic says nothing more than its topic.
            page_ids, subtopics = subtopics[0].page_ids, []
        if not page_ids and not subtopics:
            return None
        first_page = (page_ids or subtopics[0].page_ids)[0]
        return replace(self._with_valid_id(topic, "t_", first_page), page_ids=page_ids, subtopics=tuple(subtopics))

    def _subtopic(self, subtopic: OutlineTopic) -> OutlineTopic | None:
        below = (page_id for deeper in subtopic.subtopics for page_id in deeper.all_page_ids())
        page_ids = self._place(subtopic.page_ids) + self._place(below)
        if not page_ids:
            return None
        return replace(self._with_valid_id(subtopic, "s_", page_ids[0]), page_ids=page_ids, subtopics=())

    def _place(self, page_ids: Iterable[str]) -> tuple[str, ...]:
        """The known ids among `page_ids` that are in no other place yet."""
        kept = []
        for page_id in page_ids:
            if page_id not in self.captured:
                self.num_unknown += 1
            elif page_id in self._placed:
                self.num_repeated += 1
            else:
                self._placed.add(page_id)
                kept.append(page_id)
        return tuple(kept)

    def _with_valid_id(self, topic: OutlineTopic, prefix: str, first_page: str) -> OutlineTopic:
        """`topic` with verified evidence, and with an id from its first page if its own is invalid or taken."""
        base = prefix + first_page.removeprefix("p_")
        topic_id = topic.id
        if self._is_taken(topic_id) or not NODE_ID_PATTERN.match(topic_id):
            topic_id = base
        number = 2
        while self._is_taken(topic_id):
            topic_id = f"{base}_{number}"
            number += 1
        self._topic_ids.add(topic_id)
        return replace(topic, id=topic_id, evidence=verified_evidence(topic.evidence, self.captured))

    def _is_taken(self, topic_id: str) -> bool:
        return topic_id in self._topic_ids or topic_id in self.captured


def verified_evidence(evidence: Sequence[Evidence], captured: Mapping[str, CapturedPage]) -> tuple[Evidence, ...]:
    """The evidence that is verbatim in a captured page, with the visit times of that page."""
    return tuple(
        quote.model_copy(update={"visited_at_ms": captured[quote.page_id].visited_at_ms})
        for quote in evidence
        if quote.page_id in captured and quote_is_in_page(captured[quote.page_id], quote.field, quote.quote)
    )
