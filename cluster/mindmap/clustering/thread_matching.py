"""Threads: topics of different sessions that are about the same subject."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from cluster.mindmap.pages.evidence import content_words
from cluster.mindmap.text.words import GENERIC_WORDS
from models.mindmap.document import MindmapDocument, Node

MIN_CONFIDENCE = 0.4
#: Words per topic profile, heaviest first. Words of the label and keywords weigh most, so they are always included.
MAX_PROFILE_WORDS = 60
#: Two topics without a common page cannot reach `MIN_CONFIDENCE` below this cosine.
MIN_COSINE = 0.2
#: The latest topics that are compared: a similarity matrix of 4,000 topics takes 64 MB.
MAX_COMPARED_TOPICS = 4000
_LABEL_WEIGHT, _KEYWORD_WEIGHT, _PAGE_WEIGHT = 4, 2, 1
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class ThreadMember:
    """A topic of one session that belongs to a thread; `confidence` (0..1) is its strongest link to another member."""

    session_id: str
    topic_id: str
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Thread:
    """A recurring subject: topics of at least two sessions, earliest session first, and the words they share.

    `confidence` is the mean of the members' confidences.
    """

    id: str
    label: str
    members: tuple[ThreadMember, ...]
    terms: tuple[str, ...]
    confidence: float


@dataclass(slots=True)
class TopicProfile:
    """What is compared of one topic of one session: page ids, hosts, and weighted words."""

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
    """Threads through the topics of several sessions (oldest session first), those with most sessions first.

    `unlinked` holds (session id, topic id) pairs that the user removed from their thread; they join none. A thread
    has at most one topic of each session. At most the latest `MAX_COMPARED_TOPICS` topics are compared, which takes
    seconds. Pure: the same profiles give the same threads with the same ids.
    """
    topics = [topic for topic in profiles if (topic.session_id, topic.topic_id) not in unlinked][-MAX_COMPARED_TOPICS:]
    df: Counter[str] = Counter(word for topic in topics for word in topic.words)
    weights = [_tf_idf_weights(topic, df, len(topics)) for topic in topics]
    links = []
    for i, j in _candidate_pairs(topics, weights):
        confidence = _link_confidence(topics[i], topics[j], weights[i], weights[j])
        if confidence >= min_confidence:
            links.append((confidence, i, j))
    groups, strongest = _linked_groups(topics, links)
    threads = [_build_thread([topics[i] for i in group], [strongest[i] for i in group]) for group in groups]
    return sorted(threads, key=lambda thread: (-len(thread.members), -thread.confidence, thread.id))


def _linked_groups(
    topics: Sequence[TopicProfile], links: Sequence[tuple[float, int, int]]
) -> tuple[list[list[int]], dict[int, float]]:
    """Topics joined by `links` (confidence, topic, topic), strongest first, in groups with one topic per session.

    Returns the groups of at least two topics, and the confidence of every linked topic's strongest link.
    """
    group_of = list(range(len(topics)))
    members_of = {group: [group] for group in group_of}
    strongest: dict[int, float] = {}
    for confidence, i, j in sorted(links, key=lambda link: (-link[0], link[1], link[2])):
        a, b = sorted((group_of[i], group_of[j]))
        if a != b:
            members = sorted(members_of[a] + members_of[b])
            if len({topics[k].session_id for k in members}) < len(members):
                continue  # Two topics of one session are different subjects; a third topic must not join them.
            members_of[a] = members
            for k in members_of.pop(b):
                group_of[k] = a
        for k in (i, j):
            strongest[k] = max(strongest.get(k, 0.0), confidence)
    return [members for _, members in sorted(members_of.items()) if len(members) > 1], strongest


def topic_profiles(session_id: str, document: MindmapDocument) -> list[TopicProfile]:
    """The profiles of all topics of one map that the user has not hidden, in document order."""
    children = document.children()
    nodes = {node.id: node for node in document.nodes}

    def pages_below(node_id: str, depth: int = 0) -> list[str]:
        if depth > _MAX_DEPTH:
            return []
        below = children.get(node_id, [])
        direct = [child for child in below if nodes[child].type == "page"]
        return direct + [p for child in below if nodes[child].type != "page" for p in pages_below(child, depth + 1)]

    profiles: list[TopicProfile] = []
    for node in document.nodes:
        if node.type == "topic" and not node.data.hidden:
            pages = [nodes[page_id] for page_id in pages_below(node.id)]
            profiles.append(
                TopicProfile(
                    session_id=session_id,
                    topic_id=node.id,
                    label=node.label,
                    pages={page.id for page in pages},
                    hosts={page.data.host for page in pages if page.data.host},
                    words=_profile_words(node, pages),
                )
            )
    return profiles


def _profile_words(topic: Node, pages: Sequence[Node]) -> Counter[str]:
    """The heaviest words of a topic: those of its label, its keywords, and the labels and keywords of its pages."""
    words: Counter[str] = Counter()
    sources = [(topic.label, _LABEL_WEIGHT)]
    sources += [(keyword, _KEYWORD_WEIGHT) for keyword in topic.data.keywords]
    sources += [(" ".join((page.label, *page.data.keywords)), _PAGE_WEIGHT) for page in pages]
    for text, weight in sources:
        for word in content_words(text):
            if len(word) >= 2 and word not in GENERIC_WORDS:
                words[word] += weight
    heaviest = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MAX_PROFILE_WORDS]
    return Counter(dict(heaviest))


def _tf_idf_weights(topic: TopicProfile, df: Counter[str], num_topics: int) -> dict[str, float]:
    """The topic's words as a TF-IDF vector of length 1."""
    weights = {
        word: (1 + math.log(count)) * math.log((2 + num_topics) / df[word])
        for word, count in sorted(topic.words.items())
    }
    norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {word: weight / norm for word, weight in weights.items()}


def _candidate_pairs(topics: Sequence[TopicProfile], weights: Sequence[dict[str, float]]) -> list[tuple[int, int]]:
    """Pairs of topics of different sessions that share a page, or have a cosine of at least `MIN_COSINE`."""
    topics_with_word: dict[str, list[int]] = {}
    topics_with_page: dict[str, list[int]] = {}
    for i, topic in enumerate(topics):
        for word in topic.words:
            topics_with_word.setdefault(word, []).append(i)
        for page in topic.pages:
            topics_with_page.setdefault(page, []).append(i)
    cosines = np.zeros((len(topics), len(topics)), dtype=np.float32)
    for word, members in sorted(topics_with_word.items()):
        if len(members) > 1:
            word_weights = np.array([weights[i][word] for i in members], dtype=np.float32)
            cosines[np.ix_(members, members)] += np.outer(word_weights, word_weights)
    rows, cols = np.nonzero(np.triu(cosines >= MIN_COSINE, 1))
    pairs = set(zip(rows.tolist(), cols.tolist(), strict=True))
    for members in topics_with_page.values():
        pairs.update((i, j) for a, i in enumerate(members) for j in members[a + 1 :])
    return sorted((i, j) for i, j in pairs if topics[i].session_id != topics[j].session_id)


def _link_confidence(
    first: TopicProfile, second: TopicProfile, first_weights: dict[str, float], second_weights: dict[str, float]
) -> float:
    """A score in 0..1 from three signals taken as independent: common words, common pages, common hosts."""
    common_words = sorted(set(first_weights) & set(second_weights))
    cosine = sum(first_weights[word] * second_weights[word] for word in common_words)
    pages = len(first.pages & second.pages) / max(1, min(len(first.pages), len(second.pages)))
    hosts = len(first.hosts & second.hosts) / max(1, len(first.hosts | second.hosts))
    doubt = (1 - min(0.9, 1.3 * cosine)) * (1 - 0.8 * min(1.0, 2 * pages)) * (1 - 0.15 * hosts)
    return round(1 - doubt, 4)


def _build_thread(topics: Sequence[TopicProfile], confidences: Sequence[float]) -> Thread:
    """The thread of `topics` (earliest first): labelled by the most frequent label, its id from the first topic."""
    labels = Counter(topic.label for topic in topics)
    common_words = set.intersection(*(set(topic.words) for topic in topics))
    totals: Counter[str] = Counter()
    for topic in topics:
        totals.update({word: count for word, count in topic.words.items() if word in common_words})
    first = topics[0]
    digest = hashlib.blake2b(f"{first.session_id}/{first.topic_id}".encode(), digest_size=8).hexdigest()
    return Thread(
        id="th_" + digest,
        label=min(labels.items(), key=lambda item: (-item[1], item[0]))[0],
        members=tuple(
            ThreadMember(topic.session_id, topic.topic_id, topic.label, round(confidence, 4))
            for topic, confidence in zip(topics, confidences, strict=True)
        ),
        terms=tuple(word for word, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:5]),
        confidence=round(sum(confidences) / len(confidences), 4),
    )
