"""Putting right what an outline gets wrong: ids not of the session, pages in two places, quotes nobody wrote."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import Outline, OutlineTopic
from models.mindmap.document import CORE_ID, Evidence
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage

_ID = re.compile(r"^[A-Za-z0-9_.:-]{1,64}$")


def repair_outline(outline: Outline, captured: dict[str, CapturedPage]) -> tuple[Outline, list[str]]:
    """`outline` with every captured page in at most one place and nothing else in it."""
    seen: set[str] = set()
    wrong: Counter[str] = Counter()

    def keep(ids: Iterable[str]) -> tuple[str, ...]:
        kept = []
        for page_id in ids:
            if page_id not in captured:
                wrong["unknown"] += 1
            elif page_id in seen:
                wrong["repeated"] += 1
            else:
                seen.add(page_id)
                kept.append(page_id)
        return tuple(kept)

    topics = []
    topic_ids: set[str] = {CORE_ID}
    for topic in outline.topics:
        direct = keep(topic.page_ids)
        parts = []
        for part in topic.subtopics:
            inside = keep(part.page_ids) + keep(p for deeper in part.subtopics for p in deeper.all_page_ids())
            if inside:
                parts.append(
                    replace(_with_valid_id(part, captured, topic_ids, "s_", inside), page_ids=inside, subtopics=())
                )
        if len(parts) == 1 and not direct:  # A topic with one part is that part.
            direct, parts = parts[0].page_ids, []
        if direct or parts:
            first = direct or parts[0].page_ids
            topics.append(
                replace(
                    _with_valid_id(topic, captured, topic_ids, "t_", first), page_ids=direct, subtopics=tuple(parts)
                )
            )
    notes = []
    if wrong["unknown"]:
        notes.append(f"{wrong['unknown']} page ids were not of this session and were dropped.")
    if wrong["repeated"]:
        notes.append(f"{wrong['repeated']} pages stood in more than one place; the first was kept.")
    return replace(outline, topics=tuple(topics)), notes


def _with_valid_id(
    topic: OutlineTopic, captured: dict[str, CapturedPage], taken: set[str], prefix: str, pages: Sequence[str]
) -> OutlineTopic:
    topic_id = topic.id
    if topic_id in taken or topic_id in captured or not _ID.match(topic_id):
        topic_id = prefix + pages[0].removeprefix("p_")
    number = 2
    while topic_id in taken or topic_id in captured:
        topic_id = f"{prefix}{pages[0].removeprefix('p_')}_{number}"
        number += 1
    taken.add(topic_id)
    return replace(topic, id=topic_id, evidence=verified_evidence(topic.evidence, captured))


def verified_evidence(evidence: Iterable[Evidence], captured: dict[str, CapturedPage]) -> tuple[Evidence, ...]:
    kept = []
    for quote in evidence:
        page = captured.get(quote.page_id)
        if page is not None and quote_is_in_page(page, quote.field, quote.quote):
            kept.append(quote.model_copy(update={"visited_at_ms": page.visited_at_ms}))
    return tuple(kept)
