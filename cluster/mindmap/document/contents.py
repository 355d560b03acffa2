"""What topics hold, said of those that no sentence of their pages describes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cluster.mindmap.outline.summary import contents_sentence
from cluster.mindmap.pages.evidence import supports_label
from models.mindmap.document import Edge, MindmapDocument, Node

#: Sub-topics are named if they have this share of a topic's pages.
_MIN_SHARE_OF_PARTS = 2 / 3


def with_contents_named(nodes: Sequence[Node], edges: Sequence[Edge], language: str) -> list[Node]:
    """`nodes` with a description of the topics and sub-topics that have none, in the language of the map.

    It names sub-topics and pages by what the map calls them, and nothing hidden. `nodes` are in document order, parents
    first.
    """
    by_id = {node.id: node for node in nodes}
    children: dict[str, list[Node]] = {}
    for edge in edges:
        if edge.kind == "contains" and not by_id[edge.target].data.hidden:
            children.setdefault(edge.source, []).append(by_id[edge.target])
    pages: dict[str, list[Node]] = {}
    for node in reversed(nodes):
        below = children.get(node.id, [])
        pages[node.id] = [node] if node.type == "page" else [page for child in below for page in pages[child.id]]
    described = []
    for node in nodes:
        if node.type in ("topic", "subtopic") and not node.data.description:
            parts = _telling_parts(children.get(node.id, []), pages)
            # Of each part its most typical page, or those of all.
            titles = [title for part in parts for title in _titles(part, pages)[:1]] or _titles(node, pages)
            sentence = contents_sentence([part.label for part in parts], titles, len(pages[node.id]), language)
            node = _described(node, sentence or None)
        described.append(node)
    return described


def with_contents_named_again(edited: MindmapDocument, generated: MindmapDocument) -> MindmapDocument:
    """`edited` with a new description of the topics whose description names what they held in `generated`.

    Descriptions of another kind, and those of topics that hold the same under the same names, stay.
    """
    before, after = _names_below(generated), _names_below(edited)
    changed = {node_id for node_id, names in after.items() if names != before.get(node_id)}
    stored = {node.id: node.data.description for node in generated.nodes if node.id in changed}
    remade = with_contents_named(_undescribed(generated.nodes, stored.keys()), generated.edges, generated.language)
    named = {node.id for node in remade if node.id in stored and node.data.description == stored[node.id]}
    nodes = with_contents_named(_undescribed(edited.nodes, named), edited.edges, edited.language)
    return edited.model_copy(update={"nodes": tuple(nodes)})


def _names_below(document: MindmapDocument) -> dict[str, tuple[tuple[str, bool], ...]]:
    """For each topic and sub-topic the labels below it, in their order, and whether each is hidden."""
    children, by_id = document.children(), {node.id: node for node in document.nodes}
    names: dict[str, tuple[tuple[str, bool], ...]] = {}
    for node in reversed(document.nodes):
        below = [by_id[child] for child in children.get(node.id, [])]
        names[node.id] = tuple(
            entry for child in below for entry in ((child.label, child.data.hidden), *names[child.id])
        )
    return {node.id: names[node.id] for node in document.nodes if node.type in ("topic", "subtopic")}


def _undescribed(nodes: Sequence[Node], ids: Collection[str]) -> list[Node]:
    return [_described(node, None) if node.id in ids else node for node in nodes]


def _described(node: Node, description: str | None) -> Node:
    return node.model_copy(update={"data": node.data.model_copy(update={"description": description})})


def _telling_parts(children: Sequence[Node], pages: Mapping[str, Sequence[Node]]) -> list[Node]:
    """The sub-topics that say what is in the topic: two or more, with most of its pages.

    None where the user's words from another session are among them: they may be forgotten.
    """
    parts = [child for child in children if child.type == "subtopic"]
    num_pages, num_in_parts = (sum(len(pages[child.id]) for child in some) for some in (children, parts))
    is_divided = len(parts) > 1 and num_in_parts >= _MIN_SHARE_OF_PARTS * num_pages
    return parts if is_divided and all(part.data.reused_from is None for part in parts) else []


def _titles(topic: Node, pages: Mapping[str, Sequence[Node]]) -> list[str]:
    """What the map calls the pages of `topic`: first those with its label, each the most typical ones first.

    Typical pages are near to the others; the page that was read longest may be about another subject. Pages without a
    title and titles that were cut are left out.
    """
    titled = [page for page in pages[topic.id] if page.data.title and not page.label.endswith("…")]

    def order(page: Node) -> tuple[bool, float, float]:
        importance = page.data.importance
        return not supports_label(topic.generated_label, page.label), -importance.centrality, -importance.score

    titled.sort(key=order)
    return [page.label for page in titled]
