"""Corrections of an untrusted outline: unknown ids, pages in two places, quotes that are not verbatim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.mindmap.outline.types import TOPIC_ID_PREFIXES, Outline, OutlineTopic
from models.mindmap.document import CORE_ID, MAX_TOPIC_LEVELS, NODE_ID_PATTERN, Evidence
from models.mindmap.notes import MapNote, map_note
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage


def repair_outline(outline: Outline, captured: Mapping[str, CapturedPage]) -> tuple[Outline, list[MapNote]]:
    """`outline` with every captured page in at most one topic, and notes that say what was corrected.

    Unknown and repeated page ids are removed, levels below `MAX_TOPIC_LEVELS` are flattened, empty topics are dropped,
    invalid or duplicate topic ids are replaced, and evidence that is not verbatim is removed.
    """
    repair = _Repair(captured)
    topics = [topic for each in outline.topics if (topic := repair.topic(each)) is not None]
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

    def topic(self, topic: OutlineTopic, level: int = 1) -> OutlineTopic | None:
        """The repaired topic, or sub-topic on a deeper `level`; None if it has no pages."""
        page_ids = self._place(topic.page_ids)
        subtopics: tuple[OutlineTopic, ...] = ()
        if level < MAX_TOPIC_LEVELS:
            repaired = (self.topic(subtopic, level + 1) for subtopic in topic.subtopics)
            subtopics = tuple(subtopic for subtopic in repaired if subtopic is not None)
        else:
            page_ids += self._place(page_id for deeper in topic.subtopics for page_id in deeper.all_page_ids())
        if len(subtopics) == 1 and not page_ids:  # A single sub-topic says nothing more than its topic.
            page_ids, subtopics = subtopics[0].page_ids, subtopics[0].subtopics
        placed = replace(topic, page_ids=page_ids, subtopics=subtopics)
        first_page = next(iter(placed.all_page_ids()), None)
        return None if first_page is None else self._with_valid_id(placed, TOPIC_ID_PREFIXES[level], first_page)

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
