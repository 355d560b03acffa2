"""Which groups of pages are parts of one subject, and how many parts a topic has. Affinities are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cluster.mindmap.clustering.communities import (
    DEFAULT_OPTIONS,
    LARGEST_MAX_SUBTOPICS,
    MAX_SUBTOPICS,
    find_subtopics,
    find_topics,
)
from cluster.mindmap.clustering.corpus import FloatArray


def _blocks(sizes: list[int], inside: float, between: float) -> FloatArray:
    """The affinity of groups of pages: `inside` each group, and `between` the first two; of the others .03."""
    number = np.repeat(np.arange(len(sizes)), sizes)
    affinity = np.where(number[:, None] == number[None, :], inside, 0.03)
    first_two = (number[:, None] + number[None, :] == 1) & (number[:, None] != number[None, :])
    affinity = np.where(first_two, between, affinity)
    np.fill_diagonal(affinity, 0.0)
    return affinity


@pytest.mark.parametrize(
    ("sizes", "inside", "between", "num_topics"),
    [
        ([4, 3], 0.4, 0.17, 1),  # Chapters of one subject.
        ([4, 3], 0.4, 0.13, 2),  # Two subjects.
        ([3, 3], 0.7, 0.17, 2),  # Much nearer inside: titles that share a phrase.
        ([4, 3, 4], 0.4, 0.17, 2),
    ],
)
def test_parts_of_one_subject_are_one_topic_in_a_session_of_few_groups(
    sizes: list[int], inside: float, between: float, num_topics: int
) -> None:
    affinity = _blocks(sizes, inside, between)
    assert int(find_topics(affinity, affinity).max()) + 1 == num_topics


@pytest.mark.parametrize(
    ("affinities", "num_topics"),
    [
        # Two pages, and three, that a word joins by chance.
        ([[0.1]], 2),
        ([[0.12], [0.1, 0.13]], 3),
        # Two pages of one subject, with a third that has little to do with them, and without.
        ([[0.3], [0.1, 0.12]], 2),
        ([[0.16]], 1),
    ],
)
def test_what_is_near_to_no_other_page_is_no_topic_of_two_or_three_pages(
    affinities: list[list[float]], num_topics: int
) -> None:
    affinity = _blocks([4, 4, len(affinities) + 1], 0.4, 0.05)
    for row, values in enumerate(affinities, 9):
        affinity[row, 8 : 8 + len(values)] = affinity[8 : 8 + len(values), row] = values
    # They are a group at first: nearer to each other than to the others.
    assert int(find_topics(affinity, affinity).max()) + 1 == 2 + num_topics
    # Where there are as many topics as a map shows, pages without a topic of their own stay together.
    most = find_topics(affinity, affinity, replace(DEFAULT_OPTIONS, max_topics=3))
    assert int(most.max()) + 1 == 3


@pytest.mark.parametrize(
    ("num_parts", "pages_each", "num_subtopics"),
    [(10, 6, MAX_SUBTOPICS), (10, 12, 10), (20, 12, LARGEST_MAX_SUBTOPICS)],
)
def test_a_topic_of_more_pages_has_more_sub_topics(num_parts: int, pages_each: int, num_subtopics: int) -> None:
    groups = find_subtopics(_blocks([pages_each] * num_parts, 0.5, 0.03))
    assert groups is not None
    assert int(groups.max()) + 1 == num_subtopics
