"""How close two pages of a session are: shared words, shared place on the web, and nearness in reading order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray
from cluster.mindmap.pages.features import PageFeatures

SITE_SIMILARITY_WEIGHT, VISIT_ORDER_WEIGHT = 0.18, 0.10
MAX_VISIT_DISTANCE = 6
_QUANTIZATION = float(1 << 20)
_COLUMNS_PER_BLOCK = 2048


def text_similarity(corpus: Corpus, pages: IntArray | None = None) -> FloatArray:
    """Cosines of the pages' weighted TF-IDF vectors, as a symmetric matrix with a zero diagonal.

    `pages` restricts the matrix, and the document frequencies, to some rows of the corpus. The vectors are rounded to
    multiples of 2^-20, so that every sum in the product is exact in double precision: the result does not depend on
    how many threads the linear algebra library uses, or on the order in which it adds.
    """
    num_pages = len(corpus.pages) if pages is None else len(pages)
    rows, cols, tf = corpus.rows, corpus.cols, corpus.tf
    if pages is not None:
        place = np.full(len(corpus.pages), -1, dtype=np.int64)
        place[pages] = np.arange(num_pages)
        chosen = place[rows] >= 0
        rows, cols, tf = place[rows[chosen]], cols[chosen], tf[chosen]
    out = np.zeros((num_pages, num_pages))
    if not len(rows):
        return out
    df = np.bincount(cols, minlength=corpus.num_cluster_terms)
    too_common = max(2.0, 0.8 * num_pages)
    kept = (df[cols] >= 2) & (df[cols] <= too_common)
    rows, cols, tf = rows[kept], cols[kept], tf[kept]
    # One more than usual: on a few dozen pages a frequent word still tells two subjects apart.
    idf = np.log((1 + num_pages) / (1 + df)) + 1.0
    weights = (1 + np.log(np.maximum(tf, 1.0))) * idf[cols]
    norms = np.sqrt(np.bincount(rows, weights=weights * weights, minlength=num_pages))
    weights = np.round(weights / np.maximum(norms[rows], 1e-12) * _QUANTIZATION) / _QUANTIZATION
    order = np.argsort(cols, kind="stable")
    rows, cols, weights = rows[order], cols[order], weights[order]
    _, dense_cols = np.unique(cols, return_inverse=True)
    for start in range(0, int(dense_cols[-1]) + 1 if len(dense_cols) else 0, _COLUMNS_PER_BLOCK):
        first, last = np.searchsorted(dense_cols, [start, start + _COLUMNS_PER_BLOCK])
        block = np.zeros((num_pages, min(_COLUMNS_PER_BLOCK, int(dense_cols[-1]) + 1 - start)))
        block[rows[first:last], dense_cols[first:last] - start] = weights[first:last]
        out += block @ block.T
    np.fill_diagonal(out, 0.0)
    return out


def site_similarity(pages: Sequence[PageFeatures]) -> FloatArray:
    """1 for pages in the same deep folder of a small host, towards 0 the more of the session one host holds."""
    num_pages = len(pages)
    out = np.zeros((num_pages, num_pages))
    by_host: dict[str, list[int]] = {}
    for i, page in enumerate(pages):
        if page.host:
            by_host.setdefault(page.host, []).append(i)
    for members in by_host.values():
        if len(members) < 2:
            continue
        share = len(members) / num_pages
        index = np.array(members)
        folders = [pages[i].folders for i in members]
        deepest = max((len(f) for f in folders), default=0)
        shared = np.zeros((len(members), len(members)))
        numbers: dict[tuple[str, ...], int] = {}
        for depth in range(1, deepest + 1):
            # Equal leading folders up to this depth add one; pages with a shorter path never match.
            prefix = np.array(
                [
                    numbers.setdefault(f[:depth], len(numbers)) if len(f) >= depth else -1 - k
                    for k, f in enumerate(folders)
                ]
            )
            shared += prefix[:, None] == prefix[None, :]
        lengths = np.array([len(f) for f in folders])
        depth_of = np.maximum(np.maximum(lengths[:, None], lengths[None, :]), 1)
        block = 0.5 * (1 - share) + 0.5 * (shared / depth_of) * (1 - 0.5 * share)
        out[np.ix_(index, index)] = block
    np.fill_diagonal(out, 0.0)
    return out


def visit_order_similarity(pages: Sequence[PageFeatures]) -> FloatArray:
    """1 for pages read one after the other, falling with the steps between them; best over all revisits."""
    num_pages = len(pages)
    out = np.zeros((num_pages, num_pages))
    # Ranks among the visits to placed pages: a search in between is no step away from the subject.
    visits = sorted((at, i) for i, page in enumerate(pages) for at in page.visit_order)
    for a in range(len(visits)):
        for steps in range(1, MAX_VISIT_DISTANCE + 1):
            if a + steps >= len(visits):
                break
            i, j = visits[a][1], visits[a + steps][1]
            if i != j:
                near = float(np.exp(-(steps - 1) / 2))
                out[i, j] = out[j, i] = max(out[i, j], near)
    return out


def combined_similarity(
    text: FloatArray, place: FloatArray, order: FloatArray, order_weight: float = VISIT_ORDER_WEIGHT
) -> FloatArray:
    """The one matrix topics are found in, symmetric, rounded so that equal sessions compare equal everywhere."""
    rounded: FloatArray = np.round(text + SITE_SIMILARITY_WEIGHT * place + order_weight * order, 9)
    return rounded
