"""What connects topics across the tree: pairs of pages that speak of the same thing in different topics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.outline.types import CrossLink
from cluster.mindmap.text.words import GENERIC_WORDS
from models.text import strip_markup

MIN_LINK_COSINE = 0.18
MAX_PAGE_LINKS = 40


def find_cross_links(
    corpus: Corpus, index: PhraseIndex, text: FloatArray, topics: IntArray, topic_ids: Sequence[str]
) -> list[CrossLink]:
    """Links between topics (the terms their closest pages share), then between pages, strongest first."""
    num_pages = len(corpus.pages)
    across = np.triu(text, 1) * (topics[:, None] != topics[None, :])
    rows, cols = np.nonzero(across > MIN_LINK_COSINE)
    pairs = sorted((-round(float(across[i, j]), 9), int(i), int(j)) for i, j in zip(rows, cols, strict=True))
    limit = min(MAX_PAGE_LINKS, max(3, num_pages // 6))
    df: Counter[int] = Counter()
    terms_of = [_frequent_terms(corpus, i) for i in range(num_pages)]
    for terms in terms_of:
        df.update(terms)
    between: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    for negative, i, j in pairs:
        key = (min(int(topics[i]), int(topics[j])), max(int(topics[i]), int(topics[j])))
        between.setdefault(key, []).append((-negative, i, j))
    links: list[CrossLink] = []
    for (a, b), found in sorted(between.items(), key=lambda item: (-_link_strength(item[1]), item[0])):
        counts: dict[int, float] = {}
        for cosine, i, j in found[:12]:
            for term in terms_of[i] & terms_of[j]:
                counts[term] = counts.get(term, 0.0) + cosine * math.log((1 + num_pages) / (df[term] + 0.5))
        shared = _spelled_terms(corpus, index, counts, [i for _, i, j in found[:12] for i in (i, j)])
        if shared:
            weight = round(min(1.0, _link_strength(found)), 6)
            links.append(CrossLink(topic_ids[a], topic_ids[b], weight, shared, ", ".join(shared[:2])))
    links = links[: max(3, len(topic_ids))]
    used: Counter[int] = Counter()
    page_links: list[CrossLink] = []
    for negative, i, j in pairs:
        if len(page_links) >= limit:
            break
        if used[i] >= 2 or used[j] >= 2:
            continue
        counts = {t: math.log((1 + num_pages) / (df[t] + 0.5)) for t in terms_of[i] & terms_of[j]}
        shared = _spelled_terms(corpus, index, counts, [i, j])
        if shared:
            used[i] += 1
            used[j] += 1
            ids = corpus.pages[i].page_id, corpus.pages[j].page_id
            page_links.append(CrossLink(*ids, round(-negative, 6), shared, ", ".join(shared[:2])))
    return links + page_links


def _link_strength(found: Sequence[tuple[float, int, int]]) -> float:
    best = [cosine for cosine, _, _ in found[:5]]
    return sum(best) / 5 + 0.1 * math.log1p(len(found)) / 3


def _frequent_terms(corpus: Corpus, page: int) -> set[int]:
    lexicon = corpus.lexicon
    words = np.concatenate([corpus.titles[page], corpus.bodies[page]])
    terms = lexicon.label_term_ids[words[words >= 0]]
    unique, counts = np.unique(terms[terms >= 0], return_counts=True)
    titled = corpus.titles[page]
    in_title = set(lexicon.label_term_ids[titled[titled >= 0]].tolist())
    return {
        int(t)
        for t, count in zip(unique, counts, strict=True)
        if (count >= 2 or t in in_title) and lexicon.is_noun[t] and lexicon.label_terms[t] not in GENERIC_WORDS
    }


def _spelled_terms(
    corpus: Corpus, index: PhraseIndex, counts: dict[int, float], pages: Sequence[int]
) -> tuple[str, ...]:
    best = sorted(counts.items(), key=lambda item: (-round(item[1], 9), corpus.lexicon.label_terms[item[0]]))[:3]
    texts = index.word_sequences(np.array(sorted(set(pages)), dtype=np.int64))
    shown = [strip_markup(index.most_common_spelling(term + 1, texts)) for term, weight in best if weight > 0]
    return tuple(word for word in shown if word and len(word) <= 36)
