"""What changed between two versions of a map, in sentences, with the reasons that can be known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from models.mindmap.document import CORE_ID, MindmapDocument, Node

ChangeKind = Literal[
    "topic_added", "topic_removed", "topic_renamed", "topic_split", "topics_merged", "page_added", "page_removed",
    "page_moved", "page_left_out", "page_placed", "title_changed", "provider_changed", "score_changed",
]  # fmt: skip
_MIN_JACCARD = 0.3


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `why` is empty when nothing on the maps explains it."""

    kind: ChangeKind
    sentence: str
    why: str = ""
    node_ids: tuple[str, ...] = ()


def diff_documents(old: MindmapDocument, new: MindmapDocument) -> list[Change]:
    """The changes from `old` to `new`: topics first, then pages, then the rest. Equal maps give none."""
    before, after = _DocumentIndex(old), _DocumentIndex(new)
    return [*_topic_changes(before, after), *_page_changes(before, after), *_document_changes(old, new)]


class _DocumentIndex:
    def __init__(self, document: MindmapDocument) -> None:
        self.document = document
        self.nodes = {node.id: node for node in document.nodes}
        self.parents = document.parents()
        self.topic_of: dict[str, str] = {}
        self.pages_of: dict[str, set[str]] = {n.id: set() for n in document.nodes if n.type == "topic"}
        for node in document.nodes:
            if node.type == "page" and node.data.page_id:
                at = self.parents.get(node.id, CORE_ID)
                while at in self.nodes and self.nodes[at].type == "subtopic":
                    at = self.parents.get(at, CORE_ID)
                self.topic_of[node.id] = at
                self.pages_of.setdefault(at, set()).add(node.id)
        self.excluded_pages = {one.page_id: one for one in document.excluded_pages}

    def label(self, node_id: str) -> str:
        return f"“{self.nodes[node_id].label}”" if node_id in self.nodes else "the map"


def _matching_topics(before: _DocumentIndex, after: _DocumentIndex) -> dict[str, str]:
    """New topic to the old one it continues: the same id, else most pages in common."""
    same = {topic: topic for topic in after.pages_of if topic in before.pages_of}
    options = []
    for new_id, new in after.pages_of.items():
        for old_id, old in before.pages_of.items():
            if new_id not in same and old_id not in same and new & old:
                options.append((-len(new & old) / len(new | old), old_id, new_id))
    for negative, old_id, new_id in sorted(options):
        if -negative >= _MIN_JACCARD and new_id not in same and old_id not in same.values():
            same[new_id] = old_id
    return same


def _topic_changes(before: _DocumentIndex, after: _DocumentIndex) -> Iterator[Change]:
    same = _matching_topics(before, after)
    for new_id, pages in after.pages_of.items():
        if new_id not in after.nodes:
            continue
        sources = {o: len(pages & p) for o, p in before.pages_of.items() if p and len(pages & p) > 0.5 * len(p)}
        if new_id in same:
            old_id = same[new_id]
            if before.label(old_id) != after.label(new_id):
                why = (
                    "You named it."
                    if after.nodes[new_id].data.label_by == "user"
                    else _membership_reason(before, after, old_id, new_id)
                )
                yield Change(
                    "topic_renamed", f"{before.label(old_id)} is now called {after.label(new_id)}.", why, (new_id,)
                )
            joined = [o for o in sources if o != old_id and o not in same.values()]
            if joined:
                names = ", ".join(before.label(o) for o in joined)
                why = _shared_keywords_reason(before, [old_id, *joined])
                yield Change("topics_merged", f"{names} became part of {after.label(new_id)}.", why, (new_id, *joined))
            continue
        origin = max(before.pages_of, key=lambda o: (len(before.pages_of[o] & pages), o), default=None)
        if origin is not None and len(before.pages_of[origin] & pages) * 2 > len(pages):
            words = ", ".join(after.nodes[new_id].data.keywords[:3])
            why = f"Its pages share {words}." if words else ""
            sentence = f"{after.label(new_id)} was split off {before.label(origin)} with {_count_pages(len(pages))}."
            yield Change("topic_split", sentence, why, (new_id, origin))
        else:
            fresh = len(pages - set(before.topic_of))
            why = (
                f"{_count_pages(fresh)} of it {'was' if fresh == 1 else 'were'} not on the map before." if fresh else ""
            )
            yield Change(
                "topic_added", f"{after.label(new_id)} is new, with {_count_pages(len(pages))}.", why, (new_id,)
            )
    merged = {
        o for new, pages in after.pages_of.items() for o, p in before.pages_of.items() if len(pages & p) * 2 > len(p)
    }
    for old_id in before.pages_of:
        if old_id in before.nodes and old_id not in same.values() and old_id not in merged:
            yield Change("topic_removed", f"{before.label(old_id)} is no longer a topic.", "", (old_id,))


def _membership_reason(before: _DocumentIndex, after: _DocumentIndex, old_id: str, new_id: str) -> str:
    gained = len(after.pages_of[new_id] - before.pages_of[old_id])
    lost = len(before.pages_of[old_id] - after.pages_of[new_id])
    if not gained and not lost:
        return ""
    parts = [f"{_count_pages(gained)} joined it" if gained else "", f"{_count_pages(lost)} left it" if lost else ""]
    return " and ".join(part for part in parts if part) + "."


def _shared_keywords_reason(reading: _DocumentIndex, topics: list[str]) -> str:
    known = [{w.casefold(): w for w in reading.nodes[t].data.keywords} for t in topics if t in reading.nodes]
    if len(known) < 2:
        return ""
    common = [word for key, word in known[0].items() if any(key in other for other in known[1:])]
    return f"They share {', '.join(common[:3])}." if common else ""


def _page_changes(before: _DocumentIndex, after: _DocumentIndex) -> Iterator[Change]:
    same = _matching_topics(before, after)
    for page, topic in after.topic_of.items():
        label = after.label(page)
        if page in before.topic_of:
            was = before.topic_of[page]
            if same.get(topic, topic) != was:
                sentence = f"{label} moved from {before.label(was)} to {after.label(topic)}."
                yield Change("page_moved", sentence, _move_reason(after, page, topic), (page,))
        elif page in before.excluded_pages:
            yield Change("page_placed", f"{label} was left out before and is now in {after.label(topic)}.", "", (page,))
        else:
            yield Change("page_added", f"{label} is new in {after.label(topic)}.", "It was visited since.", (page,))
    for page in before.topic_of:
        if page not in after.topic_of:
            one = after.excluded_pages.get(page)
            if one is not None:
                yield Change("page_left_out", f"{before.label(page)} is left out now.", one.sentence, (page,))
            else:
                yield Change("page_removed", f"{before.label(page)} is no longer part of the session.", "", (page,))


def _move_reason(after: _DocumentIndex, page: str, topic: str) -> str:
    """The words a page has in common with its topic."""
    node, home = after.nodes[page], after.nodes.get(topic)
    if home is None:
        return ""
    mine = _words(node)
    shared = [word for word in home.data.keywords if set(word.casefold().split()) & mine]
    return f"It shares {', '.join(shared[:3])} with that topic." if shared else ""


def _words(node: Node) -> set[str]:
    text = " ".join((node.label, node.data.title or "", node.data.description or "", *node.data.keywords))
    return set(text.casefold().split())


def _document_changes(old: MindmapDocument, new: MindmapDocument) -> Iterator[Change]:
    if old.title != new.title:
        yield Change("title_changed", f"The map is now called “{new.title}”.", "", (CORE_ID,))
    if old.provider != new.provider:
        yield Change("provider_changed", f"It was drawn by {new.provider}, before by {old.provider}.")
    for name in ("grounding", "attention", "separation", "stability"):
        was, now = getattr(old.scorecard, name), getattr(new.scorecard, name)
        if was is not None and now is not None and abs(now - was) >= 0.05:
            word = "rose" if now > was else "fell"
            yield Change("score_changed", f"{name.capitalize()} {word} from {was:.0%} to {now:.0%}.")


def _count_pages(num: int) -> str:
    return f"{num} page{'' if num == 1 else 's'}"
