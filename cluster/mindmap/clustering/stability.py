"""Whether the topics would still be there had some pages not been read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb

import numpy as np

from cluster.mindmap.clustering.communities import find_topics
from cluster.mindmap.clustering.corpus import FloatArray, IntArray

NUM_FOLDS, MIN_PAGES, MAX_PAGES = 4, 8, 700


def topic_stability(similarity: FloatArray, topics: IntArray) -> float | None:
    """Mean agreement (adjusted Rand index, floored at 0) of the topics with those found when every tenth page, from
    four different starts, is withheld. None for sessions too small to tell or too large to try in time."""
    num_pages = len(topics)
    if not MIN_PAGES <= num_pages <= MAX_PAGES:
        return None
    agreements = []
    for fold in range(NUM_FOLDS):
        kept = np.array([i for i in range(num_pages) if i % 10 != fold], dtype=np.int64)
        again = find_topics(similarity[np.ix_(kept, kept)])
        agreements.append(max(0.0, adjusted_rand_index(topics[kept].tolist(), again.tolist())))
    return round(sum(agreements) / len(agreements), 4)


def adjusted_rand_index(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """Agreement of two groupings of the same things: 1 for equal, about 0 for chance."""
    both = sum(comb(n, 2) for n in Counter(zip(one, other, strict=True)).values())
    in_one = sum(comb(n, 2) for n in Counter(one).values())
    in_other = sum(comb(n, 2) for n in Counter(other).values())
    pairs = comb(len(one), 2)
    if not pairs:
        return 1.0
    expected, most = in_one * in_other / pairs, (in_one + in_other) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)
