"""From an outline to the map document: checked ids, unique labels, sizes, layouts, coverage and scorecard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cluster.mindmap.clustering.stability import LOW_STABILITY
from cluster.mindmap.document.contents import with_contents_named
from cluster.mindmap.document.flat_layout import flat_layouts
from cluster.mindmap.document.galaxy_layout import galaxy_layout
from cluster.mindmap.document.layout_nodes import layout_nodes
from cluster.mindmap.document.outline_repair import repair_outline, verified_evidence
from cluster.mindmap.document.scorecard import compute_coverage, compute_scorecard
from cluster.mindmap.document.stable_ids import reuse_ids
from cluster.mindmap.document.stable_labels import keep_labels
from cluster.mindmap.document.user_labels import reused_labels
from cluster.mindmap.outline.summary import empty_session_title, name_in_order
from cluster.mindmap.outline.types import Outline, OutlineTopic, PageAnnotation
from cluster.mindmap.pages.evidence import label_evidence_from_text, label_halves, supports_label
from cluster.mindmap.pages.importance import topic_importance
from cluster.mindmap.pages.reading_order import in_reading_order
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
    GeneratedNames,
    Importance,
    Layout,
    MindmapDocument,
    Node,
    NodeData,
    NodeType,
    Point,
    ReusedLabel,
)
from models.mindmap.notes import map_note
from models.mindmap.user_labels import NO_LABELS, UserLabel, UserLabels
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, shorten, strip_markup
from models.url_secrets import redact_url
from models.urls import host_of

MAX_USER_TITLE_CHARS = 4000
MAX_TITLE_CHARS, MAX_SUMMARY_CHARS, MAX_DESCRIPTION_CHARS = 120, 400, 280
MAX_PAGE_TITLE_CHARS, MAX_HIGHLIGHT_CHARS, MAX_SENTENCE_CHARS = 200, 400, 200
MAX_KEYWORDS, MAX_KEYWORD_CHARS, MAX_HIGHLIGHTS = 8, 60, 20
#: Pages of a topic whose text is searched for a sentence with its label, if no known quote supports the label.
_MAX_PAGES_SEARCHED = 12
NO_VECTORS: Mapping[str, bytes] = MappingProxyType({})


def compose_document(
    outline: Outline,
    pages: Sequence[CapturedPage],
    *,
    provider: str,
    session_title: str | None,
    previous: MindmapDocument | None = None,
    labels: UserLabels = NO_LABELS,
    vectors: Mapping[str, bytes] = NO_VECTORS,
) -> MindmapDocument:
    """The map document for `outline` over `pages`: valid whichever provider made the outline.

    Errors of the outline are corrected and reported in `notes`: unknown and repeated page ids are dropped, pages that
    it does not mention are excluded as `not_placed`, quotes that are not verbatim are removed, labels are cleaned,
    shortened and made unique. Nodes that are in `previous` keep their ids and, where possible, their positions. A note
    warns of topics with a low stability.

    `labels` are those that the user gave in other sessions, and replace generated ones for the same subjects; `vectors`
    are those of the session's pages.
    """
    captured = {page.page_id: page for page in in_reading_order(pages)}
    outline, notes = repair_outline(outline, captured)
    if outline.stability is not None and outline.stability < LOW_STABILITY:
        notes = [*notes, map_note("low_stability")]
    kept = reuse_ids(outline, previous)
    if previous is not None and previous.provider == provider:
        # A model's labels replace local ones, and the other way round.
        kept = keep_labels(kept, previous, captured)
    dwell_ms = {page_id: max(0, page.dwell_ms) for page_id, page in captured.items()}
    outline = replace(name_in_order(outline, kept.topics, dwell_ms), cross_links=kept.cross_links)
    reused = reused_labels(outline, labels, vectors)
    own_title = collapse_whitespace((session_title or "")[:MAX_USER_TITLE_CHARS])
    names = None
    if reused:
        names = _generated_names(own_title, outline, reused)
        outline = replace(_renamed(outline, reused, dwell_ms), topics=outline.topics)
    title = own_title or strip_markup(outline.title)
    builder = _DocumentBuilder(outline, captured, reused)
    builder.add_core(shorten(title or empty_session_title(outline.language), MAX_LABEL_CHARS))
    for hue, topic in enumerate(outline.topics):
        builder.add_topic(topic, hue)
    builder.add_cross_links()
    described = with_contents_named(builder.nodes, builder.edges, outline.language)
    nodes, layouts = _with_layouts(described, builder.edges, previous)
    excluded_pages = _excluded_pages(outline, captured)
    document = MindmapDocument(
        title=shorten(title, MAX_TITLE_CHARS),
        summary=shorten(strip_markup(outline.summary), MAX_SUMMARY_CHARS),
        generated_names=names,
        language=outline.language,
        provider=provider,
        nodes=tuple(nodes),
        edges=tuple(builder.edges),
        layout=Layout(type="galaxy", params={"center": [0, 0, 0], "scale": 1}),
        layouts=layouts,
        excluded_pages=excluded_pages,
        coverage=compute_coverage(nodes, excluded_pages, captured),
    ).with_notes(notes)
    neighbours = {annotation.page_id: annotation.neighbours for annotation in outline.annotations}
    scorecard = compute_scorecard(document, captured, neighbours, outline.stability, previous)
    return document.model_copy(update={"scorecard": scorecard})


def _generated_names(own_title: str, outline: Outline, reused: Mapping[str, UserLabel]) -> GeneratedNames:
    return GeneratedNames(
        title=shorten(own_title or strip_markup(outline.title), MAX_TITLE_CHARS),
        summary=shorten(strip_markup(outline.summary), MAX_SUMMARY_CHARS),
        session_ids=tuple(sorted({label.session_id for label in reused.values()})),
    )


def _renamed(outline: Outline, reused: Mapping[str, UserLabel], dwell_ms: Mapping[str, int]) -> Outline:
    """`outline` with the labels of the user's, in generated sentences too."""
    topics = [replace(topic, label=reused[topic.id].label) if topic.id in reused else topic for topic in outline.topics]
    return name_in_order(outline, topics, dwell_ms)


class _DocumentBuilder:
    """Builds nodes and edges in document order, with unique labels."""

    def __init__(self, outline: Outline, captured: Mapping[str, CapturedPage], reused: Mapping[str, UserLabel]) -> None:
        self.outline, self.captured, self._reused = outline, captured, reused
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self._annotations = {annotation.page_id: annotation for annotation in outline.annotations}
        self._importances = self._importances_of(outline.placed_page_ids())
        self._labels = {label.label.casefold() for label in reused.values()}
        shares = [self._share(topic) for topic in outline.topics]
        self._max_share = max((share.score for share in shares), default=0.0) or 1.0
        # Topics choose their labels before pages: a page label may be longer and can get a suffix.
        self._topic_labels = {
            topic.id: self._unique_label(topic.label or "Topic", MAX_TOPIC_LABEL_CHARS, ())
            for topic, _ in outline.walk()
        }

    def _importances_of(self, page_ids: Iterable[str]) -> list[Importance]:
        annotations = (self._annotations.get(page_id) for page_id in page_ids)
        return [annotation.importance if annotation else Importance() for annotation in annotations]

    def _share(self, topic: OutlineTopic) -> Importance:
        """The topic's share of the importance of all placed pages."""
        return topic_importance(self._importances_of(topic.all_page_ids()), self._importances)

    def add_core(self, label: str) -> None:
        pages = [self.captured[page_id] for page_id in self.outline.placed_page_ids()]
        data = NodeData(
            description=self.outline.summary or None,
            importance=Importance(score=1.0) if pages else Importance(),
            evidence=verified_evidence(self.outline.evidence, self.captured),
            **_visit_totals(pages),
        )
        self.nodes.append(Node(id=CORE_ID, label=label, type="core", size=100, color=CORE_COLOR, data=data))

    def add_topic(self, topic: OutlineTopic, hue: int) -> None:
        """Add a topic with its pages, sub-topics and their pages. Sizes grow with the square root of importance."""
        color = TOPIC_COLORS[hue % len(TOPIC_COLORS)]
        share = self._share(topic)
        size = 40 + 40 * (share.score / self._max_share) ** 0.5
        self._add_group(topic, "topic", size, color, hue, CORE_ID, share)
        for part, above in topic.walk():
            if above is not None:
                part_share = self._share(part)
                size = 30 + 20 * min(1.0, part_share.score / max(share.score, 1e-9)) ** 0.5
                self._add_group(part, "subtopic", size, color, hue, above.id, part_share)
            for page_id in part.page_ids:
                self._add_page(page_id, part.id, color, hue)

    def _add_group(
        self, topic: OutlineTopic, kind: NodeType, size: float, color: str, hue: int, parent: str, share: Importance
    ) -> None:
        pages = [self.captured[page_id] for page_id in topic.all_page_ids()]
        label = self._topic_labels[topic.id]
        data = NodeData(
            description=shorten(strip_markup(topic.description), MAX_DESCRIPTION_CHARS) or None,
            keywords=_clean_keywords(topic.keywords),
            urls=tuple(url for page in pages for url in _safe_links(page)),
            hue=hue,
            importance=share,
            evidence=_group_evidence(topic, label, pages),
            searches=tuple(collapse_whitespace(query) for query in topic.searches),
            **_visit_totals(pages),
        )
        reused = self._reused.get(topic.id)
        if reused is not None:
            source = ReusedLabel(session_id=reused.session_id, topic_id=reused.topic_id, generated_label=label)
            data = data.model_copy(update={"label_by": "user", "reused_from": source})
            label = reused.label
        self.nodes.append(Node(id=topic.id, label=label, type=kind, size=round(size, 2), color=color, data=data))
        weight = 1.0 if kind == "topic" else round(share.score, 6)
        self.edges.append(Edge(source=parent, target=topic.id, weight=weight))

    def _add_page(self, page_id: str, parent: str, color: str, hue: int) -> None:
        page = self.captured[page_id]
        annotation = self._annotations.get(page_id) or _default_annotation(page)
        importance = annotation.importance
        host = host_of(page.url)
        suffixes = (host, _last_path_segment(page.url))
        label = self._unique_label(annotation.label or page.title or host, MAX_LABEL_CHARS, suffixes)
        highlights = (collapse_whitespace(text) for text in page.highlights[:MAX_HIGHLIGHTS])
        data = NodeData(
            description=shorten(strip_markup(annotation.description), MAX_DESCRIPTION_CHARS) or None,
            keywords=_clean_keywords(annotation.keywords),
            urls=_safe_links(page),
            page_id=page_id,
            former_page_ids=page.former_ids or None,
            title=shorten(strip_markup(page.title), MAX_PAGE_TITLE_CHARS) or None,
            host=host or None,
            language=annotation.language,
            hue=hue,
            importance=importance,
            evidence=verified_evidence(annotation.evidence, self.captured) or _title_or_url_evidence(page),
            highlights=tuple(shorten(text, MAX_HIGHLIGHT_CHARS) for text in highlights if text),
            **_visit_totals([page]),
        )
        size = round(20 + 20 * min(1.0, importance.score), 2)
        self.nodes.append(Node(id=page_id, label=label, type="page", size=size, color=color, data=data))
        self.edges.append(Edge(source=parent, target=page_id, weight=round(max(0.05, importance.score), 6)))

    def add_cross_links(self) -> None:
        """Add the cross links between two nodes of the map that no other edge connects."""
        linkable = {node.id for node in self.nodes} - {CORE_ID}
        connected = {frozenset((edge.source, edge.target)) for edge in self.edges}
        for link in self.outline.cross_links:
            pair = frozenset((link.source, link.target))
            if len(pair) == 2 and pair <= linkable and pair not in connected:
                connected.add(pair)
                self.edges.append(
                    Edge(
                        source=link.source,
                        target=link.target,
                        weight=round(min(1.0, max(0.01, link.weight)), 6),
                        kind="cross",
                        label=shorten(strip_markup(link.label), MAX_LABEL_CHARS) or None,
                        terms=_clean_keywords(link.terms),
                    )
                )

    def _unique_label(self, text: str, max_chars: int, suffixes: Sequence[str]) -> str:
        """`text` as a label that no other node has: as it is, with a suffix, or with a number."""
        label = shorten(strip_markup(text), max_chars) or "Untitled"
        choices = [label]
        choices += [
            f"{shorten(label, max_chars - len(suffix) - 3)} · {suffix}"
            for suffix in suffixes
            if suffix and len(suffix) < max_chars // 2
        ]
        unused = (c for c in choices if c.casefold() not in self._labels)
        unique = next(unused, "") or self._numbered_label(label, max_chars)
        self._labels.add(unique.casefold())
        return unique

    def _numbered_label(self, label: str, max_chars: int) -> str:
        base = shorten(label, max_chars - 7)
        number = 2
        while f"{base} ({number})".casefold() in self._labels:
            number += 1
        return f"{base} ({number})"


def _group_evidence(topic: OutlineTopic, label: str, pages: Sequence[CapturedPage]) -> tuple[Evidence, ...]:
    """The topic's evidence, with a quote for its label if the pages have one; never empty."""
    evidence = topic.evidence
    for half in label_halves(label):
        if not any(quote.supports == "label" and supports_label(half, quote.quote) for quote in evidence):
            found = label_evidence_from_text(half, pages[:_MAX_PAGES_SEARCHED])
            titled = [page for page in pages if supports_label(half, page.title)]
            evidence = (*(found or (_title_or_url_evidence(titled[0]) if titled else ())), *evidence)
    return evidence or _title_or_url_evidence(max(pages, key=lambda page: (page.dwell_ms, page.page_id)))


def _default_annotation(page: CapturedPage) -> PageAnnotation:
    """The annotation of a page about which the outline says nothing."""
    label = shorten(strip_markup(page.title), MAX_LABEL_CHARS)
    return PageAnnotation(page.page_id, label, "", (), _title_or_url_evidence(page), Importance(), "en")


def _safe_links(page: CapturedPage) -> tuple[str, ...]:
    """The page's URL without secrets; empty unless it is http or https."""
    return (redact_url(page.url),) if page.url.lower().startswith(("http://", "https://")) else ()


def _title_or_url_evidence(page: CapturedPage) -> tuple[Evidence, ...]:
    """The evidence that every page has: its title, or its URL."""
    title = collapse_whitespace(page.title)
    if title:
        return (Evidence(page_id=page.page_id, field="title", quote=title, visited_at_ms=page.visited_at_ms),)
    return (Evidence(page_id=page.page_id, field="url", quote=page.url, visited_at_ms=page.visited_at_ms),)


def _visit_totals(pages: Sequence[CapturedPage]) -> dict[str, Any]:
    """The fields of `NodeData` that are counted over all visits to `pages`."""
    visited_at_ms = [at for page in pages for at in page.visited_at_ms]
    totals = {"visit_count": len(visited_at_ms), "total_duration": sum(page.dwell_ms for page in pages)}
    if visited_at_ms:
        totals |= {"first_visited_at_ms": min(visited_at_ms), "last_visited_at_ms": max(visited_at_ms)}
    return totals


def _clean_keywords(words: Iterable[str]) -> tuple[str, ...]:
    cleaned = (shorten(strip_markup(word), MAX_KEYWORD_CHARS) for word in words)
    return tuple(dict.fromkeys(word for word in cleaned if word))[:MAX_KEYWORDS]


def _last_path_segment(url: str) -> str:
    return strip_markup(url.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1])[:30]


def _with_layouts(
    nodes: Sequence[Node], edges: Sequence[Edge], previous: MindmapDocument | None
) -> tuple[list[Node], dict[str, dict[str, Point]]]:
    """`nodes` with positions in the galaxy, and the two flat layouts."""
    parents = {edge.target: edge.source for edge in edges if edge.kind == "contains"}
    nodes_to_place = layout_nodes(nodes, parents)
    previous_positions = {node.id: node.position for node in previous.nodes} if previous else {}
    positions = galaxy_layout(nodes_to_place, previous_positions)
    placed = [node.model_copy(update={"position": positions[node.id]}) for node in nodes]
    return placed, flat_layouts(nodes_to_place)


def _excluded_pages(outline: Outline, captured: Mapping[str, CapturedPage]) -> tuple[ExcludedPage, ...]:
    """Every captured page that is in no topic, with the outline's reason, else as `not_placed`."""
    placed = set(outline.placed_page_ids())
    exclusions = {exclusion.page_id: exclusion for exclusion in outline.excluded_pages}
    excluded = []
    for page_id, page in captured.items():
        if page_id in placed:
            continue
        exclusion = exclusions.get(page_id)
        reason = exclusion.reason if exclusion and exclusion.reason in EXCLUSION_REASONS else "not_placed"
        sentence = EXCLUSION_REASONS[reason]
        if exclusion and exclusion.sentence:
            sentence = shorten(strip_markup(exclusion.sentence), MAX_SENTENCE_CHARS)
        excluded.append(
            ExcludedPage(
                page_id=page_id,
                url=redact_url(page.url),
                title=shorten(strip_markup(page.title), MAX_PAGE_TITLE_CHARS),
                reason=reason,
                sentence=sentence,
                total_duration=page.dwell_ms,
            )
        )
    return tuple(excluded)
