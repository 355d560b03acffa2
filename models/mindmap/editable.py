"""A mutable form of the map document, for edits: nodes by id, parents, children and cross edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from models.mindmap.document import (
    CORE_ID,
    EXCLUSION_REASONS,
    TOPIC_COLORS,
    Coverage,
    Edge,
    ExcludedPage,
    Importance,
    MindmapDocument,
    Node,
    NodeType,
)
from models.urls import page_id

_IMPORTANCE_PARTS = ("dwell", "highlights", "scroll", "revisits", "centrality")
#: Two groups of pages with a lower Jaccard index are different topics.
_MIN_OVERLAP = 0.3
_MAX_KEYWORDS = 8
_DEFAULT_EDGE_WEIGHT = 0.5
#: Limits of `Node.size` by node type.
_SIZE_LIMITS: dict[NodeType, tuple[float, float]] = {"topic": (40.0, 80.0), "subtopic": (30.0, 50.0)}


def _former_ids(document: MindmapDocument) -> dict[str, str]:
    """Ids that the pages of `document` had or will have on other versions of the map → their ids on this one."""
    ids = {node.id for node in document.nodes}
    former: dict[str, str] = {}
    for node in document.nodes:
        if node.type == "page" and node.data.page_id:
            by_address = [page_id(url) for url in node.data.urls[:1]]
            for other in (*(node.data.former_page_ids or ()), *by_address):
                if other not in ids:
                    former.setdefault(other, node.id)
    return former


class EditableMap:
    """A mutable copy of one document. `to_document()` converts it back, with totals computed again.

    Methods that take a node id raise `KeyError` for an unknown node. `merged_into` maps every topic that was merged
    away to the topic that has its pages, `former_ids` the ids that pages had on other versions to those of this one.
    """

    def __init__(self, document: MindmapDocument) -> None:
        self._document = document
        self.title = document.title
        self.nodes: dict[str, Node] = {node.id: node for node in document.nodes}
        self.parent = document.parents()
        self.children = document.children()
        self.weights = {edge.target: edge.weight for edge in document.edges if edge.kind == "contains"}
        self.cross_edges: list[Edge] = [edge for edge in document.edges if edge.kind == "cross"]
        self.excluded_pages: list[ExcludedPage] = list(document.excluded_pages)
        self.merged_into: dict[str, str] = {}
        self.former_ids = _former_ids(document)

    def descendants(self, node_id: str) -> list[str]:
        """The ids of all nodes below a node, parents before children."""
        descendants = []
        stack = list(reversed(self.children.get(node_id, [])))
        while stack:
            descendant = stack.pop()
            descendants.append(descendant)
            stack.extend(reversed(self.children.get(descendant, [])))
        return descendants

    def ancestors(self, node_id: str) -> Iterator[str]:
        """The ids of the nodes above a node, nearest first."""
        ancestor = self.parent.get(node_id)
        while ancestor is not None:
            yield ancestor
            ancestor = self.parent.get(ancestor)

    def level(self, node_id: str) -> int:
        """How many nodes are above a node: 0 for the core, 1 for a topic."""
        return sum(1 for _ in self.ancestors(node_id))

    def descendant_pages(self, node_id: str) -> list[str]:
        """The node ids of the captured pages below a node."""
        return [n for n in self.descendants(node_id) if self.nodes[n].type == "page" and self.nodes[n].data.page_id]

    def most_similar_group(self, pages: Iterable[str]) -> str | None:
        """The topic or sub-topic with the highest Jaccard index to `pages`; None if none reaches `_MIN_OVERLAP`."""
        page_ids = set(pages)
        best: tuple[float, str] | None = None
        for node in self.nodes.values():
            if page_ids and node.type in ("topic", "subtopic"):
                group = set(self.descendant_pages(node.id))
                overlap = len(page_ids & group) / len(page_ids | group)
                if overlap >= _MIN_OVERLAP and (best is None or overlap > best[0] + 1e-9):
                    best = (overlap, node.id)
        return best[1] if best else None

    def update_node(self, node: Node, **changes: Any) -> None:
        """Replace a node by a copy with `changes`."""
        self.nodes[node.id] = node.model_copy(update=changes)

    def update_data(self, node: Node, **changes: Any) -> None:
        """Replace a node by a copy with `changes` in its data."""
        self.update_node(node, data=node.data.model_copy(update=changes))

    def insert_node(self, node: Node, parent: str, after: str | None = None) -> None:
        """Add a node below `parent`, behind its child `after`, or last."""
        self.nodes[node.id] = node
        self.parent[node.id] = parent
        siblings = self.children.setdefault(parent, [])
        siblings.insert(siblings.index(after) + 1 if after in siblings else len(siblings), node.id)

    def move_node(self, node_id: str, parent: str) -> None:
        """Move a node with its descendants below another parent, as the last child."""
        self.children[self.parent[node_id]].remove(node_id)
        self.parent[node_id] = parent
        self.children.setdefault(parent, []).append(node_id)
        # A place beside one parent means nothing beside another.
        self.update_data(self.nodes[node_id], places=None)
        # Two nodes have one edge at most, and these now have a tree edge.
        self.disconnect(node_id, parent)

    def set_type(self, node_id: str, node_type: NodeType) -> None:
        """Change a topic into a sub-topic, or a sub-topic into a topic."""
        self.update_node(self.nodes[node_id], type=node_type)

    def flatten(self, node_id: str, max_level: int = 0) -> bool:
        """Merge the sub-topics below a node, as far as they are deeper than `max_level`, into what they are part of.

        False if there are none.
        """
        deep = [n for n in self.descendants(node_id) if self.nodes[n].type == "subtopic" and self.level(n) > max_level]
        for subtopic in deep:
            self.merge_groups(self.parent[subtopic], subtopic)
        return bool(deep)

    def merge_groups(self, target_id: str, source_id: str) -> None:
        """Move everything below `source_id` below `target_id`, with its cross edges, and remove `source_id`.

        A part takes the place of what it is part of.
        """
        if source_id in self.ancestors(target_id):
            self.move_node(target_id, self.parent[source_id])
        target, source = self.nodes[target_id], self.nodes[source_id]
        for child in list(self.children.get(source_id, [])):
            self.move_node(child, target_id)
        has_same_type = target.type == source.type
        self.update_data(
            target,
            searches=tuple(dict.fromkeys((*target.data.searches, *source.data.searches))),
            keywords=tuple(dict.fromkeys((*target.data.keywords, *source.data.keywords)))[:_MAX_KEYWORDS],
            evidence=target.data.evidence + (source.data.evidence if has_same_type else ()),
        )
        self._redirect_cross_edges(source_id, target_id)
        self._remove(source_id)
        self.merged_into[source_id] = target_id
        self.merged_into = {a: target_id if b == source_id else b for a, b in self.merged_into.items()}

    def _redirect_cross_edges(self, old_id: str, new_id: str) -> None:
        """Attach the cross edges of one node to another; drop those that would repeat an edge."""
        redirected = [
            edge.model_copy(
                update={
                    "source": new_id if edge.source == old_id else edge.source,
                    "target": new_id if edge.target == old_id else edge.target,
                }
            )
            for edge in self.cross_edges
        ]
        self.cross_edges = []
        for edge in redirected:
            if edge.source != edge.target and not self.are_connected(edge.source, edge.target):
                self.cross_edges.append(edge)

    def delete_subtree(self, node_id: str) -> None:
        """Remove a node and its descendants; captured pages among them become excluded as `deleted_by_user`."""
        for removed_id in (*reversed(self.descendants(node_id)), node_id):
            node = self.nodes[removed_id]
            if node.data.page_id and node.type == "page":
                self.excluded_pages.append(
                    ExcludedPage(
                        page_id=node.data.page_id,
                        url=node.data.urls[0] if node.data.urls else "",
                        title=node.data.title or node.label,
                        reason="deleted_by_user",
                        sentence=EXCLUSION_REASONS["deleted_by_user"],
                        total_duration=node.data.total_duration,
                    )
                )
            self._remove(removed_id)

    def _remove(self, node_id: str) -> None:
        self.children[self.parent[node_id]].remove(node_id)
        self.children.pop(node_id, None)
        del self.parent[node_id], self.nodes[node_id]
        self.cross_edges = [edge for edge in self.cross_edges if node_id not in (edge.source, edge.target)]

    def are_connected(self, source: str, target: str) -> bool:
        """Whether any edge connects two nodes, in either direction."""
        if self.parent.get(source) == target or self.parent.get(target) == source:
            return True
        return any({edge.source, edge.target} == {source, target} for edge in self.cross_edges)

    def connect(self, source: str, target: str, label: str | None) -> None:
        """Add a cross edge of the user's own."""
        weight = _DEFAULT_EDGE_WEIGHT
        self.cross_edges.append(
            Edge(source=source, target=target, weight=weight, kind="cross", label=label, origin="user")
        )

    def disconnect(self, source: str, target: str) -> bool:
        """Remove the cross edge between two nodes; False if there is none."""
        kept = [edge for edge in self.cross_edges if {edge.source, edge.target} != {source, target}]
        is_removed = len(kept) < len(self.cross_edges)
        self.cross_edges = kept
        return is_removed

    def relabel_edge(self, source: str, target: str, label: str) -> bool:
        """Set the label of the cross edge between two nodes; False if there is none."""
        for i, edge in enumerate(self.cross_edges):
            if {edge.source, edge.target} == {source, target}:
                self.cross_edges[i] = edge.model_copy(update={"label": label})
                return True
        return False

    def remove_empty_topics(self) -> list[str]:
        """Remove generated topics and sub-topics without captured pages, and return their ids.

        The user's own pages below them are moved to the core.
        """
        removed: list[str] = []
        groups = [n for n in self.nodes.values() if n.type in ("topic", "subtopic") and n.data.origin == "generated"]
        # The deepest first, so that each of them is reported.
        for node in sorted(groups, key=lambda group: -self.level(group.id)):
            if not self.descendant_pages(node.id):
                self.flatten(node.id)
                for child in list(self.children.get(node.id, [])):
                    self.move_node(child, CORE_ID)
                self._remove(node.id)
                removed.append(node.id)
        return removed

    def to_document(self) -> MindmapDocument:
        """The document: nodes in tree order, colours by topic, totals and coverage computed from the pages.

        Layouts and positions are those of the original document.
        """
        nodes = self._ordered_nodes()
        edges = [
            Edge(
                source=self.parent[node.id],
                target=node.id,
                weight=self.weights.get(node.id, _DEFAULT_EDGE_WEIGHT),
            )
            for node in nodes
            if node.id != CORE_ID
        ]
        coverage = self._coverage()
        return self._document.model_copy(
            update={
                "title": self.title,
                "nodes": tuple(nodes),
                "edges": (*edges, *self.cross_edges),
                "excluded_pages": tuple(self.excluded_pages),
                "coverage": coverage,
                "scorecard": self._document.scorecard.model_copy(update={"attention": coverage.attention}),
            }
        )

    def _pages(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.type == "page" and node.data.page_id]

    def _ordered_nodes(self) -> list[Node]:
        total_importance = sum(page.data.importance.score for page in self._pages())
        topics = [child for child in self.children.get(CORE_ID, []) if self.nodes[child].type == "topic"]
        hue_of = {topic: hue for hue, topic in enumerate(topics)}
        nodes = []
        for node_id in (CORE_ID, *self.descendants(CORE_ID)):
            node = self.nodes[node_id]
            topic = next((a for a in (node_id, *self.ancestors(node_id)) if a in hue_of), None)
            if topic is not None:
                hue = hue_of[topic]
                data = node.data.model_copy(update={"hue": hue})
                node = node.model_copy(update={"color": TOPIC_COLORS[hue % len(TOPIC_COLORS)], "data": data})
            nodes.append(node if node.type == "page" else self._with_totals(node, total_importance))
        return nodes

    def _coverage(self) -> Coverage:
        pages = self._pages()
        dwell_on_map = sum(page.data.total_duration for page in pages)
        dwell_excluded = sum(page.total_duration for page in self.excluded_pages)
        total = dwell_on_map + dwell_excluded
        return Coverage(
            captured=self._document.coverage.captured,
            on_map=len(pages),
            num_excluded=len(self.excluded_pages),
            ratio=self._document.coverage.ratio,
            attention=round(dwell_on_map / total, 4) if total else 1.0,
        )

    def _with_totals(self, node: Node, total_importance: float) -> Node:
        """A core, topic or sub-topic with its totals computed from the captured pages below it."""
        pages = [self.nodes[page_id].data for page_id in self.descendant_pages(node.id)]
        update: dict[str, Any] = {
            "visit_count": sum(page.visit_count for page in pages),
            "total_duration": sum(page.total_duration for page in pages),
        }
        if node.type != "core":
            update["urls"] = tuple(url for page in pages for url in page.urls)
            if total_importance > 0:
                parts = {
                    part: round(sum(getattr(page.importance, part) for page in pages) / total_importance, 6)
                    for part in _IMPORTANCE_PARTS
                }
                update["importance"] = Importance(score=round(sum(parts.values()), 6), **parts)
        first = [page.first_visited_at_ms for page in pages if page.first_visited_at_ms is not None]
        last = [page.last_visited_at_ms for page in pages if page.last_visited_at_ms is not None]
        update["first_visited_at_ms"] = min(first, default=None)
        update["last_visited_at_ms"] = max(last, default=None)
        min_size, max_size = _SIZE_LIMITS.get(node.type, (node.size, node.size))
        size = min(max_size, max(min_size, node.size))
        return node.model_copy(update={"data": node.data.model_copy(update=update), "size": size})
