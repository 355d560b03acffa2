"""The stability of topics warns of pages that belong to none of them clearly."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.mindmap.clustering.stability import topic_stability

TOPICS = np.repeat([0, 1], 6)


def affinities(inside: float, between: float) -> np.ndarray:
    """Of two topics of six pages each."""
    matrix = np.where(TOPICS[:, None] == TOPICS[None, :], inside, between)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def test_topics_far_from_each_other_are_stable() -> None:
    matrix = affinities(0.4, 0.05)
    assert topic_stability(matrix, TOPICS, matrix) == 1.0


@pytest.mark.parametrize("num_between", [1, 3])
def test_each_page_between_two_topics_lowers_the_stability(num_between: int) -> None:
    matrix = affinities(0.4, 0.05)
    for page in range(num_between):
        matrix[page, 6:] = matrix[6:, page] = 0.3
    stability = topic_stability(affinities(0.4, 0.05), TOPICS, matrix)
    agreement = topic_stability(affinities(0.4, 0.05), TOPICS)
    assert stability is not None
    assert agreement == 1.0
    assert stability <= (12 - num_between) / 12 + 1e-4


def test_a_page_alone_is_firm_only_if_it_is_unrelated_to_the_others() -> None:
    matrix, topics = affinities(0.4, 0.05), TOPICS.copy()
    topics[0] = 2
    near = topic_stability(matrix, topics, matrix)
    unrelated = matrix.copy()
    unrelated[0, :] = unrelated[:, 0] = 0.01
    far = topic_stability(unrelated, topics, unrelated)
    assert near is not None
    assert far is not None
    assert near < far
