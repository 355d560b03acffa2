"""The differences between two versions of a map, as sentences with reasons where the maps show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from models.mindmap.document import CORE_ID, MindmapDocument, Node
from models.plurals import counted
from models.text import quoted

ChangeKind = Literal[
    "topic_added", "topic_removed", "topic_renamed", "topic_split", "topics_merged", "page_added", "page_removed",
    "page_moved", "page_left_out", "page_placed", "title_changed", "provider_changed", "score_changed",
]  # fmt: skip
#: Two topics with a lower Jaccard index of their pages are different topics.
_MIN_JACCARD = 0.3
#: Smaller changes of a score are not reported.
_MIN_SCORE_CHANGE = 0.05
_MAX_WORDS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `why` is empty when the maps do not show a reason."""

    kind: ChangeKind
    sentence: str
    why: str = ""
    node_ids: tuple[str, ...] = ()


def diff_documents(old: MindmapDocument, new: MindmapDocument) -> list[Change]:
    """The changes from `old` to `new`: topics first, then pages, then title, provider and scores.

    Equal maps have no changes.
    """
    before, after = _DocumentIndex(old), _DocumentIndex(new)
    same = _matching_topics(before, after)
    return [*_topic_changes(before, after, same), *_page_changes(before, after, same), *_document_changes(old, new)]


class _DocumentIndex:
    """A document with its pages by topic, and its topics by page."""

    def __init__(self, document: MindmapDocument) -> None:
        self.nodes = {node.id: node for node in document.nodes}
        self.excluded_pages = {page.page_id: page for page in document.excluded_pages}
        topic_of_pages = document.topic_of_pages()
        self.topic_of: dict[str, str] = {}
        self.pages_of: dict[str, set[str]] = {node.id: set() for node in document.nodes if node.type == "topic"}
        for node in document.nodes:
            if node.type == "page" and node.data.page_id:
                topic = topic_of_pages.get(node.id, CORE_ID)
                self.topic_of[node.id] = topic
                self.pages_of.setdefault(topic, set()).add(node.id)

    def label(self, node_id: str) -> str:
        return quoted(self.nodes[node_id].label) if node_id in self.nodes else "the map"


def _matching_topics(before: _DocumentIndex, after: _DocumentIndex) -> dict[str, str]:
    """The old topic of every new topic that continues one: the same id, else the highest Jaccard index."""
    same = {topic: topic for topic in after.pages_of if topic in before.pages_of}
    options = []
    for new_id, new_pages in after.pages_of.items():
        for old_id, old_pages in before.pages_of.items():
            if new_id not in same and old_id not in same and new_pages & old_pages:
                options.append((-len(new_pages & old_pages) / len(new_pages | old_pages), old_id, new_id))
    for negative_overlap, old_id, new_id in sorted(options):
        if -negative_overlap >= _MIN_JACCARD and new_id not in same and old_id not in same.values():
            same[new_id] = old_id
    return same


def _topic_changes(before: _DocumentIndex, after: _DocumentIndex, same: Mapping[str, str]) -> Iterator[Change]:
    for new_id in after.pages_of:
        if new_id in same:
            if new_id in after.nodes:
                yield from _continued_topic_changes(before, after, same, new_id)
        elif new_id in after.nodes:
            yield _new_topic_change(before, after, new_id)
    absorbed = {old_id for pages in after.pages_of.values() for old_id in _old_topics_mostly_in(before, pages)}
    for old_id in before.pages_of:
        if old_id in before.nodes and old_id not in same.values() and old_id not in absorbed:
            yield Change("topic_removed", f"{before.label(old_id)} is no longer a topic.", "", (old_id,))


def _old_topics_mostly_in(before: _DocumentIndex, pages: set[str]) -> list[str]:
    """The old topics with more than half of their pages among `pages`."""
    return [old_id for old_id, old_pages in before.pages_of.items() if len(pages & old_pages) * 2 > len(old_pages)]


def _continued_topic_changes(
    before: _DocumentIndex, after: _DocumentIndex, same: Mapping[str, str], new_id: str
) -> Iterator[Change]:
    old_id = same[new_id]
    if before.label(old_id) != after.label(new_id):
        why = _renaming_reason(before, after, old_id, new_id)
        yield Change("topic_renamed", f"{before.label(old_id)} is now called {after.label(new_id)}.", why, (new_id,))
    absorbed = [
        other
        for other in _old_topics_mostly_in(before, after.pages_of[new_id])
        if other != old_id and other not in same.values()
    ]
    if absorbed:
        labels = ", ".join(before.label(other) for other in absorbed)
        why = _shared_keywords_reason(before, [old_id, *absorbed])
        yield Change("topics_merged", f"{labels} became part of {after.label(new_id)}.", why, (new_id, *absorbed))


def _renaming_reason(before: _DocumentIndex, after: _DocumentIndex, old_id: str, new_id: str) -> str:
    data = after.nodes[new_id].data
    if data.reused_from is not None:
        return "You gave it this name in another session."
    return "You named it." if data.label_by == "user" else _membership_reason(before, after, old_id, new_id)


def _new_topic_change(before: _DocumentIndex, after: _DocumentIndex, new_id: str) -> Change:
    """A new topic: split off the old topic that had most of its pages, or added."""
    pages = after.pages_of[new_id]
    label, num_pages = after.label(new_id), counted(len(pages), "page")
    origin = max(before.pages_of, key=lambda old_id: (len(before.pages_of[old_id] & pages), old_id), default=None)
    if origin is not None and len(before.pages_of[origin] & pages) * 2 > len(pages):
        keywords = ", ".join(after.nodes[new_id].data.keywords[:_MAX_WORDS_NAMED])
        why = f"Its pages share {keywords}." if keywords else ""
        return Change(
            "topic_split", f"{label} was split off {before.label(origin)} with {num_pages}.", why, (new_id, origin)
        )
    num_new = len(pages - set(before.topic_of))
    why = (
        f"{counted(num_new, 'page')} of it {'was' if num_new == 1 else 'were'} not on the map before."
        if num_new
        else ""
    )
    return Change("topic_added", f"{label} is new, with {num_pages}.", why, (new_id,))


def _membership_reason(before: _DocumentIndex, after: _DocumentIndex, old_id: str, new_id: str) -> str:
    """How many pages joined and left a topic; empty if none did."""
    num_joined = len(after.pages_of[new_id] - before.pages_of[old_id])
    num_left = len(before.pages_of[old_id] - after.pages_of[new_id])
    parts = []
    if num_joined:
        parts.append(f"{counted(num_joined, 'page')} joined it")
    if num_left:
        parts.append(f"{counted(num_left, 'page')} left it")
    return " and ".join(parts) + "." if parts else ""


def _shared_keywords_reason(index: _DocumentIndex, topics: Sequence[str]) -> str:
    """The keywords that the first topic shares with another; empty if there are none."""
    keywords = [{w.casefold(): w for w in index.nodes[t].data.keywords} for t in topics if t in index.nodes]
    if len(keywords) < 2:
        return ""
    shared = [word for key, word in keywords[0].items() if any(key in other for other in keywords[1:])]
    return f"They share {', '.join(shared[:_MAX_WORDS_NAMED])}." if shared else ""


def _page_changes(before: _DocumentIndex, after: _DocumentIndex, same: Mapping[str, str]) -> Iterator[Change]:
    for page, topic in after.topic_of.items():
        label, topic_label = after.label(page), after.label(topic)
        if page in before.topic_of:
            old_topic = before.topic_of[page]
            if same.get(topic, topic) != old_topic:
                sentence = f"{label} moved from {before.label(old_topic)} to {topic_label}."
                yield Change("page_moved", sentence, _move_reason(after, page, topic), (page,))
        elif page in before.excluded_pages:
            yield Change("page_placed", f"{label} was left out before and is now in {topic_label}.", "", (page,))
        else:
            yield Change("page_added", f"{label} is new in {topic_label}.", "It was visited since.", (page,))
    for page in before.topic_of:
        if page in after.topic_of:
            continue
        excluded = after.excluded_pages.get(page)
        if excluded is not None:
            yield Change("page_left_out", f"{before.label(page)} is left out now.", excluded.sentence, (page,))
        else:
            yield Change("page_removed", f"{before.label(page)} is no longer part of the session.", "", (page,))


def _move_reason(after: _DocumentIndex, page: str, topic: str) -> str:
    """The keywords of a topic that a page contains; empty if there are none."""
    topic_node = after.nodes.get(topic)
    if topic_node is None:
        return ""
    page_words = _words(after.nodes[page])
    shared = [word for word in topic_node.data.keywords if set(word.casefold().split()) & page_words]
    return f"It shares {', '.join(shared[:_MAX_WORDS_NAMED])} with that topic." if shared else ""


def _words(node: Node) -> set[str]:
    text = " ".join((node.label, node.data.title or "", node.data.description or "", *node.data.keywords))
    return set(text.casefold().split())


def _document_changes(old: MindmapDocument, new: MindmapDocument) -> Iterator[Change]:
    if old.title != new.title:
        yield Change("title_changed", f"The map is now called {quoted(new.title)}.", "", (CORE_ID,))
    if old.provider != new.provider:
        yield Change("provider_changed", f"It was drawn by {new.provider}, before by {old.provider}.")
    for name in ("grounding", "attention", "separation", "stability"):
        old_score, new_score = getattr(old.scorecard, name), getattr(new.scorecard, name)
        if old_score is not None and new_score is not None and abs(new_score - old_score) >= _MIN_SCORE_CHANGE:
            verb = "rose" if new_score > old_score else "fell"
            yield Change("score_changed", f"{name.capitalize()} {verb} from {old_score:.0%} to {new_score:.0%}.")
