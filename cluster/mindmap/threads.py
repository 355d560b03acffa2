"""Subjects that come back: topics of different sessions that are about the same thing."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from cluster.mindmap.evidence import content_words
from cluster.mindmap.similarity import MAX_STEPS_APART
from cluster.mindmap.words import GENERIC
from models.mindmap_graph import MindmapDocument
from models.pages import CapturedPage

MIN_CONFIDENCE = 0.4


@dataclass(frozen=True, slots=True)
class ThreadMember:
    """A topic of one session that belongs to a thread; `confidence` in 0..1 is its best link to another member."""

    session_id: str
    topic_id: str
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Thread:
    """A recurring subject: at least two sessions' topics, earliest session first, and the words they share."""

    id: str
    label: str
    members: tuple[ThreadMember, ...]
    terms: tuple[str, ...]
    confidence: float


@dataclass(slots=True)
class _Topic:
    session_id: str
    topic_id: str
    label: str
    pages: set[str]
    hosts: set[str]
    words: Counter[str]


def find_threads(
    sessions: Sequence[tuple[str, MindmapDocument]],
    *,
    unlinked: Collection[tuple[str, str]] = (),
    min_confidence: float = MIN_CONFIDENCE,
) -> list[Thread]:
    """Threads through `sessions` (id and map, oldest first), most sessions first.

    `unlinked` holds (session id, topic id) pairs the user took out of their thread; they join none. One session adds
    at most one topic to a thread. Pure: the same maps give the same threads with the same ids.
    """
    topics = [t for session_id, document in sessions for t in _topics(session_id, document)]
    topics = [topic for topic in topics if (topic.session_id, topic.topic_id) not in unlinked]
    df: Counter[str] = Counter(word for topic in topics for word in topic.words)
    links = []
    for i, one in enumerate(topics):
        for j in range(i + 1, len(topics)):
            other = topics[j]
            if one.session_id != other.session_id:
                confidence = _confidence(one, other, df, len(topics))
                if confidence >= min_confidence:
                    links.append((-confidence, i, j))
    thread_of = list(range(len(topics)))
    best: dict[int, float] = {}
    for negative, i, j in sorted(links):
        a, b = thread_of[i], thread_of[j]
        if a != b:
            inside = [k for k in range(len(topics)) if thread_of[k] in (a, b)]
            if len({topics[k].session_id for k in inside}) < len(inside):
                continue  # Two topics of one session are two subjects there; a third must not make them one.
            thread_of = [min(a, b) if t in (a, b) else t for t in thread_of]
        for k in (i, j):
            best[k] = max(best.get(k, 0.0), -negative)
    found = []
    for head in sorted(set(thread_of)):
        members = [k for k in range(len(topics)) if thread_of[k] == head]
        if len(members) > 1:
            found.append(_thread([topics[k] for k in members], [best[k] for k in members]))
    return sorted(found, key=lambda thread: (-len(thread.members), -thread.confidence, thread.id))


def _topics(session_id: str, document: MindmapDocument) -> list[_Topic]:
    children = document.children()
    nodes = {node.id: node for node in document.nodes}

    def pages(node_id: str, depth: int = 0) -> list[str]:
        if depth > 8:
            return []
        below = children.get(node_id, [])
        return [c for c in below if nodes[c].type == "page"] + [
            p for c in below if nodes[c].type != "page" for p in pages(c, depth + 1)
        ]

    found = []
    for node in document.nodes:
        if node.type != "topic" or node.data.hidden:
            continue
        inside = pages(node.id)
        words: Counter[str] = Counter()
        for word in content_words(node.label):
            words[word] += 4
        for keyword in node.data.keywords:
            for word in content_words(keyword):
                words[word] += 2
        for page in inside:
            for word in content_words(" ".join((nodes[page].label, *nodes[page].data.keywords))):
                words[word] += 1
        for word in list(words):
            if len(word) < 2 or word in GENERIC:
                del words[word]
        hosts = {nodes[page].data.host or "" for page in inside} - {""}
        found.append(_Topic(session_id, node.id, node.label, set(inside), hosts, words))
    return found


def _confidence(one: _Topic, other: _Topic, df: Counter[str], num_topics: int) -> float:
    """Chance-like score from three independent signs: the same pages, the same words, the same places."""

    def weight(topic: _Topic, word: str) -> float:
        return (1 + math.log(topic.words[word])) * math.log((2 + num_topics) / df[word])

    def norm(topic: _Topic) -> float:
        return math.sqrt(sum(weight(topic, word) ** 2 for word in sorted(topic.words)))

    shared = sorted(set(one.words) & set(other.words))
    norms = norm(one) * norm(other)
    cosine = sum(weight(one, w) * weight(other, w) for w in shared) / norms if norms else 0.0
    fewest = max(1, min(len(one.pages), len(other.pages)))
    pages = len(one.pages & other.pages) / fewest
    hosts = len(one.hosts & other.hosts) / max(1, len(one.hosts | other.hosts))
    doubt = (1 - min(0.9, 1.3 * cosine)) * (1 - 0.8 * min(1.0, 2 * pages)) * (1 - 0.15 * hosts)
    return round(1 - doubt, 4)


def _thread(topics: Sequence[_Topic], confidences: Sequence[float]) -> Thread:
    names = Counter(topic.label for topic in topics)
    common = set.intersection(*(set(topic.words) for topic in topics))
    total: Counter[str] = Counter()
    for topic in topics:
        total.update({word: count for word, count in topic.words.items() if word in common})
    terms = tuple(word for word, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:5])
    first = topics[0]
    digest = hashlib.blake2b(f"{first.session_id}/{first.topic_id}".encode(), digest_size=8).hexdigest()
    members = tuple(
        ThreadMember(t.session_id, t.topic_id, t.label, round(c, 4)) for t, c in zip(topics, confidences, strict=True)
    )
    label = min(names.items(), key=lambda item: (-item[1], item[0]))[0]
    return Thread("th_" + digest, label, members, terms, round(sum(confidences) / len(confidences), 4))


def merge_sessions(sessions: Sequence[Sequence[CapturedPage]]) -> list[CapturedPage]:
    """The pages of several sessions as those of one, for a map over all of them.

    A page visited in more than one is one page: times and dwell add up, the longest text and the last title stand.
    Visits are numbered anew in order of time, sessions far enough apart that the last page of one is no neighbour of
    the first page of the next.
    """
    ordered = sorted(
        (s for s in sessions if s), key=lambda s: min((min(p.visited_at_ms, default=0), p.page_id) for p in s)
    )
    merged: dict[str, CapturedPage] = {}
    start = 0
    for pages in ordered:
        numbers = sorted({number for page in pages for number in page.visit_order})
        renumbered = {number: start + i for i, number in enumerate(numbers)}
        start += len(numbers) + MAX_STEPS_APART + 1
        for page in sorted(pages, key=lambda p: p.page_id):
            order = tuple(renumbered[number] for number in page.visit_order)
            known = merged.get(page.page_id)
            if known is None:
                merged[page.page_id] = replace(page, visit_order=order)
                continue
            merged[page.page_id] = replace(
                known,
                title=page.title or known.title,
                text=max(known.text, page.text, key=len),
                dwell_ms=known.dwell_ms + page.dwell_ms,
                max_scroll_depth=max(known.max_scroll_depth, page.max_scroll_depth),
                highlights=tuple(dict.fromkeys((*known.highlights, *page.highlights))),
                visited_at_ms=(*known.visited_at_ms, *page.visited_at_ms),
                visit_order=(*known.visit_order, *order),
            )
    return list(merged.values())
