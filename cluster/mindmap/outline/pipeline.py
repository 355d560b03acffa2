"""From pages to an outline, without a key and without a network: the local provider's work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cluster.mindmap.clustering.communities import find_subtopics, find_topics
from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray, build_corpus
from cluster.mindmap.clustering.similarity import (
    combined_similarity,
    site_similarity,
    text_similarity,
    visit_order_similarity,
)
from cluster.mindmap.clustering.stability import topic_stability
from cluster.mindmap.outline.cross_links import find_cross_links
from cluster.mindmap.outline.labels import TopicLabeler
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.outline.summary import session_summary, session_title
from cluster.mindmap.outline.types import Outline, OutlineTopic, PageAnnotation, PageExclusion
from cluster.mindmap.pages import evidence as quoting
from cluster.mindmap.pages.features import PageFeatures, default_page_label
from cluster.mindmap.pages.importance import page_importances
from cluster.mindmap.pages.reading_order import in_reading_order
from models.mindmap.document import EXCLUSION_REASONS, MAX_LABEL_CHARS, Importance
from models.text import shorten, strip_markup

SUBTOPIC_VISIT_ORDER_WEIGHT = 0.03
SUBTOPIC_SITE_FACTOR = (
    3.0  # Within one subject folders are chapters; the damping for big hosts leaves too little of them.
)
NUM_NEIGHBOURS = 8


@dataclass(slots=True)
class _Grouping:
    """Topic number of each placed page, and per topic its sub-topic numbers (None: no parts)."""

    topics: IntArray
    subtopics: list[IntArray | None]


def build_outline(
    features: Sequence[PageFeatures], *, title: str | None = None, language: str | None = None
) -> Outline:
    """The outline of one session. The same pages give the same outline, in whatever order they come.

    `title` is the user's own and is kept as it is. The sentences we write ourselves are in the language most of the
    pages are in; where the pages are mixed, in `language` ("ko", "en"), the user's own. Never raises for odd pages:
    what cannot be placed is left out with a reason.
    """
    ordered = in_reading_order(_without_duplicates(features))
    pages = [page for page in ordered if page.exclusion_reason is None]
    language = _outline_language(pages, language)
    left_out = tuple(page_exclusion(page) for page in ordered if page.exclusion_reason is not None)
    if not pages:
        own = strip_markup(title or "")
        return Outline(
            title=own or session_title([], language),
            summary=session_summary([], [], language),
            language=language,
            topics=(),
            annotations=(),
            excluded_pages=left_out,
        )
    corpus = build_corpus(pages)
    text = text_similarity(corpus)
    place, order = site_similarity(pages), visit_order_similarity(pages)
    similarity = combined_similarity(text, place, order)
    grouping = _find_grouping(corpus, similarity, place, order)
    notes = annotate_pages(corpus, text, grouping.topics)
    importances = [note.importance for note in notes]
    index = PhraseIndex(corpus)
    topics = _label_topics(corpus, index, grouping, importances)
    topics = _with_search_queries(topics, corpus, ordered)
    summary_pages = {page.page_id: page for page in pages}
    return Outline(
        title=strip_markup(title or "") or session_title([topic.label for topic in topics], language),
        summary=session_summary(topics, [summary_pages[p] for t in topics for p in t.all_page_ids()], language),
        language=language,
        topics=tuple(topics),
        annotations=tuple(notes),
        excluded_pages=left_out,
        cross_links=tuple(find_cross_links(corpus, index, text, grouping.topics, [topic.id for topic in topics])),
        evidence=tuple(quote for topic in topics for quote in topic.evidence[:1])[:4],
        stability=topic_stability(similarity, grouping.topics),
    )


def _without_duplicates(features: Sequence[PageFeatures]) -> list[PageFeatures]:
    kept: dict[str, PageFeatures] = {}
    for page in features:
        kept.setdefault(page.page_id, page)
    return list(kept.values())


def _outline_language(pages: Sequence[PageFeatures], preferred: str | None) -> str:
    counts = Counter(page.language for page in pages)
    if not counts:
        return preferred or "en"
    main = min(counts, key=lambda code: (-counts[code], code))
    # Korean sentences about a session read in English would be as odd as the reverse, so a clear majority decides.
    return main if preferred is None or 3 * counts[main] >= 2 * len(pages) else preferred


def page_exclusion(page: PageFeatures) -> PageExclusion:
    """Why this page, which `page_features` set aside, is not on the map."""
    reason = page.exclusion_reason or "empty"
    return PageExclusion(page.page_id, reason, EXCLUSION_REASONS[reason])


def _find_grouping(corpus: Corpus, similarity: FloatArray, place: FloatArray, order: FloatArray) -> _Grouping:
    topics = find_topics(similarity)
    parts: list[IntArray | None] = []
    for number in range(int(topics.max()) + 1):
        members = np.nonzero(topics == number)[0]
        inner = combined_similarity(
            text_similarity(corpus, members),
            SUBTOPIC_SITE_FACTOR * place[np.ix_(members, members)],
            order[np.ix_(members, members)],
            SUBTOPIC_VISIT_ORDER_WEIGHT,
        )
        parts.append(find_subtopics(inner))
    return _Grouping(topics, parts)


def _centrality(text: FloatArray, topics: IntArray) -> list[float]:
    """Each page's mean closeness to the other pages of its topic."""
    found = []
    for i in range(len(topics)):
        peers = topics == topics[i]
        num = int(peers.sum()) - 1
        found.append(round(float(text[i, peers].sum()) / num, 9) if num else 0.0)
    return found


def annotate_pages(corpus: Corpus, text: FloatArray, topics: IntArray) -> list[PageAnnotation]:
    """A note on every page of `corpus`, in its order; `topics` are the pages' topic numbers."""
    importances = page_importances(corpus.pages, _centrality(text, topics))
    notes = []
    nearest = np.argsort(-np.round(text, 9), axis=1, kind="stable")[:, :NUM_NEIGHBOURS]
    keywords = _page_keywords(corpus)
    for i, page in enumerate(corpus.pages):
        near = tuple(
            (corpus.pages[int(j)].page_id, round(float(text[i, j]), 6)) for j in nearest[i] if text[i, j] > 0.02
        )
        description, evidence = quoting.page_evidence(page)
        label = strip_markup(corpus.core_titles[i]) or default_page_label(page)
        notes.append(
            PageAnnotation(
                page_id=page.page_id,
                label=shorten(label, MAX_LABEL_CHARS - 12),
                description=description,
                keywords=keywords[i],
                evidence=evidence,
                importance=importances[i],
                language=page.language,
                neighbours=near,
            )
        )
    return notes


def _page_keywords(corpus: Corpus, limit: int = 4) -> list[tuple[str, ...]]:
    """The words of each page that are frequent on it and rare elsewhere, as written there; title words first."""
    lexicon = corpus.lexicon
    per_page: list[tuple[IntArray, IntArray, IntArray]] = []
    df = np.zeros(len(lexicon.label_terms) + 1, dtype=np.int64)
    for title, body in zip(corpus.titles, corpus.bodies, strict=True):
        words = np.concatenate([title, title, title, body])
        words = words[words >= 0]
        terms = lexicon.label_term_ids[words]
        words, terms = words[terms >= 0], terms[terms >= 0]
        unique, first, counts = np.unique(terms, return_index=True, return_counts=True)
        df[unique] += 1
        per_page.append((unique, words[first], counts))
    found = []
    for terms, words, counts in per_page:
        score = (1 + np.log(counts)) * np.log((1 + len(per_page)) / (df[terms] + 0.5))
        score = np.round(np.where(lexicon.is_noun[terms], score, score * 0.3), 9)
        best = np.lexsort((terms, -score))[:limit].tolist()
        shown = [lexicon.stems[int(words[k])] for k in best if counts[k] >= 2]
        found.append(tuple(strip_markup(word) for word in shown))
    return found


def _label_topics(
    corpus: Corpus, index: PhraseIndex, grouping: _Grouping, importances: Sequence[Importance]
) -> list[OutlineTopic]:
    namer = TopicLabeler(index)
    everything = np.arange(len(corpus.pages))
    members = [np.nonzero(grouping.topics == number)[0] for number in range(len(grouping.subtopics))]
    names = [namer.label(inside, rivals=everything) for inside in members]
    topics = []
    words_of: dict[str, set[str]] = {}  # Lives as long as this call: page text is not kept between sessions.
    for inside, parts, (label, keywords) in zip(members, grouping.subtopics, names, strict=True):
        subtopics: list[OutlineTopic] = []
        direct = inside
        if parts is not None:
            direct = inside[:0]
            for number in range(int(parts.max()) + 1):
                part = inside[parts == number]
                sub_label, sub_keywords = namer.label(part, rivals=inside, parent=label)
                subtopics.append(_build_topic("s_", corpus, part, sub_label, sub_keywords, importances, words_of))
        topic = _build_topic("t_", corpus, inside, label, keywords, importances, words_of)
        topics.append(
            OutlineTopic(
                id=topic.id,
                label=label,
                description=topic.description,
                keywords=keywords,
                page_ids=tuple(corpus.pages[i].page_id for i in direct),
                subtopics=tuple(subtopics),
                evidence=topic.evidence,
            )
        )
    return topics


def _build_topic(
    prefix: str,
    corpus: Corpus,
    inside: IntArray,
    label: str,
    keywords: tuple[str, ...],
    importances: Sequence[Importance],
    words_of: dict[str, set[str]],
) -> OutlineTopic:
    """A topic over the pages `inside`, with its sentence and quotes. Its id is that of the page read first in it."""
    strongest = sorted((int(i) for i in inside), key=lambda i: (-importances[i].score, i))
    pages = [corpus.pages[i] for i in strongest]
    weights = [importances[i].score for i in strongest]
    description, why = quoting.describe_topic(keywords, label, pages, weights, words_of)
    return OutlineTopic(
        id=prefix + corpus.pages[int(inside[0])].page_id.removeprefix("p_"),
        label=label,
        description=description,
        keywords=keywords,
        page_ids=tuple(corpus.pages[i].page_id for i in inside),
        evidence=quoting.label_evidence(label, pages) + why,
    )


def _with_search_queries(
    topics: Sequence[OutlineTopic], corpus: Corpus, ordered: Sequence[PageFeatures]
) -> list[OutlineTopic]:
    """Note on each topic what was searched for: a query belongs where most of its words are found in the titles."""
    lexicon = corpus.lexicon
    number = {term: i for i, term in enumerate(lexicon.label_terms)}
    terms_of: dict[str, set[int]] = {}
    if any(page.search_query for page in ordered):
        for i, one in enumerate(corpus.pages):
            words = np.concatenate([corpus.titles[i], corpus.bodies[i]])
            terms_of[one.page_id] = set(np.unique(lexicon.label_term_ids[words[words >= 0]]).tolist())
    found: dict[str, list[str]] = {}
    for page in ordered:
        query = strip_markup(page.search_query or "")
        wanted = {number[word] for word in quoting.content_words(query) if word in number}
        if not wanted:
            continue
        best: tuple[float, str] | None = None
        for topic in topics:
            inside = topic.all_page_ids()
            hits = sum(len(wanted & terms_of[p]) for p in inside) / (len(wanted) * len(inside))
            any_page = max(len(wanted & terms_of[p]) for p in inside) / len(wanted)
            if any_page > 0.3 and (best is None or hits > best[0]):
                best = (hits, topic.id)
        if best is not None and query not in found.setdefault(best[1], []):
            found[best[1]].append(shorten(query, 80))
    return [
        OutlineTopic(
            id=t.id,
            label=t.label,
            description=t.description,
            keywords=t.keywords,
            page_ids=t.page_ids,
            subtopics=t.subtopics,
            evidence=t.evidence,
            searches=tuple(found.get(t.id, ())),
        )
        for t in topics
    ]
