"""Subjects that come back: topics of different sessions that are about the same thing."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.mindmap.clustering.similarity import MAX_VISIT_DISTANCE
from cluster.mindmap.pages.evidence import content_words
from cluster.mindmap.text.words import GENERIC_WORDS
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage

MIN_CONFIDENCE = 0.4
MAX_PROFILE_WORDS = 60  # Of a topic: its label and keywords are among them, whatever it holds.
MIN_COSINE = 0.2  # Cosine below which two topics without a page in common never reach `MIN_CONFIDENCE`.
MAX_COMPARED_TOPICS = (
    4000  # The comparison holds the square of their number in memory: 64 MB. The latest ones are compared.
)


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
class TopicProfile:
    """What is looked at of one topic of one session."""

    session_id: str
    topic_id: str
    label: str
    pages: set[str]
    hosts: set[str]
    words: Counter[str]


def find_threads(
    profiles: Sequence[TopicProfile],
    *,
    unlinked: Collection[tuple[str, str]] = (),
    min_confidence: float = MIN_CONFIDENCE,
) -> list[Thread]:
    """As `find_threads`, for topics already read, oldest session first. At most the latest `MAX_TOPICS` are compared,
    which takes seconds."""
    topics = [topic for topic in profiles if (topic.session_id, topic.topic_id) not in unlinked][-MAX_COMPARED_TOPICS:]
    df: Counter[str] = Counter(word for topic in topics for word in topic.words)
    weights = [_tf_idf_weights(topic, df, len(topics)) for topic in topics]
    links = []
    for i, j in _candidate_pairs(topics, weights):
        confidence = _link_confidence(topics[i], topics[j], weights[i], weights[j])
        if confidence >= min_confidence:
            links.append((-confidence, i, j))
    thread_of = list(range(len(topics)))
    members_of = {k: [k] for k in thread_of}
    best: dict[int, float] = {}
    for negative, i, j in sorted(links):
        a, b = sorted((thread_of[i], thread_of[j]))
        if a != b:
            inside = sorted(members_of[a] + members_of[b])
            if len({topics[k].session_id for k in inside}) < len(inside):
                continue  # Two topics of one session are two subjects there; a third must not make them one.
            members_of[a] = inside
            for k in members_of.pop(b):
                thread_of[k] = a
        for k in (i, j):
            best[k] = max(best.get(k, 0.0), -negative)
    found = []
    for _, members in sorted(members_of.items()):
        if len(members) > 1:
            found.append(_build_thread([topics[k] for k in members], [best[k] for k in members]))
    return sorted(found, key=lambda thread: (-len(thread.members), -thread.confidence, thread.id))


def topic_profiles(session_id: str, document: MindmapDocument) -> list[TopicProfile]:
    """The topics of one map, each with its pages, its hosts and its most telling words."""
    children = document.children()
    nodes = {node.id: node for node in document.nodes}

    def pages(node_id: str, depth: int = 0) -> list[str]:
        if depth > 8:
            return []
        below = children.get(node_id, [])
        return [c for c in below if nodes[c].type == "page"] + [
            p for c in below if nodes[c].type != "page" for p in pages(c, depth + 1)
        ]

    found: list[TopicProfile] = []
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
            if len(word) < 2 or word in GENERIC_WORDS:
                del words[word]
        heaviest = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MAX_PROFILE_WORDS]
        words = Counter(dict(heaviest))
        hosts = {nodes[page].data.host or "" for page in inside} - {""}
        found.append(TopicProfile(session_id, node.id, node.label, set(inside), hosts, words))
    return found


def _tf_idf_weights(topic: TopicProfile, df: Counter[str], num_topics: int) -> dict[str, float]:
    """The topic's words as a vector of length 1."""
    weights = {
        word: (1 + math.log(count)) * math.log((2 + num_topics) / df[word])
        for word, count in sorted(topic.words.items())
    }
    norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {word: weight / norm for word, weight in weights.items()}


def _candidate_pairs(topics: Sequence[TopicProfile], weights: Sequence[dict[str, float]]) -> list[tuple[int, int]]:
    """Pairs of topics of different sessions that share a page, or so many words that they may belong together."""
    holders: dict[str, list[int]] = {}
    readers: dict[str, list[int]] = {}
    for i, topic in enumerate(topics):
        for word in topic.words:
            holders.setdefault(word, []).append(i)
        for page in topic.pages:
            readers.setdefault(page, []).append(i)
    likeness = np.zeros((len(topics), len(topics)), dtype=np.float32)
    for word, inside in sorted(holders.items()):
        if len(inside) > 1:
            weight = np.array([weights[i][word] for i in inside], dtype=np.float32)
            likeness[np.ix_(inside, inside)] += np.outer(weight, weight)
    one, other = np.nonzero(np.triu(likeness >= MIN_COSINE, 1))
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    for inside in readers.values():
        pairs.update((i, j) for a, i in enumerate(inside) for j in inside[a + 1 :])
    return sorted((i, j) for i, j in pairs if topics[i].session_id != topics[j].session_id)


def _link_confidence(
    one: TopicProfile, other: TopicProfile, weight: dict[str, float], weight_of_other: dict[str, float]
) -> float:
    """Chance-like score from three independent signs: the same pages, the same words, the same places."""
    shared = sorted(set(weight) & set(weight_of_other))
    cosine = sum(weight[word] * weight_of_other[word] for word in shared)
    fewest = max(1, min(len(one.pages), len(other.pages)))
    pages = len(one.pages & other.pages) / fewest
    hosts = len(one.hosts & other.hosts) / max(1, len(one.hosts | other.hosts))
    doubt = (1 - min(0.9, 1.3 * cosine)) * (1 - 0.8 * min(1.0, 2 * pages)) * (1 - 0.15 * hosts)
    return round(1 - doubt, 4)


def _build_thread(topics: Sequence[TopicProfile], confidences: Sequence[float]) -> Thread:
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
        start += len(numbers) + MAX_VISIT_DISTANCE + 1
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
