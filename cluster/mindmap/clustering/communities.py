"""Finding the topics: communities among each page's nearest pages. Deterministic, and it chooses their number."""

from __future__ import annotations

import numpy as np

from cluster.mindmap.clustering.corpus import FloatArray, IntArray

TOPIC_RESOLUTION, SUBTOPIC_RESOLUTION = 1.0, 1.8
TOPIC_MERGE_RATIO, SUBTOPIC_MERGE_RATIO = 0.75, 1.0
MAX_TOPICS, MAX_SUBTOPICS = 10, 6
MIN_PAGES_FOR_SUBTOPICS, MIN_SUBTOPIC_MODULARITY = 6, 0.02


def find_topics(similarity: FloatArray, max_topics: int = MAX_TOPICS) -> IntArray:
    """The topic number of every page, numbered by first appearance. Fewer than four pages are one topic."""
    num_pages = len(similarity)
    if num_pages < 4:
        return np.zeros(num_pages, dtype=np.int64)
    graph = nearest_neighbour_graph(similarity, min(8, max(2, num_pages // 3)))
    groups = louvain(graph, TOPIC_RESOLUTION)
    groups = reassign_singletons(similarity, groups)
    return renumber(merge_similar_groups(similarity, groups, TOPIC_MERGE_RATIO, max_topics))


def find_subtopics(similarity: FloatArray) -> IntArray | None:
    """Sub-topic numbers inside one topic, or None when it has no clear parts."""
    num_pages = len(similarity)
    if num_pages < MIN_PAGES_FOR_SUBTOPICS:
        return None
    graph = nearest_neighbour_graph(similarity, max(3, min(6, num_pages // 4)))
    groups = louvain(graph, SUBTOPIC_RESOLUTION)
    groups = reassign_singletons(similarity, groups)
    groups = renumber(merge_similar_groups(similarity, groups, SUBTOPIC_MERGE_RATIO, MAX_SUBTOPICS))
    if groups.max() < 1 or modularity(graph, groups) < MIN_SUBTOPIC_MODULARITY:
        return None
    return groups


def nearest_neighbour_graph(similarity: FloatArray, num_neighbours: int) -> FloatArray:
    """The symmetric graph in which two pages are joined when either is among the other's nearest."""
    num_pages = len(similarity)
    k = min(num_neighbours, num_pages - 1)
    # Ties go to the page read first: a stable sort on negated values keeps index order.
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : k + 1]
    joined = np.zeros((num_pages, num_pages), dtype=bool)
    for i in range(num_pages):
        mine = [j for j in nearest[i] if j != i][:k]
        joined[i, mine] = True
    joined |= joined.T
    return np.where(joined, np.maximum(similarity, 0.0), 0.0)


def louvain(graph: FloatArray, resolution: float) -> IntArray:
    """Communities by the Louvain method in fixed node order: the same graph gives the same answer."""
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


def _move_nodes(neighbours: list[dict[int, float]], resolution: float, total: float) -> list[int]:
    degree = [sum(links.values()) for links in neighbours]
    group = list(range(len(neighbours)))
    weight_of = list(degree)
    for _ in range(50):
        moved = False
        for node, links in enumerate(neighbours):
            mine = group[node]
            weight_of[mine] -= degree[node]
            towards: dict[int, float] = {mine: 0.0}
            for other, weight in links.items():
                if other != node:
                    towards[group[other]] = towards.get(group[other], 0.0) + weight
            best, best_gain = mine, towards[mine] - resolution * degree[node] * weight_of[mine] / total
            for candidate in sorted(towards):
                gain = towards[candidate] - resolution * degree[node] * weight_of[candidate] / total
                if gain > best_gain + 1e-12:
                    best, best_gain = candidate, gain
            weight_of[best] += degree[node]
            if best != mine:
                group[node] = best
                moved = True
        if not moved:
            break
    return group


def _aggregate(neighbours: list[dict[int, float]], groups: IntArray) -> list[dict[int, float]]:
    merged: list[dict[int, float]] = [{} for _ in range(int(groups.max()) + 1)]
    for node, links in enumerate(neighbours):
        row = merged[int(groups[node])]
        for other, weight in links.items():
            target = int(groups[other])
            row[target] = row.get(target, 0.0) + weight
    return merged


def modularity(graph: FloatArray, groups: IntArray) -> float:
    """Newman's modularity of a grouping of `graph`, at resolution 1."""
    total = float(graph.sum())
    if total <= 0:
        return 0.0
    degree = graph.sum(axis=1)
    inside = sum(float(graph[np.ix_(groups == g, groups == g)].sum()) for g in range(int(groups.max()) + 1))
    expected = sum(float(degree[groups == g].sum()) ** 2 for g in range(int(groups.max()) + 1))
    return inside / total - expected / total**2


def reassign_singletons(similarity: FloatArray, groups: IntArray) -> IntArray:
    """Give every page that is alone to the group whose three closest pages are closest to it."""
    groups = groups.copy()
    sizes = np.bincount(groups)
    lonely = [i for i in range(len(groups)) if sizes[groups[i]] == 1]
    homes = [g for g in range(len(sizes)) if sizes[g] >= 2]
    if not homes:
        return np.zeros(len(groups), dtype=np.int64)
    members = {g: np.nonzero(groups == g)[0] for g in homes}
    for i in lonely:
        groups[i] = max(homes, key=lambda g: (float(np.sort(similarity[i, members[g]])[-3:].mean()), -g))
    return groups


def merge_similar_groups(similarity: FloatArray, groups: IntArray, threshold: float, max_groups: int) -> IntArray:
    """Join groups that are nearly as close to each other as they are inside, and down to `max_groups` in any case."""
    groups = renumber(groups)
    num = int(groups.max()) + 1
    member = np.zeros((num, len(groups)))
    member[groups, np.arange(len(groups))] = 1.0
    sums = member @ similarity @ member.T
    sizes = member.sum(axis=1)
    alive = list(range(num))
    while len(alive) > 1:
        inside = {g: sums[g, g] / max(sizes[g] * (sizes[g] - 1), 1.0) for g in alive}
        best: tuple[float, int, int] | None = None
        for x, a in enumerate(alive):
            for b in alive[x + 1 :]:
                between = sums[a, b] / (sizes[a] * sizes[b])
                ratio = round(between / max(min(inside[a], inside[b]), 1e-9), 9)
                if best is None or ratio > best[0]:
                    best = (ratio, a, b)
        if best is None or (best[0] < threshold and len(alive) <= max_groups):
            break
        _, a, b = best
        sums[a] += sums[b]
        sums[:, a] += sums[:, b]
        sizes[a] += sizes[b]
        groups[groups == b] = a
        alive.remove(b)
    return groups


def renumber(groups: IntArray) -> IntArray:
    """The same grouping with numbers 0, 1, 2 … in order of first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    renumbered: IntArray = rank[inverse]
    return renumbered
