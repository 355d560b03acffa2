"""Stability of the topics: whether they would be found again without some pages, and hold their pages firmly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb

import numpy as np

from cluster.mindmap.clustering.communities import (
    DEFAULT_OPTIONS,
    FEW_PAGES_AFFINITY,
    TopicOptions,
    find_topics,
)
from cluster.mindmap.clustering.corpus import FloatArray, IntArray

NUM_FOLDS, MIN_PAGES, MAX_PAGES = 4, 8, 700
#: A page is firmly in its topic if its affinity to any other topic is lower by at least this share. On the development
#: parts of the map exam the share of such pages tells more about wrong topics than their agreement: see docs/map.md.
FIRM_MARGIN = 0.3
#: Below, a map tells its reader that topics may be wrong. On the development parts of the map exam all 12 maps below it
#: have an ARI under .8, as have 8 of the 76 others.
LOW_STABILITY = 0.75


def topic_stability(
    similarity: FloatArray,
    topics: IntArray,
    affinity: FloatArray | None = None,
    options: TopicOptions = DEFAULT_OPTIONS,
) -> float | None:
    """How well the topics agree with those of the same session without every tenth page, in 0..1.

    The mean adjusted Rand index (negative values count as 0) over four different starts. Where the pages have vectors,
    its square root times the share of the pages that are firmly in their topic, which tells more. None for a session
    too small to judge, or too large to cluster again in reasonable time.
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
    agreement = sum(agreements) / len(agreements)
    return round(agreement if affinity is None else _firm_share(affinity, topics) * agreement**0.5, 4)


def _firm_share(affinity: FloatArray, topics: IntArray) -> float:
    """The share of the pages whose mean affinity to their own topic is clearly above that to every other topic.

    A page that is a topic of its own has no affinity to it: it is firmly there if it is unrelated to all others.
    """
    num_topics = int(topics.max()) + 1
    membership = np.zeros((len(topics), num_topics))
    membership[np.arange(len(topics)), topics] = 1.0
    sums, sizes = affinity @ membership, membership.sum(axis=0)
    rows = np.arange(len(topics))
    sizes_of_own = sizes[topics]
    own = np.where(sizes_of_own > 1, sums[rows, topics] / np.maximum(sizes_of_own - 1, 1), FEW_PAGES_AFFINITY)
    others = sums / sizes
    others[rows, topics] = 0.0
    nearest_other = others.max(axis=1)
    is_firm = np.round(nearest_other, 9) <= np.round((1 - FIRM_MARGIN) * own, 9)
    return float(np.count_nonzero(is_firm)) / len(topics)


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
