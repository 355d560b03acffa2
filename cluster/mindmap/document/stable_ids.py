"""Topic ids that stay the same from one version of a map to the next, as long as most of the pages do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cluster.mindmap.outline.types import Outline, OutlineTopic
from models.mindmap.document import MindmapDocument

MIN_OVERLAP = 0.3  # Two groups of pages with a lower Jaccard index are different topics.
_MAX_DEPTH = 8


def reuse_ids(outline: Outline, previous: MindmapDocument | None, *, min_overlap: float = MIN_OVERLAP) -> Outline:
    """`outline` with the ids that `previous` gave to the same topics and sub-topics.

    Topics of `previous` come first, in their previous order; new ones follow. Unchanged without `previous`.
    """
    if previous is None:
        return outline
    old_topics = _generated_groups(previous, "topic")
    topic_pages = {topic.id: set(topic.all_page_ids()) for topic in outline.topics}
    subtopic_pages = {sub.id: set(sub.all_page_ids()) for sub, parent in outline.walk() if parent is not None}
    matched = match_groups(old_topics, topic_pages, min_overlap)
    matched |= match_groups(_generated_groups(previous, "subtopic"), subtopic_pages, min_overlap)
    new_ids = _new_ids(outline, matched)
    topics = [_with_ids(topic, new_ids) for topic in outline.topics]
    rank = {topic_id: i for i, topic_id in enumerate(old_topics)}
    links = tuple(
        replace(link, source=new_ids.get(link.source, link.source), target=new_ids.get(link.target, link.target))
        for link in outline.cross_links
    )
    ordered = sorted(topics, key=lambda topic: rank.get(topic.id, len(rank)))
    return replace(outline, topics=tuple(ordered), cross_links=links)


def _generated_groups(document: MindmapDocument, node_type: str) -> dict[str, set[str]]:
    """The pages below every generated topic or sub-topic.

    Those that the user created are created again when the edits are replayed, so their ids must not be reused.
    """
    pages = pages_by_group(document)
    generated = (node for node in document.nodes if node.data.origin == "generated")
    return {node.id: pages[node.id] for node in generated if node.type == node_type}


def _new_ids(outline: Outline, matched: Mapping[str, str]) -> dict[str, str]:
    """The new id of every topic and sub-topic: the matched one, else its own, made unique."""
    used = set(matched.values())
    new_ids: dict[str, str] = {}
    for topic, _ in outline.walk():
        new_id = matched.get(topic.id)
        if new_id is None:
            new_id = topic.id
            while new_id in used:
                new_id += "x"
            used.add(new_id)
        new_ids[topic.id] = new_id
    return new_ids


def _with_ids(topic: OutlineTopic, new_ids: Mapping[str, str]) -> OutlineTopic:
    return replace(
        topic, id=new_ids[topic.id], subtopics=tuple(_with_ids(subtopic, new_ids) for subtopic in topic.subtopics)
    )


def match_groups(
    before: Mapping[str, set[str]], after: Mapping[str, set[str]], min_overlap: float = MIN_OVERLAP
) -> dict[str, str]:
    """The old group id for every new group id that continues it: highest Jaccard index first, each used once."""
    options = []
    for new_id, new_pages in after.items():
        for old_id, old_pages in before.items():
            num_common = len(new_pages & old_pages)
            if num_common:
                options.append((-round(num_common / len(new_pages | old_pages), 9), old_id, new_id))
    matched: dict[str, str] = {}
    for negative_overlap, old_id, new_id in sorted(options):
        if -negative_overlap >= min_overlap and new_id not in matched and old_id not in matched.values():
            matched[new_id] = old_id
    return matched


def pages_by_group(document: MindmapDocument) -> dict[str, set[str]]:
    """The page ids below every topic and sub-topic of a document."""
    children = document.children()
    type_of = {node.id: node.type for node in document.nodes}

    def pages_below(node_id: str, depth: int = 0) -> set[str]:
        pages = {child for child in children.get(node_id, []) if type_of.get(child) == "page"}
        if depth < _MAX_DEPTH:
            for child in children.get(node_id, []):
                if type_of.get(child) != "page":
                    pages |= pages_below(child, depth + 1)
        return pages

    return {node.id: pages_below(node.id) for node in document.nodes if node.type in ("topic", "subtopic")}
