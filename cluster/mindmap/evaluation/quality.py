"""Scores of a map against a known structure, and simple baselines to compare them with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.mindmap.clustering.corpus import FloatArray, IntArray, build_corpus
from cluster.mindmap.clustering.stability import adjusted_rand_index
from cluster.mindmap.pages.features import PageFeatures
from cluster.mindmap.pages.reading_order import in_reading_order
from models.mindmap.document import MindmapDocument, Node
from models.urls import page_url

_KMEANS_STARTS, _KMEANS_ITERATIONS = 10, 50
#: Sub-topics are scored in topics of at least this many pages.
_MIN_PAGES_FOR_SUBTOPICS = 7


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The known topics of a session. Keys of `topic_of`, `subtopic_of` and `is_key` are page URLs.

    `names` holds for every topic the words of which its label should contain one, lower-case; `is_key` tells the pages
    that should be the most important ones.
    """

    num_topics: int
    names: dict[str, tuple[str, ...]]
    topic_of: dict[str, str]
    subtopic_of: dict[str, str]
    is_key: dict[str, bool]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> GroundTruth:
        """The content of a `*.truth.json` file, without its noise pages. Raises `KeyError` for missing fields."""
        names = {}
        for topic in data["topics"]:
            words = tuple(word.strip().lower() for word in topic["names"].split(",") if word.strip())
            names[topic.get("id") or topic["topic"]] = words
        placed = [page for page in data["pages"] if not page.get("noise") and page.get("topic")]
        return cls(
            num_topics=int(data["k"]),
            names=names,
            topic_of={page_url(page["url"]): page["topic"] for page in placed},
            subtopic_of={page_url(page["url"]): page["subtopic"] for page in placed if page.get("subtopic")},
            is_key={page_url(page["url"]): bool(page.get("key")) for page in placed},
        )


@dataclass(frozen=True, slots=True)
class MapQuality:
    """Scores in 0..1 (`ari` may be negative), higher is better, and two numbers of topics.

    `ari` (adjusted Rand index) and `v_measure` compare the topics of the pages. `topics_recalled`: share of true topics
    that are the majority of some topic. `subtopic_v`: V-measure of the sub-topics. `label_hits`: share of labels that
    contain an expected word. `labels_ok`: share of labels that are unique and have at most four words. `importance`:
    the probability that a key page has a higher importance than another page (ROC AUC). `coverage`: share of true
    pages that are placed exactly once.
    """

    ari: float
    v_measure: float
    topics: int
    true_topics: int
    topics_recalled: float
    subtopic_v: float | None
    label_hits: float
    labels_ok: float
    importance: float | None
    coverage: float


def score_map(document: MindmapDocument, url_of: Mapping[str, str], truth: GroundTruth) -> MapQuality:
    """How well `document` agrees with `truth`; `url_of` gives the URL of every page id."""
    pages = [node for node in document.nodes if node.type == "page" and node.data.page_id is not None]
    url_of_node = {node.id: url_of[node.data.page_id or ""] for node in pages}
    topic_of = {
        url_of_node[node_id]: topic for node_id, topic in document.topic_of_pages().items() if node_id in url_of_node
    }
    parents = document.parents()
    urls = sorted(truth.topic_of)
    # A page that was not placed is a group of its own: excluding pages must not improve the score.
    predicted = [topic_of.get(url, f"not placed: {url}") for url in urls]
    expected = [truth.topic_of[url] for url in urls]
    topics = [node for node in document.nodes if node.type == "topic"]
    majority = {
        topic.id: _majority([truth.topic_of[url] for url in urls if topic_of.get(url) == topic.id]) for topic in topics
    }
    num_places = Counter(url_of_node.values())
    importance_of = {url_of_node[node.id]: node.data.importance.score for node in pages}
    return MapQuality(
        ari=round(adjusted_rand_index(expected, predicted), 4),
        v_measure=round(v_measure(expected, predicted), 4),
        topics=len(topics),
        true_topics=truth.num_topics,
        topics_recalled=round(len({name for name in majority.values() if name}) / max(1, truth.num_topics), 4),
        subtopic_v=_subtopic_v_measure(
            truth,
            {url: _part_of_topic(node_id, topic_of.get(url), parents) for node_id, url in url_of_node.items()},
        ),
        label_hits=_mean([_label_contains(t.label, truth.names.get(majority[t.id] or "", ())) for t in topics]),
        labels_ok=_mean([_is_good_label(topic, topics) for topic in topics]),
        importance=_roc_auc([(importance_of.get(url, 0.0), truth.is_key[url]) for url in urls]),
        coverage=_mean([num_places[url] == 1 for url in urls]) if urls else 1.0,
    )


def _mean(values: Sequence[bool]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def _is_good_label(topic: Node, topics: Sequence[Node]) -> bool:
    num_same = sum(1 for other in topics if other.label == topic.label)
    return len(topic.label.split()) <= 4 and len(topic.label) <= 40 and num_same == 1


def _part_of_topic(page: str, topic: str | None, parents: Mapping[str, str]) -> str:
    """The sub-topic directly below `topic` that a page of it is in, at any depth; the topic if it is in none."""
    part = parents[page]
    while topic not in (part, parents[part]):
        part = parents[part]
    return part


def _subtopic_v_measure(truth: GroundTruth, parent_of: Mapping[str, str]) -> float | None:
    """Mean V-measure of the sub-topics inside each true topic that has several; None if there is no such topic."""
    scores = []
    for topic in sorted(set(truth.topic_of.values())):
        urls = [url for url in sorted(truth.topic_of) if url in truth.subtopic_of and truth.topic_of[url] == topic]
        expected = [truth.subtopic_of[url] for url in urls]
        if len(urls) >= _MIN_PAGES_FOR_SUBTOPICS and len(set(expected)) > 1:
            scores.append(v_measure(expected, [parent_of.get(url, url) for url in urls]))
    return round(sum(scores) / len(scores), 4) if scores else None


def _majority(values: Sequence[str]) -> str | None:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value)) if counts else None


def _label_contains(label: str, words: Sequence[str]) -> bool:
    return any(word in label.lower() for word in words)


def _roc_auc(scored: Sequence[tuple[float, bool]]) -> float | None:
    """The probability that a key page scores higher than another page, ties as one half; None without both kinds."""
    keys = [score for score, is_key in scored if is_key]
    others = [score for score, is_key in scored if not is_key]
    if not keys or not others:
        return None
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in keys for b in others)
    return round(wins / (len(keys) * len(others)), 4)


def v_measure(expected: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """V-measure (Rosenberg and Hirschberg 2007): the harmonic mean of homogeneity and completeness, in 0..1.

    Raises `ValueError` for sequences of different lengths.
    """
    num = len(expected)
    if not num:
        return 1.0
    joint = Counter(zip(expected, predicted, strict=True))
    classes, groups = Counter(expected), Counter(predicted)

    def entropy(counts: Counter[Any]) -> float:
        return -sum(n / num * math.log(n / num) for n in counts.values())

    classes_given_groups = -sum(n / num * math.log(n / groups[group]) for (_, group), n in joint.items())
    groups_given_classes = -sum(n / num * math.log(n / classes[label]) for (label, _), n in joint.items())
    homogeneity = 1.0 if len(classes) == 1 else 1 - classes_given_groups / entropy(classes)
    completeness = 1.0 if len(groups) == 1 else 1 - groups_given_classes / entropy(groups)
    total = homogeneity + completeness
    return 2 * homogeneity * completeness / total if total else 0.0


def baseline_scores(features: Sequence[PageFeatures], truth: GroundTruth) -> dict[str, float]:
    """The adjusted Rand index of three simple groupings of the same pages.

    By host; by pauses of 30 minutes; and by spherical k-means on TF-IDF with the true number of topics (the best of ten
    seeded starts by its own criterion).
    """
    pages = [page for page in in_reading_order(features) if page_url(page.url) in truth.topic_of]
    expected = [truth.topic_of[page_url(page.url)] for page in pages]
    groupings: dict[str, Sequence[Hashable]] = {
        "host": [page.host for page in pages],
        "gap_30_min": _group_by_gap(pages),
        "tfidf_kmeans": _group_by_kmeans(pages, truth.num_topics),
    }
    return {name: round(adjusted_rand_index(expected, groups), 4) for name, groups in groupings.items()}


def _group_by_gap(pages: Sequence[PageFeatures], gap_ms: int = 30 * 60_000) -> list[int]:
    """The number of gaps before the first visit of each page."""
    group, groups, previous_at = 0, [], None
    for page in pages:
        visited_at = page.visited_at_ms[0] if page.visited_at_ms else 0
        if previous_at is not None and visited_at - previous_at > gap_ms:
            group += 1
        groups.append(group)
        previous_at = visited_at
    return groups


def _group_by_kmeans(pages: Sequence[PageFeatures], num_groups: int) -> list[int]:
    vectors = _tf_idf_vectors(pages)
    best_score, best_groups = -math.inf, list[int]()
    for seed in range(_KMEANS_STARTS):
        random = np.random.default_rng(seed)
        centres = vectors[random.choice(len(pages), min(num_groups, len(pages)), replace=False)]
        groups = _spherical_kmeans(vectors, centres)
        score = round(float((vectors @ centres.T).max(axis=1).sum()), 9)
        if score > best_score:
            best_score, best_groups = score, groups.tolist()
    return best_groups


def _tf_idf_vectors(pages: Sequence[PageFeatures]) -> FloatArray:
    """TF-IDF vectors of length 1 (pages x terms), without terms of a single page."""
    corpus = build_corpus(pages)
    df = np.bincount(corpus.cols, minlength=corpus.num_cluster_terms)
    vectors = np.zeros((len(pages), corpus.num_cluster_terms))
    vectors[corpus.rows, corpus.cols] = corpus.tf * np.log((1 + len(pages)) / (1 + df[corpus.cols]))
    vectors = vectors[:, df >= 2]
    normalized: FloatArray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return normalized


def _spherical_kmeans(vectors: FloatArray, centres: FloatArray) -> IntArray:
    """The group of every vector; `centres` (groups x terms) is updated in place."""
    groups = np.zeros(len(vectors), dtype=np.int64)
    for iteration in range(_KMEANS_ITERATIONS):
        nearest = (vectors @ centres.T).argmax(axis=1)
        if iteration and (nearest == groups).all():
            break
        groups = nearest
        for group in range(len(centres)):
            if (groups == group).any():
                centre = vectors[groups == group].mean(axis=0)
                centres[group] = centre / max(float(np.linalg.norm(centre)), 1e-12)
    return groups
