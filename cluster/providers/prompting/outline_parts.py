"""Splits a long outline into parts of one call each, joins the outlined parts, and merges topics of one subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import Outline, OutlineTopic
from cluster.providers.prompting.merge import (
    MAX_SUMMARY_CHARS,
    MAX_TITLE_CHARS,
    MAX_TOPIC_SUMMARY_CHARS,
    combine_links,
    leading_evidence,
    unused_id,
)
from cluster.providers.prompting.responses import MergedDraft, MergedTopic, clean_keywords
from models.mindmap.document import MAX_TOPIC_LABEL_CHARS
from models.text import collapse_whitespace, shorten, strip_emphasis, strip_markup


def split_outline(skeleton: Outline, max_pages: int) -> list[Outline]:
    """`skeleton` in parts of at most `max_pages`. A topic is divided only if it is larger than a part."""
    groups: list[list[OutlineTopic]] = [[]]
    group_pages = 0
    for topic in skeleton.topics:
        for piece in _split_topic(topic, max_pages):
            num_pages = len(piece.all_page_ids())
            if group_pages + num_pages > max_pages and groups[-1]:
                groups.append([])
                group_pages = 0
            groups[-1].append(piece)
            group_pages += num_pages
    return [_restricted_to(skeleton, group) for group in groups if group]


def _split_topic(topic: OutlineTopic, max_pages: int) -> list[OutlineTopic]:
    if len(topic.all_page_ids()) <= max_pages:
        return [topic]
    pieces = [replace(part, id="t_" + part.id.removeprefix("s_")) for part in topic.subtopics]
    if topic.page_ids:
        pieces.insert(0, replace(topic, subtopics=()))
    divided = []
    for piece in pieces:
        page_ids = piece.all_page_ids()
        if len(page_ids) <= max_pages:
            divided.append(piece)
            continue
        for start in range(0, len(page_ids), max_pages):
            pages = page_ids[start : start + max_pages]
            piece_id = piece.id if start == 0 else "t_" + pages[0].removeprefix("p_")
            divided.append(replace(piece, id=piece_id, page_ids=pages, subtopics=()))
    return divided


def _restricted_to(skeleton: Outline, topics: Sequence[OutlineTopic]) -> Outline:
    pages = {page for topic in topics for page in topic.all_page_ids()}
    return replace(
        skeleton,
        topics=tuple(topics),
        annotations=tuple(annotation for annotation in skeleton.annotations if annotation.page_id in pages),
        excluded_pages=(),
        cross_links=(),
    )


def join_outlines(skeleton: Outline, parts: Sequence[Outline]) -> Outline:
    """The outlined parts of `skeleton` as one outline with unique topic ids, before topics are merged."""
    used_ids: set[str] = set()
    topics = []
    for topic in (topic for part in parts for topic in part.topics):
        topic_id = unused_id(topic.id, used_ids)
        used_ids.add(topic_id)
        topics.append(replace(topic, id=topic_id))
    known_ids = used_ids | set(skeleton.placed_page_ids())
    links = [link for part in parts for link in part.cross_links] + list(skeleton.cross_links)
    return replace(
        skeleton,
        topics=tuple(topics),
        cross_links=combine_links((), {}, links, known_ids),
        stability=None,
    )


def apply_merge_draft(outline: Outline, draft: MergedDraft, topic_by_alias: Mapping[str, OutlineTopic]) -> Outline:
    """`outline` with the topics merged that `draft` puts together. Topics missing from the draft are unchanged."""
    used_aliases: set[str] = set()
    topics: list[OutlineTopic] = []
    ids_by_name: dict[str, str] = {}
    for merged in draft.topics:
        aliases = [each for each in dict.fromkeys(merged.ids) if each in topic_by_alias and each not in used_aliases]
        used_aliases.update(merged.ids)
        if aliases:
            topic = _merged_topic(merged, [topic_by_alias[alias] for alias in aliases])
            topics.append(topic)
            ids_by_name[collapse_whitespace(merged.label).casefold()] = topic.id
    topics += [topic for alias, topic in topic_by_alias.items() if alias not in used_aliases]
    known_ids = {topic.id for topic in topics} | {part.id for topic in topics for part in topic.subtopics}
    return replace(
        outline,
        title=shorten(strip_markup(draft.title), MAX_TITLE_CHARS) or outline.title,
        summary=shorten(strip_markup(draft.summary), MAX_SUMMARY_CHARS) or outline.summary,
        topics=tuple(topics),
        cross_links=combine_links(
            draft.links, ids_by_name, outline.cross_links, known_ids | set(outline.placed_page_ids())
        ),
        evidence=leading_evidence(topics),
    )


def _merged_topic(merged: MergedTopic, members: Sequence[OutlineTopic]) -> OutlineTopic:
    first = members[0]
    return replace(
        first,
        label=shorten(strip_emphasis(strip_markup(merged.label)), MAX_TOPIC_LABEL_CHARS) or first.label,
        description=shorten(strip_markup(merged.summary), MAX_TOPIC_SUMMARY_CHARS) or first.description,
        keywords=clean_keywords(merged.keywords) or first.keywords,
        page_ids=tuple(page for member in members for page in member.page_ids),
        subtopics=tuple(part for member in members for part in member.subtopics),
        evidence=tuple(evidence for member in members for evidence in member.evidence)[:3],
        searches=tuple(dict.fromkeys(query for member in members for query in member.searches)),
    )
