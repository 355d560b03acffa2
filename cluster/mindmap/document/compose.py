"""From an outline to the map document: checked ids, unique labels, sizes, places, and the numbers to judge it by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.mindmap.document import flat_layout
from cluster.mindmap.document import galaxy_layout as layout
from cluster.mindmap.document.outline_repair import repair_outline, verified_evidence
from cluster.mindmap.document.scorecard import compute_coverage, compute_scorecard
from cluster.mindmap.document.stable_ids import reuse_ids
from cluster.mindmap.outline.types import Outline, OutlineTopic, PageAnnotation
from cluster.mindmap.pages.evidence import label_evidence_from_text, supports_label
from cluster.mindmap.pages.importance import topic_importance
from models.mindmap.document import (
    CORE_COLOR,
    CORE_ID,
    EXCLUSION_REASONS,
    MAX_LABEL_CHARS,
    MAX_TOPIC_LABEL_CHARS,
    TOPIC_COLORS,
    Edge,
    Evidence,
    ExcludedPage,
    Importance,
    Layout,
    MindmapDocument,
    Node,
    NodeData,
    NodeType,
    Point,
    Position,
)
from models.recording.pages import CapturedPage
from models.text import MARKUP, collapse_whitespace, shorten, strip_markup
from models.urls import host_of, redact_url

#: In how many of a topic's pages a sentence for its label is looked for when no known quote bears it out.
_MAX_PAGES_SEARCHED = 12


def compose_document(
    outline: Outline,
    pages: Sequence[CapturedPage],
    *,
    provider: str,
    session_title: str | None,
    previous: MindmapDocument | None = None,
) -> MindmapDocument:
    """The map document for `outline` over `pages`, valid whoever made the outline.

    What the outline gets wrong is put right and said in `notes`: unknown or repeated page ids are dropped, pages it
    forgot are left out as `not_placed`, quotes that do not stand in their page are removed, labels are cleaned, cut and
    made unique. `previous` lends its ids and positions to whatever is still there.
    """
    captured = {page.page_id: page for page in sorted(pages, key=_reading_key)}
    outline, notes = repair_outline(outline, captured)
    outline = reuse_ids(outline, previous)
    maker = _DocumentBuilder(outline, captured)
    core_label = strip_markup(session_title or "") or strip_markup(outline.title)
    maker.add_core(shorten(core_label or "Untitled session", MAX_LABEL_CHARS))
    for hue, topic in enumerate(outline.topics):
        maker.add_topic(topic, hue)
    maker.add_cross_links()
    nodes, layouts = _with_layouts(maker.nodes, maker.edges, previous)
    left_out = _excluded_pages(outline, captured)
    document = MindmapDocument(
        title=shorten(strip_markup(session_title or "") or strip_markup(outline.title), 120),
        summary=shorten(strip_markup(outline.summary), 400),
        language=outline.language,
        provider=provider,
        nodes=tuple(nodes),
        edges=tuple(maker.edges),
        layout=Layout(type="galaxy", params={"center": [0, 0, 0], "scale": 1}),
        layouts=layouts,
        excluded_pages=left_out,
        coverage=compute_coverage(nodes, left_out, captured),
        notes=tuple(notes),
    )
    neighbours = {note.page_id: note.neighbours for note in outline.annotations}
    card = compute_scorecard(document, captured, neighbours, outline.stability, previous)
    return document.model_copy(update={"scorecard": card})


def _reading_key(page: CapturedPage) -> tuple[int, int, str]:
    return (
        page.visited_at_ms[0] if page.visited_at_ms else 1 << 62,
        page.visit_order[0] if page.visit_order else 1 << 62,
        page.page_id,
    )


class _DocumentBuilder:
    """Builds nodes and edges in document order and keeps labels unique."""

    def __init__(self, outline: Outline, captured: dict[str, CapturedPage]) -> None:
        self.outline, self.captured = outline, captured
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.notes = {note.page_id: note for note in outline.annotations}
        placed = outline.placed_page_ids()
        self.importances = [self._importance(page) for page in placed]
        self._labels: set[str] = set()
        self._topic_labels: dict[str, str] = {}
        shares = [topic_importance(self._importances_of(t.all_page_ids()), self.importances) for t in outline.topics]
        self._most = max((share.score for share in shares), default=0.0) or 1.0
        # Topics choose their labels before pages do: a page may carry a longer one.
        for topic, _ in outline.walk():
            self._topic_labels[topic.id] = self._unique(topic.label or "Topic", MAX_TOPIC_LABEL_CHARS, ())

    def _importance(self, page_id: str) -> Importance:
        note = self.notes.get(page_id)
        return note.importance if note else Importance()

    def _importances_of(self, page_ids: Iterable[str]) -> list[Importance]:
        return [self._importance(page) for page in page_ids]

    def add_core(self, label: str) -> None:
        pages = [self.captured[p] for p in self.outline.placed_page_ids()]
        data = NodeData(
            description=self.outline.summary or None,
            visit_count=sum(len(page.visited_at_ms) for page in pages),
            total_duration=sum(page.dwell_ms for page in pages),
            importance=Importance(score=1.0) if pages else Importance(),
            evidence=verified_evidence(self.outline.evidence, self.captured),
            **_visit_times(pages),
        )
        self.nodes.append(Node(id=CORE_ID, label=label, type="core", size=100, color=CORE_COLOR, data=data))

    def add_topic(self, topic: OutlineTopic, hue: int) -> None:
        color = TOPIC_COLORS[hue % len(TOPIC_COLORS)]
        share = topic_importance(self._importances_of(topic.all_page_ids()), self.importances)
        size = 40 + 40 * (share.score / self._most) ** 0.5
        self._add_group(topic, "topic", size, color, hue, CORE_ID, share)
        for page in topic.page_ids:
            self._add_page(page, topic.id, color, hue)
        for part in topic.subtopics:
            inner = topic_importance(self._importances_of(part.page_ids), self.importances)
            size = 30 + 20 * min(1.0, inner.score / max(share.score, 1e-9)) ** 0.5
            self._add_group(part, "subtopic", size, color, hue, topic.id, inner)
            for page in part.page_ids:
                self._add_page(page, part.id, color, hue)

    def _add_group(
        self, topic: OutlineTopic, kind: NodeType, size: float, color: str, hue: int, parent: str, share: Importance
    ) -> None:
        pages = [self.captured[p] for p in topic.all_page_ids()]
        label = self._topic_labels[topic.id]
        evidence = topic.evidence
        if not any(quote.supports == "label" and supports_label(label, quote.quote) for quote in evidence):
            evidence = (*label_evidence_from_text(label, pages[:_MAX_PAGES_SEARCHED]), *evidence)
        data = NodeData(
            description=shorten(strip_markup(topic.description), 280) or None,
            keywords=_clean_keywords(topic.keywords),
            urls=tuple(link for page in pages for link in _safe_links(page)),
            visit_count=sum(len(page.visited_at_ms) for page in pages),
            total_duration=sum(page.dwell_ms for page in pages),
            hue=hue,
            importance=share,
            evidence=evidence or _title_or_url_evidence(max(pages, key=lambda page: (page.dwell_ms, page.page_id))),
            searches=tuple(strip_markup(query) for query in topic.searches),
            **_visit_times(pages),
        )
        self.nodes.append(Node(id=topic.id, label=label, type=kind, size=round(size, 2), color=color, data=data))
        self.edges.append(
            Edge(source=parent, target=topic.id, weight=1.0 if kind == "topic" else round(share.score, 6))
        )

    def _add_page(self, page_id: str, parent: str, color: str, hue: int) -> None:
        page = self.captured[page_id]
        note = self.notes.get(page_id) or _default_annotation(page)
        host = host_of(page.url)
        label = self._unique(note.label or page.title or host, MAX_LABEL_CHARS, (host, _last_path_segment(page.url)))
        data = NodeData(
            description=shorten(strip_markup(note.description), 280) or None,
            keywords=_clean_keywords(note.keywords),
            urls=_safe_links(page),
            visit_count=len(page.visited_at_ms),
            total_duration=page.dwell_ms,
            page_id=page_id,
            title=shorten(strip_markup(page.title), 200) or None,
            host=host or None,
            language=note.language,
            hue=hue,
            importance=note.importance,
            evidence=verified_evidence(note.evidence, self.captured) or _title_or_url_evidence(page),
            highlights=tuple(
                shorten(collapse_whitespace(text), 400) for text in page.highlights[:20] if collapse_whitespace(text)
            ),
            **_visit_times([page]),
        )
        size = round(20 + 20 * min(1.0, note.importance.score), 2)
        self.nodes.append(Node(id=page_id, label=label, type="page", size=size, color=color, data=data))
        self.edges.append(Edge(source=parent, target=page_id, weight=round(max(0.05, note.importance.score), 6)))

    def add_cross_links(self) -> None:
        """Cross edges whose two ends are on the map and not already parent and child."""
        known = {node.id for node in self.nodes} - {CORE_ID}
        joined = {frozenset((edge.source, edge.target)) for edge in self.edges}
        for link in self.outline.cross_links:
            pair = frozenset((link.source, link.target))
            if len(pair) == 2 and pair <= known and pair not in joined:
                joined.add(pair)
                label = shorten(strip_markup(link.label), MAX_LABEL_CHARS) or None
                self.edges.append(
                    Edge(
                        source=link.source,
                        target=link.target,
                        weight=round(min(1.0, max(0.01, link.weight)), 6),
                        kind="cross",
                        label=label,
                        terms=_clean_keywords(link.terms),
                    )
                )

    def _unique(self, text: str, max_chars: int, suffixes: Sequence[str]) -> str:
        label = shorten(strip_markup(text), max_chars) or "Untitled"
        choices = [label]
        choices += [
            f"{shorten(label, max_chars - len(s) - 3)} · {s}" for s in suffixes if s and len(s) < max_chars // 2
        ]
        for choice in choices:
            if choice.casefold() not in self._labels and not MARKUP.search(choice):
                label = choice
                break
        else:
            number = 2
            base = shorten(MARKUP.sub(" ", label), max_chars - 7)
            while f"{base} ({number})".casefold() in self._labels:
                number += 1
            label = f"{base} ({number})"
        self._labels.add(label.casefold())
        return label


def _default_annotation(page: CapturedPage) -> PageAnnotation:
    """What can be said of a page its outline says nothing about."""
    label = shorten(strip_markup(page.title), MAX_LABEL_CHARS)
    return PageAnnotation(page.page_id, label, "", (), _title_or_url_evidence(page), Importance(), "en")


def _safe_links(page: CapturedPage) -> tuple[str, ...]:
    """The page's address without secrets, if a reader may safely follow it."""
    return (redact_url(page.url),) if page.url.lower().startswith(("http://", "https://")) else ()


def _title_or_url_evidence(page: CapturedPage) -> tuple[Evidence, ...]:
    """The least that can be shown for a page: its title, or its address."""
    field, quote = ("title", collapse_whitespace(page.title)) if collapse_whitespace(page.title) else ("url", page.url)
    value = {"page_id": page.page_id, "field": field, "quote": quote, "visited_at_ms": page.visited_at_ms}
    return (Evidence.model_validate(value),)


def _visit_times(pages: Sequence[CapturedPage]) -> dict[str, int]:
    at = [t for page in pages for t in page.visited_at_ms]
    return {"first_visited_at_ms": min(at), "last_visited_at_ms": max(at)} if at else {}


def _clean_keywords(words: Iterable[str]) -> tuple[str, ...]:
    clean = (shorten(strip_markup(word), 60) for word in words)
    return tuple(dict.fromkeys(word for word in clean if word and not MARKUP.search(word)))[:8]


def _last_path_segment(url: str) -> str:
    return strip_markup(url.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1])[:30]


def _with_layouts(
    nodes: Sequence[Node], edges: Sequence[Edge], previous: MindmapDocument | None
) -> tuple[list[Node], dict[str, dict[str, Point]]]:
    parents = {edge.target: edge.source for edge in edges if edge.kind == "contains"}
    placed = [
        layout.LayoutNode(node.id, parents.get(node.id), node.type, node.size * layout.RADIUS_PER_SIZE[node.type])
        for node in nodes
    ]
    before: dict[str, Position] = {node.id: node.position for node in previous.nodes} if previous else {}
    positions = layout.galaxy_layout(placed, before)
    moved = [node.model_copy(update={"position": positions[node.id]}) for node in nodes]
    return moved, {"tree": flat_layout.tree_layout(placed), "radial": flat_layout.radial_layout(placed)}


def _excluded_pages(outline: Outline, captured: dict[str, CapturedPage]) -> tuple[ExcludedPage, ...]:
    placed = set(outline.placed_page_ids())
    reasons = {one.page_id: one for one in outline.excluded_pages}
    found = []
    for page_id, page in captured.items():
        if page_id in placed:
            continue
        given = reasons.get(page_id)
        reason = given.reason if given and given.reason in EXCLUSION_REASONS else "not_placed"
        sentence = shorten(strip_markup(given.sentence), 200) if given and given.sentence else EXCLUSION_REASONS[reason]
        found.append(
            ExcludedPage(
                page_id=page_id,
                url=redact_url(page.url),
                title=shorten(strip_markup(page.title), 200),
                reason=reason,
                sentence=sentence,
                total_duration=page.dwell_ms,
            )
        )
    return tuple(found)
