"""The similarity of texts: products of weights, summed term by term, whichever way the sum is computed."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.mindmap.clustering import similarity
from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray, build_corpus
from cluster.mindmap.pages.features import page_features
from models.recording.pages import CapturedPage
from models.urls import page_id


def corpus_of(num_pages: int, seed: int) -> Corpus:
    """Pages with words of very different frequency: some on nearly all pages, most on a few."""
    rng = np.random.default_rng(seed)
    pages = []
    for i in range(num_pages):
        words = [f"rare{n}" for n in rng.integers(0, num_pages * 4, 30)] + [f"usual{n}" for n in rng.integers(0, 9, 20)]
        url = f"https://example{i}.com/"
        text = f"Words about {' '.join(words)}."
        pages.append(CapturedPage(page_id(url), url, f"Page {words[0]}", text, visit_order=(i,)))
    return build_corpus([page_features(page) for page in pages])


def by_hand(corpus: Corpus, pages: IntArray | None) -> FloatArray:
    """The same sum, one pair of pages and one term at a time."""
    chosen = list(range(len(corpus.pages))) if pages is None else [int(page) for page in pages]
    row_of = {page: row for row, page in enumerate(chosen)}
    entries = [
        (row_of[r], c, t)
        for r, c, t in zip(corpus.rows.tolist(), corpus.cols.tolist(), corpus.tf.tolist(), strict=True)
        if r in row_of
    ]
    rows, cols, weights = similarity._tf_idf(
        np.array([e[0] for e in entries]),
        np.array([e[1] for e in entries]),
        np.array([e[2] for e in entries]),
        len(chosen),
        corpus.num_cluster_terms,
    )
    of_term: dict[int, list[tuple[int, float]]] = {}
    for row, col, weight in zip(rows.tolist(), cols.tolist(), weights.tolist(), strict=True):
        of_term.setdefault(col, []).append((row, weight))
    result = np.zeros((len(chosen), len(chosen)))
    for members in of_term.values():
        for row, weight in members:
            for other, other_weight in members:
                if row != other:
                    result[row, other] += weight * other_weight
    return result


@pytest.mark.parametrize(("num_pages", "seed"), [(2, 1), (5, 2), (40, 3), (120, 4)])
@pytest.mark.parametrize("pairs_per_block", [1, 7, 1 << 20])
def test_both_ways_of_adding_give_the_exact_sum(
    monkeypatch: pytest.MonkeyPatch, num_pages: int, seed: int, pairs_per_block: int
) -> None:
    monkeypatch.setattr(similarity, "_PAIRS_PER_BLOCK", pairs_per_block)
    corpus = corpus_of(num_pages, seed)
    some = np.array([page for page in range(num_pages) if page % 3 != 1], dtype=np.int64)
    for pages in (None, some):
        expected = by_hand(corpus, pages)
        # One part of 1: nearly all terms by pairs; of a million: nearly all by the product.
        for share in (1, 16, 1_000_000):
            monkeypatch.setattr(similarity, "_PAIRED_SHARE", share)
            assert np.array_equal(similarity.text_similarity(corpus, pages), expected)
