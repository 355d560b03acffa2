"""Keeping a topic's id from one version of a map to the next, as long as it is mostly the same pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cluster.mindmap.outline.types import Outline, OutlineTopic
from models.mindmap.document import MindmapDocument

MIN_OVERLAP = 0.3  # Jaccard index below which two groups of pages are not the same topic.


def reuse_ids(outline: Outline, previous: MindmapDocument | None, *, min_overlap: float = MIN_OVERLAP) -> Outline:
    """`outline` with its topics and sub-topics named as in `previous` where they are the same, topics that were there
    before in their old order, new ones behind them."""
    if previous is None:
        return outline
    before = pages_by_group(previous)
    topic_pages = {t.id: set(t.all_page_ids()) for t in outline.topics}
    # A topic the user split off is made again by replaying the edit; its id is not ours to give away.
    generated = [n for n in previous.nodes if n.data.origin == "generated"]
    old_topics = [n.id for n in generated if n.type == "topic"]
    old_parts = [n.id for n in generated if n.type == "subtopic"]
    reused = match_groups({i: before[i] for i in old_topics}, topic_pages, min_overlap)
    parts = {s.id: set(s.page_ids) for t in outline.topics for s in t.subtopics}
    reused_parts = match_groups({i: before[i] for i in old_parts}, parts, min_overlap)
    names = reused | reused_parts
    spoken_for = set(names.values())

    def renamed(topic: OutlineTopic) -> OutlineTopic:
        new_id = names.get(topic.id)
        if new_id is None:
            new_id = topic.id
            while new_id in spoken_for:  # Its own id now belongs to another topic.
                new_id += "x"
            spoken_for.add(new_id)
        return replace(topic, id=new_id, subtopics=tuple(renamed(part) for part in topic.subtopics))

    old_ids = {topic.id: renamed(topic) for topic in outline.topics}
    translate = {old: new.id for old, new in old_ids.items()}
    for topic in outline.topics:
        for part, new_part in zip(topic.subtopics, old_ids[topic.id].subtopics, strict=True):
            translate[part.id] = new_part.id
    rank = {topic_id: i for i, topic_id in enumerate(old_topics)}
    topics = sorted(old_ids.values(), key=lambda t: rank.get(t.id, len(rank)))
    links = tuple(
        replace(link, source=translate.get(link.source, link.source), target=translate.get(link.target, link.target))
        for link in outline.cross_links
    )
    return replace(outline, topics=tuple(topics), cross_links=links)


def match_groups(
    before: Mapping[str, set[str]], after: Mapping[str, set[str]], min_overlap: float = MIN_OVERLAP
) -> dict[str, str]:
    """Which new group (key) continues which old one (value): most alike first, each used once."""
    options = []
    for new_id, new in after.items():
        for old_id, old in before.items():
            common = len(new & old)
            if common:
                options.append((-round(common / len(new | old), 9), old_id, new_id))
    matched: dict[str, str] = {}
    for negative, old_id, new_id in sorted(options):
        if -negative >= min_overlap and new_id not in matched and old_id not in matched.values():
            matched[new_id] = old_id
    return matched


def pages_by_group(document: MindmapDocument) -> dict[str, set[str]]:
    """The page ids under every topic and sub-topic of a document."""
    children = document.children()
    kinds = {node.id: node.type for node in document.nodes}
    found: dict[str, set[str]] = {}

    def collect(node_id: str, depth: int = 0) -> set[str]:
        inside = {c for c in children.get(node_id, []) if kinds.get(c) == "page"}
        if depth < 8:
            for child in children.get(node_id, []):
                if kinds.get(child) != "page":
                    inside |= collect(child, depth + 1)
        return inside

    for node in document.nodes:
        if node.type in ("topic", "subtopic"):
            found[node.id] = collect(node.id)
    return found
