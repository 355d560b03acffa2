"""Scores of a map against an expected structure, and baselines to hold them against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.mindmap.clustering.corpus import build_corpus
from cluster.mindmap.clustering.stability import adjusted_rand_index
from cluster.mindmap.pages.features import PageFeatures
from cluster.mindmap.pages.reading_order import in_reading_order
from models.mindmap.document import MindmapDocument
from models.urls import page_url


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What a session is known to be about. Keys of `topic_of`, `subtopic_of` and `is_key` are page addresses."""

    num_topics: int
    names: dict[str, tuple[str, ...]]
    topic_of: dict[str, str]
    subtopic_of: dict[str, str]
    is_key: dict[str, bool]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> GroundTruth:
        """From a `*.truth.json` file; noise pages are not part of it."""
        names = {}
        for topic in data["topics"]:
            words = tuple(word.strip().lower() for word in topic["names"].split(",") if word.strip())
            names[topic.get("id") or topic["topic"]] = words
        placed = [page for page in data["pages"] if not page.get("noise") and page.get("topic")]
        return cls(
            num_topics=int(data["k"]),
            names=names,
            topic_of={page_url(p["url"]): p["topic"] for p in placed},
            subtopic_of={page_url(p["url"]): p["subtopic"] for p in placed if p.get("subtopic")},
            is_key={page_url(p["url"]): bool(p.get("key")) for p in placed},
        )


@dataclass(frozen=True, slots=True)
class MapQuality:
    """Scores in 0..1, higher is better, except the counts of topics.

    `ari` (adjusted Rand index) and `v_measure` compare the topics of the pages; `topics_recalled` is the share of
    true topics that are the majority of some topic found; `label_hits` the share of labels that hold one of the words
    expected of their topic's majority, `labels_ok` of those that are unique and have at most four words; `importance`
    is the chance that a key page outranks another; `coverage` the share of true pages placed exactly once.
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


def score_map(document: MindmapDocument, url_of: dict[str, str], truth: GroundTruth) -> MapQuality:
    """How well `document` agrees with `truth`; `url_of` gives the address of every page id."""
    parents = document.parents()
    nodes = {node.id: node for node in document.nodes}
    topic_of: dict[str, str] = {}
    part_of: dict[str, str] = {}
    score_of: dict[str, float] = {}
    placed: Counter[str] = Counter()
    for node in document.nodes:
        if node.type != "page" or node.data.page_id is None:
            continue
        url = url_of[node.data.page_id]
        placed[url] += 1
        part_of[url] = at = parents[node.id]
        while nodes[at].type == "subtopic":
            at = parents[at]
        topic_of[url] = at
        score_of[url] = node.data.importance.score
    urls = sorted(truth.topic_of)
    # A page that was not placed stands alone: leaving pages out must not pay.
    found = [topic_of.get(url, f"not placed: {url}") for url in urls]
    wanted = [truth.topic_of[url] for url in urls]
    topics = [node for node in document.nodes if node.type == "topic"]
    majority = {t.id: _majority([truth.topic_of[u] for u in urls if topic_of.get(u) == t.id]) for t in topics}
    labels = [topic.label for topic in topics]
    hits = [_label_contains(topic.label, truth.names.get(majority[topic.id] or "", ())) for topic in topics]
    ok = [len(t.split()) <= 4 and len(t) <= 40 and labels.count(t) == 1 for t in labels]
    nested = [url for url in urls if url in truth.subtopic_of]
    return MapQuality(
        ari=round(adjusted_rand_index(wanted, found), 4),
        v_measure=round(v_measure(wanted, found), 4),
        topics=len(topics),
        true_topics=truth.num_topics,
        topics_recalled=round(len({m for m in majority.values() if m}) / max(1, truth.num_topics), 4),
        subtopic_v=_subtopic_v_measure(truth, nested, part_of),
        label_hits=round(sum(hits) / len(hits), 4) if hits else 0.0,
        labels_ok=round(sum(ok) / len(ok), 4) if ok else 0.0,
        importance=_auc([(score_of.get(url, 0.0), truth.is_key[url]) for url in urls]),
        coverage=round(sum(1 for url in urls if placed[url] == 1) / len(urls), 4) if urls else 1.0,
    )


def _subtopic_v_measure(truth: GroundTruth, urls: Sequence[str], part_of: dict[str, str]) -> float | None:
    """Mean V-measure of the parts inside each true topic that has more than one chapter."""
    scores = []
    for topic in sorted(set(truth.topic_of.values())):
        inside = [url for url in urls if truth.topic_of[url] == topic]
        wanted = [truth.subtopic_of[url] for url in inside]
        if len(inside) >= 7 and len(set(wanted)) > 1:
            scores.append(v_measure(wanted, [part_of.get(url, url) for url in inside]))
    return round(sum(scores) / len(scores), 4) if scores else None


def _majority(values: Sequence[str]) -> str | None:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value)) if counts else None


def _label_contains(label: str, words: Sequence[str]) -> bool:
    return any(word in label.lower() for word in words)


def _auc(scored: Sequence[tuple[float, bool]]) -> float | None:
    keys = [score for score, is_key in scored if is_key]
    others = [score for score, is_key in scored if not is_key]
    if not keys or not others:
        return None
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in keys for b in others)
    return round(wins / (len(keys) * len(others)), 4)


def v_measure(wanted: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """The harmonic mean of homogeneity and completeness of `found` as a grouping of `wanted`."""
    num = len(wanted)
    if not num:
        return 1.0
    both = Counter(zip(wanted, found, strict=True))
    classes, groups = Counter(wanted), Counter(found)

    def entropy(counts: Counter[Any]) -> float:
        return -sum(n / num * math.log(n / num) for n in counts.values())

    of_class_in_group = -sum(n / num * math.log(n / groups[g]) for (_, g), n in both.items())
    of_group_in_class = -sum(n / num * math.log(n / classes[c]) for (c, _), n in both.items())
    homogeneity = 1.0 if len(classes) == 1 else 1 - of_class_in_group / entropy(classes)
    completeness = 1.0 if len(groups) == 1 else 1 - of_group_in_class / entropy(groups)
    total = homogeneity + completeness
    return 2 * homogeneity * completeness / total if total else 0.0


def baseline_scores(features: Sequence[PageFeatures], truth: GroundTruth) -> dict[str, float]:
    """ARI of simple ways to group the same pages: by host, by pauses of 30 minutes, and by k-means on plain TF-IDF
    that is told the true number of topics (the best of 10 seeded starts by its own criterion)."""
    pages = [page for page in in_reading_order(features) if page_url(page.url) in truth.topic_of]
    wanted = [truth.topic_of[page_url(page.url)] for page in pages]
    return {
        "host": round(adjusted_rand_index(wanted, [page.host for page in pages]), 4),
        "gap_30_min": round(adjusted_rand_index(wanted, _group_by_gap(pages)), 4),
        "tfidf_kmeans": round(adjusted_rand_index(wanted, _group_by_kmeans(pages, truth.num_topics)), 4),
    }


def _group_by_gap(pages: Sequence[PageFeatures], gap_ms: int = 30 * 60_000) -> list[int]:
    group, groups, last = 0, [], None
    for page in pages:
        at = page.visited_at_ms[0] if page.visited_at_ms else 0
        if last is not None and at - last > gap_ms:
            group += 1
        groups.append(group)
        last = at
    return groups


def _group_by_kmeans(pages: Sequence[PageFeatures], num_groups: int) -> list[int]:
    corpus = build_corpus(pages)
    df = np.bincount(corpus.cols, minlength=corpus.num_cluster_terms)
    matrix = np.zeros((len(pages), corpus.num_cluster_terms))
    matrix[corpus.rows, corpus.cols] = corpus.tf * np.log((1 + len(pages)) / (1 + df[corpus.cols]))
    matrix = matrix[:, df >= 2]
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    best: tuple[float, list[int]] | None = None
    for seed in range(10):
        random = np.random.default_rng(seed)
        centres = matrix[random.choice(len(pages), min(num_groups, len(pages)), replace=False)]
        groups = np.zeros(len(pages), dtype=np.int64)
        for _ in range(50):
            closeness = matrix @ centres.T
            again = closeness.argmax(axis=1)
            if (again == groups).all() and _:
                break
            groups = again
            for g in range(len(centres)):
                if (groups == g).any():
                    centre = matrix[groups == g].mean(axis=0)
                    centres[g] = centre / max(float(np.linalg.norm(centre)), 1e-12)
        score = round(float((matrix @ centres.T).max(axis=1).sum()), 9)
        if best is None or score > best[0]:
            best = (score, groups.tolist())
    return best[1] if best else []
