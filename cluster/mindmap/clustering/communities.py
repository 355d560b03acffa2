"""Topics as communities of a nearest-neighbour graph, found by the Louvain method.

Louvain (Blondel, Guillaume, Lambiotte and Lefebvre 2008, "Fast unfolding of communities in large networks") chooses
the number of communities itself. Nodes are visited in a fixed order, so that the same graph gives the same topics.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cluster.mindmap.clustering.corpus import FloatArray, IntArray

#: Resolution of the modularity (Reichardt and Bornholdt 2006): higher values give smaller communities.
TOPIC_RESOLUTION, SUBTOPIC_RESOLUTION = 1.0, 1.8
#: Groups are merged when their similarity to each other is at least this share of the similarity inside them.
TOPIC_MERGE_RATIO, SUBTOPIC_MERGE_RATIO = 0.75, 1.0
MAX_TOPICS = 24
#: A topic has at most six sub-topics, and one more for every so many pages from there on.
MAX_SUBTOPICS, LARGEST_MAX_SUBTOPICS, PAGES_PER_SUBTOPIC = 6, 16, 12
MIN_PAGES_FOR_SUBTOPICS, MIN_SUBTOPIC_MODULARITY = 6, 0.02
#: A sub-topic of so many pages is divided again, and so many are below one that is put above others.
MIN_PAGES_FOR_THIRD_LEVEL = 24


#: The scale of affinities is the same in every session: pages of one subject have .3 in the mean, of two subjects .08.
#: Groups are merged from this mean affinity on, whatever is inside them …
MERGE_AFFINITY = 0.2
#: … and from this share of the lower affinity inside them, if it is not below what unrelated pages have.
MERGE_SHARE, MIN_MERGE_AFFINITY = 0.75, 0.08
#: In a session with so few groups, parts of one subject (chapters, two towns, two products) are as near as this, also
#: as a share of the lower affinity inside them; two subjects hardly ever are.
FEW_GROUPS, FEW_GROUPS_MERGE_AFFINITY, FEW_GROUPS_MERGE_SHARE = 3, 0.155, 0.32
#: Means over many pages are reliable: two groups of so many pages each are merged only if they are as near as this.
LARGE_GROUP, LARGE_MERGE_SHARE = 6, 0.8
#: Parts of a group that are less near to each other than this are different subjects.
SPLIT_AFFINITY, SPLIT_RESOLUTION = 0.12, 1.2
#: The same for two or three pages, of which each is a group at first: of a whole session, and of a group in it.
FEW_PAGES_AFFINITY = 0.14
#: Of three pages, the nearest two are one subject below that, too, when they are so much nearer than any other two.
MIN_PAIR_AFFINITY, PAIR_RATIO = 0.08, 1.5
#: A page that is nearer to no group than this is a topic of its own.
MIN_JOIN_SIMILARITY = 0.15
#: Similarities up to this are chance, and no edges of the graph.
CHANCE_SIMILARITY = 0.08
_MAX_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class TopicOptions:
    """What an experiment may change: the resolution of the communities, when they are merged, and how many remain."""

    topic_resolution: float = TOPIC_RESOLUTION
    merge_affinity: float = MERGE_AFFINITY
    max_topics: float = MAX_TOPICS


DEFAULT_OPTIONS = TopicOptions()


def find_topics(
    similarity: FloatArray, affinity: FloatArray | None = None, options: TopicOptions = DEFAULT_OPTIONS
) -> IntArray:
    """The topic number of every page, numbered by first appearance.

    `similarity` is a symmetric matrix (pages x pages) in reading order. `affinity` is known where the pages have
    vectors of their meaning: what is comparable between sessions, so that it tells one subject from two. Without it,
    fewer than four pages are one topic.
    """
    if affinity is not None:
        return _topics_by_affinity(similarity, affinity, options)
    num_pages = len(similarity)
    if num_pages < 4:
        return np.zeros(num_pages, dtype=np.int64)
    graph = nearest_neighbour_graph(similarity, min(8, max(2, num_pages // 3)))
    groups = louvain(graph, options.topic_resolution)
    groups = reassign_singletons(similarity, groups)
    return renumber(merge_similar_groups(similarity, groups, TOPIC_MERGE_RATIO, int(options.max_topics)))


def _topics_by_affinity(similarity: FloatArray, affinity: FloatArray, options: TopicOptions) -> IntArray:
    """Communities, without those that hold unrelated parts, merged while they are near each other."""
    num_pages = len(similarity)
    if num_pages < 4:
        return _merge_related(affinity, _nearest_pair(affinity))
    groups = _split_unrelated_parts(affinity, louvain(_graph_above_chance(similarity), options.topic_resolution))
    groups = renumber(reassign_singletons(similarity, groups, MIN_JOIN_SIMILARITY))
    groups = renumber(_merge_near_groups(affinity, groups, options))
    return _without_unrelated_pairs(affinity, groups, int(options.max_topics))


def _without_unrelated_pairs(affinity: FloatArray, groups: IntArray, max_groups: int) -> IntArray:
    """`groups` without those of two or three pages that would be no topic if they were the whole session.

    What no other page is near to ends in such groups, by a word or a neighbour in time that two pages share by chance.
    They stay where there would be more than `max_groups`.
    """
    divided, num_groups = groups.copy(), int(groups.max()) + 1
    for group in range(num_groups):
        members = np.nonzero(groups == group)[0]
        if not 2 <= len(members) <= 3:
            continue
        parts = _merge_related(affinity[np.ix_(members, members)], np.arange(len(members)))
        if num_groups + int(parts.max()) <= max_groups:
            divided[members] = np.where(parts > 0, num_groups - 1 + parts, group)
            num_groups += int(parts.max())
    return renumber(divided)


def _merge_related(affinity: FloatArray, groups: IntArray) -> IntArray:
    """Groups of a handful of pages, merged while they are related."""
    return renumber(_merge_while(affinity, groups, lambda between, _inside, _size: between / FEW_PAGES_AFFINITY))


def _nearest_pair(affinity: FloatArray) -> IntArray:
    """Groups of single pages; of three, two pages are one group when they are much nearer than any other two."""
    alone = np.arange(len(affinity))
    if len(affinity) != 3:
        return alone
    pairs = sorted(((float(affinity[a, b]), -a, -b) for a, b in ((0, 1), (0, 2), (1, 2))), reverse=True)
    (nearest, first, second), (next_nearest, _, _) = pairs[:2]
    if nearest >= MIN_PAIR_AFFINITY and nearest >= PAIR_RATIO * next_nearest:
        alone[-second] = -first
    return renumber(alone)


def _graph_above_chance(similarity: FloatArray) -> FloatArray:
    num_neighbours = min(_MAX_NEIGHBOURS, len(similarity) - 1)
    return nearest_neighbour_graph(np.maximum(similarity - CHANCE_SIMILARITY, 0.0), num_neighbours)


def _split_unrelated_parts(affinity: FloatArray, groups: IntArray) -> IntArray:
    """`groups` divided where their parts are unrelated.

    Modularity joins small communities of a large graph (Fortunato and Barthelemy 2007, "Resolution limit").
    """
    divided = np.zeros(len(groups), dtype=np.int64)
    num_groups = 0
    for group in range(int(groups.max()) + 1):
        members = np.nonzero(groups == group)[0]
        parts = np.zeros(len(members), dtype=np.int64)
        if len(members) >= 4:
            inside = affinity[np.ix_(members, members)]
            parts = reassign_singletons(inside, louvain(_graph_above_chance(inside), SPLIT_RESOLUTION))
            parts = renumber(
                _merge_while(inside, renumber(parts), lambda between, _inside, _size: between / SPLIT_AFFINITY)
            )
        divided[members] = parts + num_groups
        num_groups += int(parts.max()) + 1
    return divided


def _merge_near_groups(affinity: FloatArray, groups: IntArray, options: TopicOptions) -> IntArray:
    def nearness(between: float, inside: float, size: int) -> float:
        if size >= LARGE_GROUP:
            return between / max(LARGE_MERGE_SHARE * inside, MIN_MERGE_AFFINITY)
        return max(between / options.merge_affinity, between / max(MERGE_SHARE * inside, MIN_MERGE_AFFINITY))

    def nearness_of_few(between: float, inside: float, size: int) -> float:
        least = max(FEW_GROUPS_MERGE_AFFINITY, FEW_GROUPS_MERGE_SHARE * inside)
        is_pair_of_groups = 1 < size < LARGE_GROUP
        return max(between / least if is_pair_of_groups else 0.0, nearness(between, inside, size))

    groups = renumber(_merge_while(affinity, groups, nearness, int(options.max_topics)))
    is_of_few = len(groups) > 0 and int(groups.max()) < FEW_GROUPS
    return _merge_while(affinity, groups, nearness_of_few) if is_of_few else groups


def _merge_while(
    affinity: FloatArray,
    groups: IntArray,
    nearness: Callable[[float, float, int], float],
    max_groups: int | None = None,
) -> IntArray:
    """Merge the nearest two groups while they are near (1 or more), or while there are more than `max_groups`.

    `nearness` is given the mean affinity between two groups, the lower one inside them (1 for single pages), and the
    number of pages of the smaller group.
    """

    def nearest_pair(remaining: list[int], sums: FloatArray, sizes: FloatArray) -> tuple[float, int, int]:
        inside = {g: sums[g, g] / (sizes[g] * (sizes[g] - 1)) if sizes[g] > 1 else 1.0 for g in remaining}
        best: tuple[float, int, int] = (-math.inf, 0, 0)
        for x, a in enumerate(remaining):
            for b in remaining[x + 1 :]:
                between = float(sums[a, b] / (sizes[a] * sizes[b]))
                value = round(nearness(between, min(inside[a], inside[b]), int(min(sizes[a], sizes[b]))), 9)
                if value > best[0]:
                    best = (value, a, b)
        return best

    return _merge_pairs(affinity, groups, nearest_pair, 1.0, max_groups)


def _merge_pairs(
    similarity: FloatArray,
    groups: IntArray,
    nearest_pair: Callable[[list[int], FloatArray, FloatArray], tuple[float, int, int]],
    threshold: float,
    max_groups: int | None,
) -> IntArray:
    """Merge the nearest pair of groups until it is below `threshold` and at most `max_groups` (None: any) remain.

    `nearest_pair` is given the remaining groups, the sums of similarities between groups (groups x groups), and the
    numbers of pages; it returns how near the pair is, and the pair.
    """
    groups = renumber(groups)
    num_groups = int(groups.max()) + 1 if len(groups) else 0
    membership = np.zeros((num_groups, len(groups)))
    membership[groups, np.arange(len(groups))] = 1.0
    sums = membership @ similarity @ membership.T
    sizes = membership.sum(axis=1)
    remaining = list(range(num_groups))
    while len(remaining) > 1:
        nearness, a, b = nearest_pair(remaining, sums, sizes)
        if nearness < threshold and (max_groups is None or len(remaining) <= max_groups):
            break
        sums[a] += sums[b]
        sums[:, a] += sums[:, b]
        sizes[a] += sizes[b]
        groups[groups == b] = a
        remaining.remove(b)
    return groups


def find_subtopics(similarity: FloatArray) -> IntArray | None:
    """The sub-topic number of every page of one topic, or None when the topic has no clear parts."""
    num_pages = len(similarity)
    if num_pages < MIN_PAGES_FOR_SUBTOPICS:
        return None
    graph = nearest_neighbour_graph(similarity, max(3, min(6, num_pages // 4)))
    groups = louvain(graph, SUBTOPIC_RESOLUTION)
    groups = reassign_singletons(similarity, groups)
    max_subtopics = min(LARGEST_MAX_SUBTOPICS, max(MAX_SUBTOPICS, num_pages // PAGES_PER_SUBTOPIC))
    groups = renumber(merge_similar_groups(similarity, groups, SUBTOPIC_MERGE_RATIO, max_subtopics))
    if groups.max() < 1 or modularity(graph, groups) < MIN_SUBTOPIC_MODULARITY:
        return None
    return groups


def nearest_neighbour_graph(similarity: FloatArray, num_neighbours: int) -> FloatArray:
    """The symmetric graph that joins two pages when either is among the `num_neighbours` nearest of the other.

    Edge weights are the similarities, negative ones as 0 (pages x pages).
    """
    num_pages = len(similarity)
    k = min(num_neighbours, num_pages - 1)
    # A stable sort of negated values breaks ties in reading order.
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : k + 1]
    is_joined = np.zeros((num_pages, num_pages), dtype=bool)
    for i in range(num_pages):
        neighbours = [j for j in nearest[i] if j != i][:k]
        is_joined[i, neighbours] = True
    is_joined |= is_joined.T
    return np.where(is_joined, np.maximum(similarity, 0.0), 0.0)


def louvain(graph: FloatArray, resolution: float) -> IntArray:
    """The community number of every node, by the Louvain method in fixed node order."""
    num_nodes = len(graph)
    total = float(graph.sum())
    membership = np.arange(num_nodes)
    if total <= 0:
        return membership
    neighbours: list[dict[int, float]] = []
    for i in range(num_nodes):
        linked = np.nonzero(graph[i])[0]
        neighbours.append(dict(zip(linked.tolist(), graph[i, linked].tolist(), strict=True)))
    while True:
        groups = _move_nodes(neighbours, resolution, total)
        if len(set(groups)) == len(neighbours):
            return membership
        dense = renumber(np.array(groups, dtype=np.int64))
        membership = dense[membership]
        neighbours = _aggregate(neighbours, dense)


#: Bounds the work on a graph on which the moves do not settle.
_MAX_SWEEPS = 50


def _move_nodes(neighbours: list[dict[int, float]], resolution: float, total: float) -> list[int]:
    """Phase 1 of Louvain: move single nodes to the neighbouring group with the largest gain until none gains."""
    degree = [sum(links.values()) for links in neighbours]
    group = list(range(len(neighbours)))
    group_degree = list(degree)
    for _ in range(_MAX_SWEEPS):
        has_moved = False
        for node, links in enumerate(neighbours):
            current = group[node]
            group_degree[current] -= degree[node]
            weight_to: dict[int, float] = {current: 0.0}
            for other, weight in links.items():
                if other != node:
                    weight_to[group[other]] = weight_to.get(group[other], 0.0) + weight
            best, best_gain = current, weight_to[current] - resolution * degree[node] * group_degree[current] / total
            for candidate in sorted(weight_to):
                gain = weight_to[candidate] - resolution * degree[node] * group_degree[candidate] / total
                if gain > best_gain + 1e-12:
                    best, best_gain = candidate, gain
            group_degree[best] += degree[node]
            if best != current:
                group[node] = best
                has_moved = True
        if not has_moved:
            break
    return group


def _aggregate(neighbours: list[dict[int, float]], groups: IntArray) -> list[dict[int, float]]:
    """Phase 2 of Louvain: the graph whose nodes are the groups, with summed weights."""
    merged: list[dict[int, float]] = [{} for _ in range(int(groups.max()) + 1)]
    for node, links in enumerate(neighbours):
        row = merged[int(groups[node])]
        for other, weight in links.items():
            target = int(groups[other])
            row[target] = row.get(target, 0.0) + weight
    return merged


def modularity(graph: FloatArray, groups: IntArray) -> float:
    """Modularity (Newman and Girvan 2004) of a grouping of `graph`, at resolution 1."""
    total = float(graph.sum())
    if total <= 0:
        return 0.0
    degree = graph.sum(axis=1)
    inside = sum(float(graph[np.ix_(groups == g, groups == g)].sum()) for g in range(int(groups.max()) + 1))
    expected = sum(float(degree[groups == g].sum()) ** 2 for g in range(int(groups.max()) + 1))
    return inside / total - expected / total**2


def reassign_singletons(similarity: FloatArray, groups: IntArray, min_similarity: float | None = None) -> IntArray:
    """Assign every page that is a group of its own to the most similar group, by its three most similar pages.

    A page that is less similar than `min_similarity` stays alone. Without that number, all pages become one group when
    no group has two pages.
    """
    groups = groups.copy()
    sizes = np.bincount(groups)
    singletons = [i for i in range(len(groups)) if sizes[groups[i]] == 1]
    larger_groups = [g for g in range(len(sizes)) if sizes[g] >= 2]
    if not larger_groups:
        return np.zeros(len(groups), dtype=np.int64) if min_similarity is None else groups
    members = {g: np.nonzero(groups == g)[0] for g in larger_groups}
    for i in singletons:
        nearest, negative = max((float(np.sort(similarity[i, members[g]])[-3:].mean()), -g) for g in larger_groups)
        if min_similarity is None or nearest >= min_similarity:
            groups[i] = -negative
    return groups


def merge_similar_groups(similarity: FloatArray, groups: IntArray, threshold: float, max_groups: int) -> IntArray:
    """Merge groups that are nearly as similar to each other as they are inside, most similar first.

    Merging continues below `threshold` (a ratio of similarities) until at most `max_groups` remain.
    """
    return _merge_pairs(similarity, groups, _most_similar_pair, threshold, max_groups)


def _most_similar_pair(remaining: list[int], sums: FloatArray, sizes: FloatArray) -> tuple[float, int, int]:
    """The pair of groups with the highest ratio of mean similarity between them to the lower one inside them."""
    inside = {g: sums[g, g] / max(sizes[g] * (sizes[g] - 1), 1.0) for g in remaining}
    best: tuple[float, int, int] = (-math.inf, 0, 0)
    for x, a in enumerate(remaining):
        for b in remaining[x + 1 :]:
            between = sums[a, b] / (sizes[a] * sizes[b])
            ratio = round(between / max(min(inside[a], inside[b]), 1e-9), 9)
            if ratio > best[0]:
                best = (ratio, a, b)
    return best


def renumber(groups: IntArray) -> IntArray:
    """The same grouping, numbered 0, 1, 2 … by first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    renumbered: IntArray = rank[inverse]
    return renumbered
