"""The part of a map that other people see through a link, with texts that name nothing hidden.

A hidden topic is named in more places than its own node: in the generated title and summary, in the core, in labels and
keywords beside it. These texts are made anew from what is visible. A link that shows topics only must not show titles
of pages either, and a small topic is often labelled with the title of its page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.mindmap.document.session_names import reading_times
from cluster.mindmap.outline.summary import session_title, topics_summary
from models.mindmap.document import MAX_LABEL_CHARS, Edge, MindmapDocument, Node, NodeData
from models.text import shorten

_WORD = re.compile(r"[^\W_]+")
#: Parts of a page title: "How to bake | Bread magazine".
_TITLE_PARTS = re.compile(r"\s+[|·•–—:»/-]+\s+|\s*[|·•»]\s*")
_MIN_PREFIX_CHARS = 5
#: A run of this many words and this share of a title is the title.
_MIN_TITLE_WORDS, _MIN_TITLE_SHARE = 4, 0.6


def shared_view(document: MindmapDocument, visibility: str, user_title: str | None) -> MindmapDocument:
    """The part of `document` that a link with this visibility (`map`, `pages` or `highlights`) shows.

    `user_title` is the session's title if its user wrote it; it stays unless it names something hidden. Excluded pages
    and notes are never shown.
    """
    if not document.nodes:
        return document.model_copy(update={"excluded_pages": (), "notes": (), "note_details": ()})
    return _SharedView(document, visibility, user_title).document()


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _is_unspaced(word: str) -> bool:
    """Whether the word belongs to a script that joins words or particles: Korean, Chinese, Japanese."""
    return any(char >= "\u1100" for char in word)


def _contains(words: Sequence[str], run: Sequence[str]) -> bool:
    """Whether `run` is a run of `words`; in scripts without blanks also inside a word."""
    if not run:
        return False
    if all(_is_unspaced(word) for word in run):
        return "".join(run) in "".join(words)
    return any(tuple(words[i : i + len(run)]) == tuple(run) for i in range(len(words) - len(run) + 1))


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What must not be named: labels of hidden nodes, and the words that only hidden topics have."""

    labels: tuple[tuple[str, ...], ...]
    words: frozenset[str]

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> _Hidden:
        """The hidden texts of a map."""
        groups = [node for node in nodes if node.type in ("topic", "subtopic")]
        hidden_groups = [node for node in groups if node.data.hidden]
        labels = {_words(node.label) for node in nodes if node.data.hidden} - {()}
        labels |= {_words(part) for node in hidden_groups for part in node.label.split(" · ")} - {()}
        visible_words = {
            word
            for node in groups
            if not node.data.hidden
            for words in [_words(node.label)]
            if not any(_contains(words, label) for label in labels)
            for word in words
        }
        words = {word for node in hidden_groups for word in _words(node.label)} - visible_words
        words |= _words_of_hidden_titles(nodes)
        # Short Latin words are "and", "the", "of"; a short name is still found as part of a whole label.
        return cls(tuple(labels), frozenset(w for w in words if len(w) > 3 or (len(w) > 1 and _is_unspaced(w))))

    def names_word(self, word: str) -> bool:
        """Whether one word of a text comes from a hidden topic."""
        for hidden in self.words:
            if word == hidden or (_is_unspaced(hidden) and hidden in word):
                return True
            if len(hidden) >= _MIN_PREFIX_CHARS and word.startswith(hidden):
                return True
        return False

    def is_named_in(self, text: str | None) -> bool:
        """Whether `text` names something hidden."""
        words = _words(text or "")
        return any(map(self.names_word, words)) or any(_contains(words, label) for label in self.labels)


def _words_of_hidden_titles(nodes: Iterable[Node]) -> set[str]:
    """The words that several hidden pages have in their titles and no visible node has in its label or title.

    They name the hidden topic too, whatever its label says.
    """
    counts: Counter[str] = Counter()
    visible: set[str] = set()
    for node in nodes:
        words = set(_words(node.label)) | set(_words(node.data.title or ""))
        if not node.data.hidden:
            # The core's label may be the user's title, in which what is hidden is looked for.
            visible |= set() if node.type == "core" else words
        elif node.type == "page":
            counts.update(words)
    return {word for word, count in counts.items() if count >= 2 and word not in visible}


class _PageTitles:
    """Recognizes labels that are the title of a page."""

    def __init__(self, titles: Iterable[str]) -> None:
        self._titles, self._parts = set[tuple[str, ...]](), set[tuple[str, ...]]()
        for title in titles:
            self._titles.add(_words(title))
            # A part of one word is the name of a site or of a subject.
            self._parts |= {words for part in _TITLE_PARTS.split(title) if len(words := _words(part)) > 1}
        self._titles.discard(())

    def include(self, label: str) -> bool:
        """Whether `label` is, or contains, the title of a page or most of it."""
        words = _words(label)
        if words in self._titles or words in self._parts:
            return True
        for title in self._titles | self._parts:
            is_cut = label.rstrip().endswith("…") and title[: len(words)] == words
            is_most = len(words) >= _MIN_TITLE_WORDS and len(words) >= _MIN_TITLE_SHARE * len(title)
            if is_cut or (is_most and _contains(title, words)) or (len(title) > 1 and _contains(words, title)):
                return True
        return False


class _SharedView:
    def __init__(self, document: MindmapDocument, visibility: str, user_title: str | None) -> None:
        self._source, self._visibility = document, visibility
        core = document.nodes[0]
        self._user_title = core.label if core.data.label_by == "user" else user_title
        self._hidden = _Hidden.of(document.nodes)
        pages = [node for node in document.nodes if node.type == "page"]
        titles = [title for node in pages for title in (node.label, node.data.title or "")]
        titles += [page.title for page in document.excluded_pages]
        self._titles = _PageTitles(titles if visibility == "map" else ())
        self._visible = [node for node in document.nodes if not node.data.hidden]
        self._pages = [node for node in self._visible if node.type == "page"]
        self._parents = document.parents()
        self._labels = self._visible_labels()

    def document(self) -> MindmapDocument:
        title, summary = self._title(), self._summary()
        shown = [node for node in self._visible if self._visibility != "map" or node.type != "page"]
        ids = {node.id for node in shown}
        edges = [edge for edge in self._source.edges if edge.source in ids and edge.target in ids]
        return self._source.model_copy(
            update={
                "title": title,
                "summary": summary,
                "generated_names": None,
                "nodes": tuple(self._node(node, title, summary) for node in shown),
                "edges": tuple(self._edge(edge) for edge in edges),
                "layouts": {
                    name: {i: p for i, p in points.items() if i in ids} for name, points in self._source.layouts.items()
                },
                "excluded_pages": (),
                "notes": (),
                "note_details": (),
            }
        )

    def _visible_labels(self) -> dict[str, str]:
        """Topics and sub-topics → the label to show, unique as before."""
        labels: dict[str, str] = {}
        taken = {node.label.casefold() for node in self._visible}
        for number, node in enumerate((n for n in self._visible if n.type in ("topic", "subtopic")), 1):
            label = self._label(node)
            if label != node.label and (label is None or label.casefold() in taken):
                label = f"주제 {number}" if self._source.language == "ko" else f"Topic {number}"
            taken.add((label or "").casefold())
            labels[node.id] = label or node.label
        return labels

    def _label(self, node: Node) -> str | None:
        """The node's label without what may not be shown, or words in its place; None if there are none."""
        is_allowed = self._is_allowed(node.label) or (
            node.data.label_by == "user" and not self._hidden.is_named_in(node.label)
        )
        if is_allowed:
            return node.label
        parts = [part for part in node.label.split(" · ") if self._is_allowed(part)]
        keywords = [keyword for keyword in node.data.keywords if self._is_allowed(keyword)][:2]
        return " · ".join(parts or keywords) or None

    def _is_allowed(self, text: str) -> bool:
        return not self._hidden.is_named_in(text) and not self._titles.include(text)

    @property
    def _is_changed(self) -> bool:
        """Whether the generated texts of the map say more than this view may show."""
        if len(self._visible) < len(self._source.nodes):
            return True
        return any(label != node.label for node in self._visible if (label := self._labels.get(node.id)) is not None)

    def _title(self) -> str:
        if self._user_title and not self._hidden.is_named_in(self._user_title):
            return self._user_title
        if not self._user_title and not self._is_changed and not self._titles.include(self._source.title):
            return self._source.title
        topics = [self._labels[node.id] for node in self._visible if node.type == "topic"]
        return session_title(topics, self._source.language)

    def _summary(self) -> str:
        # A model may have quoted pages in it.
        if not self._is_changed and self._visibility != "map":
            return self._source.summary
        dwell_ms = [(self._labels[topic_id], read_ms) for topic_id, read_ms in reading_times(self._source).items()]
        return topics_summary(dwell_ms, len(self._pages), self._source.language)

    def _node(self, node: Node, title: str, summary: str) -> Node:
        data = self._data(node)
        if node.type == "core":
            description = summary if data.description is not None else None
            data = data.model_copy(update={"description": description})
            return node.model_copy(update={"label": shorten(title, MAX_LABEL_CHARS), "data": data})
        return node.model_copy(update={"label": self._labels.get(node.id, node.label), "data": data})

    def _data(self, node: Node) -> NodeData:
        data = node.data
        pages = self._pages_below(node)
        shown: dict[str, object] = {
            "keywords": tuple(keyword for keyword in data.keywords if self._is_allowed(keyword)),
            "hue": data.hue,
            "language": data.language,
            "importance": data.importance,
            "total_duration": sum(page.data.total_duration for page in pages),
            "visit_count": sum(page.data.visit_count for page in pages),
        }
        if self._visibility != "map":
            # A description may quote pages.
            is_hidden = node.type != "page" and self._hidden.is_named_in(data.description)
            urls = {url for page in pages for url in page.data.urls}
            shown |= {
                "description": None if is_hidden else data.description,
                "urls": tuple(url for url in data.urls if url in urls),
                "page_id": data.page_id,
                "title": data.title,
                "host": data.host,
            }
        if self._visibility == "highlights":
            shown["highlights"] = data.highlights
        return NodeData().model_copy(update=shown)

    def _pages_below(self, node: Node) -> Sequence[Node]:
        if node.type == "page":
            return [node]
        return [page for page in self._pages if node.id in _ancestors(page.id, self._parents)]

    def _edge(self, edge: Edge) -> Edge:
        label = None if self._visibility == "map" or self._hidden.is_named_in(edge.label) else edge.label
        return edge.model_copy(
            update={"label": label, "terms": tuple(term for term in edge.terms if self._is_allowed(term))}
        )


def _ancestors(node_id: str, parents: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    while (node_id := parents.get(node_id, "")) and node_id not in found:
        found.add(node_id)
    return found
