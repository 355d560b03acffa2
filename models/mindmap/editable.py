"""A map taken apart so that it can be changed: nodes by id, who hangs under whom, what is joined across."""

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

_IMPORTANCE_PARTS = ("dwell", "highlights", "scroll", "revisits", "centrality")
_MIN_OVERLAP = 0.3


class EditableMap:
    """A mutable view of one document. `document()` puts it together again, with totals counted anew.

    `merged` says for every topic that was merged away which one holds its pages now.
    """

    def __init__(self, document: MindmapDocument) -> None:
        self._document = document
        self.title = document.title
        self.nodes: dict[str, Node] = {node.id: node for node in document.nodes}
        self.parent = document.parents()
        self.children = document.children()
        self.weights = {e.target: e.weight for e in document.edges if e.kind == "contains"}
        self.cross: list[Edge] = [edge for edge in document.edges if edge.kind == "cross"]
        self.excluded_pages: list[ExcludedPage] = list(document.excluded_pages)
        self.merged_into: dict[str, str] = {}

    def descendants(self, node_id: str) -> list[str]:
        """Everything under a node, parents before children."""
        found = []
        stack = list(reversed(self.children.get(node_id, [])))
        while stack:
            at = stack.pop()
            found.append(at)
            stack.extend(reversed(self.children.get(at, [])))
        return found

    def ancestors(self, node_id: str) -> Iterator[str]:
        """The parents above a node, nearest first."""
        at = self.parent.get(node_id)
        while at is not None:
            yield at
            at = self.parent.get(at)

    def descendant_pages(self, node_id: str) -> list[str]:
        """The captured pages under a node."""
        return [n for n in self.descendants(node_id) if self.nodes[n].type == "page" and self.nodes[n].data.page_id]

    def most_similar_group(self, pages: Iterable[str]) -> str | None:
        """The topic or sub-topic whose pages are most like `pages`; None when none is much like them."""
        wanted = set(pages)
        best: tuple[float, str] | None = None
        for node in self.nodes.values():
            if wanted and node.type in ("topic", "subtopic"):
                inside = set(self.descendant_pages(node.id))
                alike = len(wanted & inside) / len(wanted | inside)
                if alike >= _MIN_OVERLAP and (best is None or alike > best[0] + 1e-9):
                    best = (alike, node.id)
        return best[1] if best else None

    def update_node(self, node: Node, **changes: Any) -> None:
        """Replace a node by itself with `changes`."""
        self.nodes[node.id] = node.model_copy(update=changes)

    def insert_node(self, node: Node, parent: str, after: str | None = None) -> None:
        """Hang a new node under `parent`, behind `after` or last."""
        self.nodes[node.id] = node
        self.parent[node.id] = parent
        siblings = self.children.setdefault(parent, [])
        siblings.insert(siblings.index(after) + 1 if after in siblings else len(siblings), node.id)

    def move_node(self, node_id: str, parent: str) -> None:
        """Hang a node under another parent, last."""
        self.children[self.parent[node_id]].remove(node_id)
        self.parent[node_id] = parent
        self.children.setdefault(parent, []).append(node_id)
        self.disconnect(node_id, parent)

    def set_type(self, node_id: str, kind: NodeType) -> None:
        """Make a topic a sub-topic or the other way round."""
        self.update_node(self.nodes[node_id], type=kind)

    def flatten(self, node_id: str) -> None:
        """Take the sub-topics out of a topic; their pages hang under it directly."""
        for child in list(self.children.get(node_id, [])):
            if self.nodes[child].type == "subtopic":
                self.merge_groups(node_id, child)

    def merge_groups(self, into: str, other: str) -> None:
        """Move everything from under `other` under `into`, and `other` away."""
        target, gone = self.nodes[into], self.nodes[other]
        for child in list(self.children.get(other, [])):
            self.move_node(child, into)
        seen = dict.fromkeys((*target.data.searches, *gone.data.searches))
        words = dict.fromkeys((*target.data.keywords, *gone.data.keywords))
        same_rank = target.type == gone.type
        self.update_node(
            target,
            data=target.data.model_copy(
                update={
                    "searches": tuple(seen),
                    "keywords": tuple(words)[:8],
                    "evidence": target.data.evidence + (gone.data.evidence if same_rank else ()),
                }
            ),
        )
        redirected = []
        for edge in self.cross:
            source = into if edge.source == other else edge.source
            end = into if edge.target == other else edge.target
            redirected.append(edge.model_copy(update={"source": source, "target": end}))
        self.cross = []
        for edge in redirected:
            if edge.source != edge.target and not self.are_connected(edge.source, edge.target):
                self.cross.append(edge)
        self._remove(other)
        self.merged_into[other] = into
        self.merged_into = {a: into if b == other else b for a, b in self.merged_into.items()}

    def delete_subtree(self, node_id: str) -> None:
        """Take a node and all below it away; captured pages among them are left out, by the user."""
        for gone in (*reversed(self.descendants(node_id)), node_id):
            node = self.nodes[gone]
            if node.data.page_id and node.type == "page":
                self.excluded_pages.append(
                    ExcludedPage(
                        page_id=node.data.page_id, url=node.data.urls[0] if node.data.urls else "",
                        title=node.data.title or node.label, reason="deleted_by_user",
                        sentence=EXCLUSION_REASONS["deleted_by_user"], total_duration=node.data.total_duration,
                    )
                )  # fmt: skip
            self._remove(gone)

    def _remove(self, node_id: str) -> None:
        self.children[self.parent[node_id]].remove(node_id)
        self.children.pop(node_id, None)
        del self.parent[node_id], self.nodes[node_id]
        self.cross = [edge for edge in self.cross if node_id not in (edge.source, edge.target)]

    def are_connected(self, source: str, target: str) -> bool:
        """Whether two nodes are joined by any edge."""
        if self.parent.get(source) == target or self.parent.get(target) == source:
            return True
        return any({edge.source, edge.target} == {source, target} for edge in self.cross)

    def connect(self, source: str, target: str, label: str | None) -> None:
        """Add a connection of the user's own."""
        self.cross.append(Edge(source=source, target=target, weight=0.5, kind="cross", label=label, origin="user"))

    def disconnect(self, source: str, target: str) -> bool:
        """Remove a connection across the tree; False when there is none."""
        kept = [edge for edge in self.cross if {edge.source, edge.target} != {source, target}]
        found, self.cross = len(kept) < len(self.cross), kept
        return found

    def relabel_edge(self, source: str, target: str, label: str) -> bool:
        """Label a connection across the tree; False when there is none."""
        for i, edge in enumerate(self.cross):
            if {edge.source, edge.target} == {source, target}:
                self.cross[i] = edge.model_copy(update={"label": label})
                return True
        return False

    def remove_empty_topics(self) -> list[str]:
        """Remove topics that have nothing under them any more, except those the user made; their ids."""
        gone: list[str] = []
        for kind in ("subtopic", "topic"):
            for node in list(self.nodes.values()):
                if node.id not in self.nodes or node.type != kind or node.data.origin != "generated":
                    continue
                if not self.descendant_pages(node.id):
                    self.flatten(node.id)
                    for note in list(self.children.get(node.id, [])):  # The user's own notes do not vanish with it.
                        self.move_node(note, CORE_ID)
                    self._remove(node.id)
                    gone.append(node.id)
        return gone

    def to_document(self) -> MindmapDocument:
        """The document again: nodes in tree order, colours by topic, totals of topics from their pages."""
        order = [CORE_ID, *self.descendants(CORE_ID)]
        pages = [n for n in self.nodes.values() if n.type == "page" and n.data.page_id]
        total = sum(page.data.importance.score for page in pages)
        topics = [i for i in self.children.get(CORE_ID, []) if self.nodes[i].type == "topic"]
        hue_of = {topic: hue for hue, topic in enumerate(topics)}
        nodes = []
        for node_id in order:
            node = self.nodes[node_id]
            top = next((a for a in (node_id, *self.ancestors(node_id)) if a in hue_of), None)
            if top is not None:
                color = TOPIC_COLORS[hue_of[top] % len(TOPIC_COLORS)]
                data = node.data.model_copy(update={"hue": hue_of[top]})
                node = node.model_copy(update={"color": color, "data": data})
            if node.type in ("topic", "subtopic", "core"):
                node = self._with_totals(node, total)
            nodes.append(node)
        edges = [
            Edge(source=self.parent[node.id], target=node.id, weight=self.weights.get(node.id, 0.5))
            for node in nodes
            if node.id != CORE_ID
        ]
        before = self._document
        seen = sum(page.data.total_duration for page in pages)
        unseen = sum(one.total_duration for one in self.excluded_pages)
        coverage = Coverage(
            captured=before.coverage.captured,
            on_map=len(pages),
            num_excluded=len(self.excluded_pages),
            ratio=before.coverage.ratio,
            attention=round(seen / (seen + unseen), 4) if seen + unseen else 1.0,
        )
        card = before.scorecard.model_copy(update={"attention": coverage.attention})
        changes = {"title": self.title, "nodes": tuple(nodes), "edges": (*edges, *self.cross), "scorecard": card}
        return before.model_copy(update={**changes, "excluded_pages": tuple(self.excluded_pages), "coverage": coverage})

    def _with_totals(self, node: Node, total: float) -> Node:
        pages = [self.nodes[p] for p in self.descendant_pages(node.id)]
        update: dict[str, Any] = {
            "visit_count": sum(page.data.visit_count for page in pages),
            "total_duration": sum(page.data.total_duration for page in pages),
        }
        if node.type != "core":
            update["urls"] = tuple(url for page in pages for url in page.data.urls)
            if total > 0:
                parts = {
                    n: round(sum(getattr(p.data.importance, n) for p in pages) / total, 6) for n in _IMPORTANCE_PARTS
                }
                update["importance"] = Importance(score=round(sum(parts.values()), 6), **parts)
        firsts = [p.data.first_visited_at_ms for p in pages if p.data.first_visited_at_ms is not None]
        lasts = [p.data.last_visited_at_ms for p in pages if p.data.last_visited_at_ms is not None]
        update["first_visited_at_ms"] = min(firsts) if firsts else None
        update["last_visited_at_ms"] = max(lasts) if lasts else None
        size = node.size
        if node.type == "topic":
            size = min(80.0, max(40.0, size))
        elif node.type == "subtopic":
            size = min(50.0, max(30.0, size))
        return node.model_copy(update={"data": node.data.model_copy(update=update), "size": size})
