"""Similarity of the pages of a session: shared words, shared location on the web, and nearness in reading order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray
from cluster.mindmap.pages.features import PageFeatures
from cluster.mindmap.pages.places import place_of
from cluster.mindmap.text.meaning import vector_cosines

SITE_SIMILARITY_WEIGHT, VISIT_ORDER_WEIGHT = 0.18, 0.10
#: Pages further apart than this many visits are not near each other in reading order.
MAX_VISIT_DISTANCE = 6
#: Terms on a larger share of the pages than this distinguish nothing.
MAX_DOCUMENT_SHARE = 0.8
#: Similarity of two pages of one owner on a platform.
OWNER_SIMILARITY = 0.8
#: Weight of meaning beside words, for pages with text and for pages that are known by their title alone.
MEANING_WEIGHT, TITLE_MEANING_WEIGHT = 0.5, 0.7
#: With vectors of fewer pages than this, pages are compared by words alone.
MIN_VECTOR_SHARE = 0.6
AFFINITY_SITE_WEIGHT, AFFINITY_VISIT_ORDER_WEIGHT = 0.1, 0.1
#: Fewer pages have no document frequencies to speak of.
MIN_PAGES_FOR_FREQUENCIES = 4
_QUANTIZATION = float(1 << 20)
#: Terms per matrix product: bounds the memory of the dense block.
_COLUMNS_PER_BLOCK = 2048
#: Terms on at most this part of the pages (one of …) are added pair by pair, and the others by a matrix product. Either
#: sum is exact, so that the number changes only the time: a fifteenth for 2,000 pages of the samples.
_PAIRED_SHARE = 16
#: Pairs of pages in one step: bounds the memory.
_PAIRS_PER_BLOCK = 1 << 20


def text_similarity(corpus: Corpus, pages: IntArray | None = None) -> FloatArray:
    """Cosines of the pages' weighted TF-IDF vectors: a symmetric matrix (pages x pages) with a zero diagonal.

    `pages` restricts the matrix, and the document frequencies, to some rows of the corpus. The vectors are rounded to
    multiples of 2^-20, so that every sum in the product is exact in double precision: the result does not depend on
    the number of threads of the linear algebra library, or on the order in which it adds.
    """
    num_pages = len(corpus.pages) if pages is None else len(pages)
    rows, cols, tf = corpus.rows, corpus.cols, corpus.tf
    if pages is not None:
        new_row = np.full(len(corpus.pages), -1, dtype=np.int64)
        new_row[pages] = np.arange(num_pages)
        is_chosen = new_row[rows] >= 0
        rows, cols, tf = new_row[rows[is_chosen]], cols[is_chosen], tf[is_chosen]
    similarity = np.zeros((num_pages, num_pages))
    if not len(rows):
        return similarity
    rows, cols, weights = _tf_idf(rows, cols, tf, num_pages, corpus.num_cluster_terms)
    order = np.argsort(cols, kind="stable")
    rows, cols, weights = rows[order], cols[order], weights[order]
    _, first_of_term, df = np.unique(cols, return_index=True, return_counts=True)
    is_frequent = df > max(2, num_pages // _PAIRED_SHARE)
    _add_pairs(similarity, rows, weights, first_of_term[~is_frequent], df[~is_frequent])
    in_product = np.repeat(is_frequent, df)
    rows, weights = rows[in_product], weights[in_product]
    dense_cols = np.repeat(np.arange(np.count_nonzero(is_frequent)), df[is_frequent])
    num_cols = int(dense_cols[-1]) + 1 if len(dense_cols) else 0
    for start in range(0, num_cols, _COLUMNS_PER_BLOCK):
        first, last = np.searchsorted(dense_cols, [start, start + _COLUMNS_PER_BLOCK])
        block = np.zeros((num_pages, min(_COLUMNS_PER_BLOCK, num_cols - start)))
        block[rows[first:last], dense_cols[first:last] - start] = weights[first:last]
        similarity += block @ block.T
    np.fill_diagonal(similarity, 0.0)
    return similarity


def _add_pairs(
    similarity: FloatArray, rows: IntArray, weights: FloatArray, first_of_term: IntArray, df: IntArray
) -> None:
    """Add the products of the weights of all pairs of pages that share a term, for the terms that start at
    `first_of_term` and are on `df` pages: most terms are on few pages, and a matrix product would multiply zeros."""
    num_pages = len(similarity)
    upper = np.zeros(num_pages * num_pages)
    for count in np.unique(df):
        entries = first_of_term[df == count][:, None] + np.arange(count)
        i, j = np.triu_indices(count, 1)
        num_terms = max(1, _PAIRS_PER_BLOCK // max(1, len(i)))
        for start in range(0, len(entries), num_terms):
            pages, factors = rows[entries[start : start + num_terms]], weights[entries[start : start + num_terms]]
            cells = pages[:, i] * num_pages + pages[:, j]
            np.add.at(upper, cells.ravel(), (factors[:, i] * factors[:, j]).ravel())
    square = upper.reshape(num_pages, num_pages)
    similarity += square + square.T


def _tf_idf(
    rows: IntArray, cols: IntArray, tf: FloatArray, num_pages: int, num_terms: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Normalised TF-IDF weights with logarithmic term frequency (Salton and Buckley 1988), in coordinate form."""
    df = np.bincount(cols, minlength=num_terms)
    kept = (df[cols] >= 2) & (df[cols] <= max(2.0, MAX_DOCUMENT_SHARE * num_pages))
    # Plus 1: among a few dozen pages a frequent word still separates two subjects.
    idf = np.log((1 + num_pages) / (1 + df)) + 1.0
    weights = (1 + np.log(np.maximum(tf, 1.0))) * idf[cols]
    # Among a handful of pages, words that a page does not share describe it too: otherwise one word in common would
    # make two titles equal.
    is_measured = kept if num_pages >= MIN_PAGES_FOR_FREQUENCIES else np.ones_like(kept)
    squares = np.where(is_measured, weights * weights, 0.0)
    norms = np.sqrt(np.bincount(rows, weights=squares, minlength=num_pages))
    rows, cols, weights = rows[kept], cols[kept], weights[kept]
    weights = np.round(weights / np.maximum(norms[rows], 1e-12) * _QUANTIZATION) / _QUANTIZATION
    return rows, cols, weights


def site_similarity(pages: Sequence[PageFeatures]) -> FloatArray:
    """Similarity by host and URL folders, in 0..1 (pages x pages, zero diagonal).

    Two pages in the same deepest folder of a small host reach 1. The larger a host's share of the session, the less
    its name and folders say: with a share of 1 only half of the folder similarity remains. On a platform, which hosts
    pages about anything, only pages of one owner are near each other (a channel, a repository, a board).
    """
    num_pages = len(pages)
    similarity = np.zeros((num_pages, num_pages))
    pages_of_place: dict[tuple[str, str], list[int]] = {}
    for i, page in enumerate(pages):
        place = place_of(page.url) if page.host else None
        if place is not None and (place.owner or not place.is_platform):
            # The host of the features counts: an evaluation may have moved all pages to one.
            pages_of_place.setdefault((page.host, place.owner), []).append(i)
    for (_, owner), members in pages_of_place.items():
        if len(members) < 2:
            continue
        share = len(members) / num_pages
        index = np.array(members)
        if owner:
            similarity[np.ix_(index, index)] = OWNER_SIMILARITY * (1 - 0.5 * share)
            continue
        folders = _folder_similarity([pages[i].folders for i in members])
        similarity[np.ix_(index, index)] = 0.5 * (1 - share) + 0.5 * folders * (1 - 0.5 * share)
    np.fill_diagonal(similarity, 0.0)
    return similarity


def _folder_similarity(paths: Sequence[tuple[str, ...]]) -> FloatArray:
    """The number of leading folders that two paths share, divided by the depth of the deeper path."""
    shared = np.zeros((len(paths), len(paths)))
    prefix_ids: dict[tuple[str, ...], int] = {}
    for depth in range(1, max((len(path) for path in paths), default=0) + 1):
        # Paths with equal prefixes of this depth get the same id; shorter paths get an id of their own.
        ids = np.array(
            [
                prefix_ids.setdefault(path[:depth], len(prefix_ids)) if len(path) >= depth else -1 - i
                for i, path in enumerate(paths)
            ]
        )
        shared += ids[:, None] == ids[None, :]
    depths = np.array([len(path) for path in paths])
    similarity: FloatArray = shared / np.maximum(np.maximum(depths[:, None], depths[None, :]), 1)
    return similarity


def visit_order_similarity(pages: Sequence[PageFeatures]) -> FloatArray:
    """1 for pages visited one after the other, decreasing with the number of visits between them.

    Of several visits the nearest pair counts. Shape (pages x pages), zero diagonal.
    """
    num_pages = len(pages)
    similarity = np.zeros((num_pages, num_pages))
    # Positions among the visits to placed pages: an excluded search page between two pages does not separate them.
    visits = sorted((position, i) for i, page in enumerate(pages) for position in page.visit_order)
    for a, (_, i) in enumerate(visits):
        for distance, (_, j) in enumerate(visits[a + 1 : a + 1 + MAX_VISIT_DISTANCE], 1):
            if i != j:
                nearness = float(np.exp(-(distance - 1) / 2))
                similarity[i, j] = similarity[j, i] = max(similarity[i, j], nearness)
    return similarity


def meaning_similarity(pages: Sequence[PageFeatures]) -> FloatArray | None:
    """Cosines of the vectors of what the pages are about (pages x pages), 0 where a page has none.

    None unless most of the pages have a vector, all by the same model.
    """
    models = {page.meaning.model for page in pages if page.meaning.vector}
    num_vectors = sum(1 for page in pages if page.meaning.vector)
    if len(models) != 1 or num_vectors < MIN_VECTOR_SHARE * len(pages):
        return None
    return vector_cosines([page.meaning.vector for page in pages])


def words_and_meaning(text: FloatArray, meaning: FloatArray, pages: Sequence[PageFeatures]) -> FloatArray:
    """The weighted mean of the similarities by words and by meaning, rounded; meaning counts more for bare titles.

    Pairs in which a page has no vector are compared by words alone.
    """
    weight = np.array([MEANING_WEIGHT if page.meaning.has_prose else TITLE_MEANING_WEIGHT for page in pages])
    has_vector = np.array([bool(page.meaning.vector) for page in pages])
    weights = np.where(has_vector[:, None] & has_vector[None, :], (weight[:, None] + weight[None, :]) / 2, 0.0)
    rounded: FloatArray = np.round((1 - weights) * text + weights * meaning, 9)
    return rounded


def page_affinity(blended: FloatArray, site: FloatArray, visit_order: FloatArray) -> FloatArray:
    """How near pages are on the scale on which groups are merged and divided (`communities.MERGE_AFFINITY`)."""
    # All of a handful of pages are visited one after the other.
    order_weight = AFFINITY_VISIT_ORDER_WEIGHT if len(blended) >= MIN_PAGES_FOR_FREQUENCIES else 0.0
    rounded: FloatArray = np.round(blended + AFFINITY_SITE_WEIGHT * site + order_weight * visit_order, 9)
    return rounded


def combined_similarity(
    text: FloatArray, site: FloatArray, visit_order: FloatArray, visit_order_weight: float = VISIT_ORDER_WEIGHT
) -> FloatArray:
    """The weighted sum of the three similarities, in which topics are found.

    Symmetric (pages x pages); rounded to 9 decimals, so that equal sessions give equal results on every machine.
    """
    rounded: FloatArray = np.round(text + SITE_SIMILARITY_WEIGHT * site + visit_order_weight * visit_order, 9)
    return rounded
