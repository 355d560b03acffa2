"""Stability of the topics: whether they would be found again if some pages had not been read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb

import numpy as np

from cluster.mindmap.clustering.communities import DEFAULT_OPTIONS, TopicOptions, find_topics
from cluster.mindmap.clustering.corpus import FloatArray, IntArray

NUM_FOLDS, MIN_PAGES, MAX_PAGES = 4, 8, 700


def topic_stability(
    similarity: FloatArray,
    topics: IntArray,
    affinity: FloatArray | None = None,
    options: TopicOptions = DEFAULT_OPTIONS,
) -> float | None:
    """How well the topics agree with those of the same session without every tenth page, in 0..1.

    The mean adjusted Rand index (negative values count as 0) over four different starts. None for a session too small
    to judge, or too large to cluster again in reasonable time.
    """
    num_pages = len(topics)
    if not MIN_PAGES <= num_pages <= MAX_PAGES:
        return None
    agreements = []
    for fold in range(NUM_FOLDS):
        kept = np.array([i for i in range(num_pages) if i % 10 != fold], dtype=np.int64)
        rows = np.ix_(kept, kept)
        topics_without = find_topics(similarity[rows], None if affinity is None else affinity[rows], options)
        agreements.append(max(0.0, adjusted_rand_index(topics[kept].tolist(), topics_without.tolist())))
    return round(sum(agreements) / len(agreements), 4)


def adjusted_rand_index(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Agreement of two groupings of the same items (Hubert and Arabie 1985): 1 when equal, about 0 by chance.

    `first[i]` and `second[i]` are the groups of item `i`. Raises `ValueError` for sequences of different lengths.
    """
    pairs_in_both = sum(comb(n, 2) for n in Counter(zip(first, second, strict=True)).values())
    pairs_in_first = sum(comb(n, 2) for n in Counter(first).values())
    pairs_in_second = sum(comb(n, 2) for n in Counter(second).values())
    num_pairs = comb(len(first), 2)
    if not num_pairs:
        return 1.0
    expected, maximum = pairs_in_first * pairs_in_second / num_pairs, (pairs_in_first + pairs_in_second) / 2
    return 1.0 if maximum == expected else (pairs_in_both - expected) / (maximum - expected)
