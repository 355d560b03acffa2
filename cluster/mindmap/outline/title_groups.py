"""Parts of a large topic whose titles name them: pages that share a phrase of their titles and are near each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.mindmap.clustering.corpus import FloatArray, IntArray
from cluster.mindmap.outline.phrases import PhraseIndex

MIN_TOPIC_PAGES, MIN_GROUP_PAGES = 8, 3
#: A phrase in more of the titles is what the topic is about, not a part of it.
MAX_TITLE_SHARE = 0.5
#: The pages of a part are so many times as similar to each other as to the rest of the topic.
MIN_COHESION = 1.3


def find_title_groups(
    index: PhraseIndex, text: FloatArray, topic: IntArray, free: Sequence[int], avoid: frozenset[str]
) -> list[IntArray]:
    """Groups of the pages `free`, a part of `topic`, that a phrase of their titles names; largest first.

    `text` is the text similarity of all pages; `topic` and `free` are rows. Phrases with words of `avoid` name no part.
    """
    if len(topic) < MIN_TOPIC_PAGES:
        return []
    pages_of_phrase = index.pages_of_title_phrases(free)
    found: list[tuple[int, float, int, IntArray]] = []
    for key, rows in pages_of_phrase.items():
        is_of_size = MIN_GROUP_PAGES <= len(rows) <= MAX_TITLE_SHARE * len(topic)
        if is_of_size and index.is_standalone_noun(key) and not avoid.intersection(index.terms(key)):
            members = np.array(rows, dtype=np.int64)
            nearness = cohesion(text, members, topic)
            if nearness >= MIN_COHESION:
                found.append((len(rows), nearness, key, members))
    found.sort(key=lambda group: (-group[0], -group[1], group[2]))
    groups: list[IntArray] = []
    used: set[int] = set()
    for _, _, _, members in found:
        if not used.intersection(members.tolist()):
            groups.append(members)
            used.update(members.tolist())
    return groups


def cohesion(text: FloatArray, members: IntArray, topic: IntArray) -> float:
    """The mean similarity among `members`, as a multiple of that to the other pages of the topic."""
    others = np.setdiff1d(topic, members)
    inside = float(text[np.ix_(members, members)].sum()) / (len(members) * (len(members) - 1))
    outside = float(text[np.ix_(members, others)].mean())
    return round(inside / max(outside, 1e-6), 6)
