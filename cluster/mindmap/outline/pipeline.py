"""The local provider: from page features to an outline, without an API key and without network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.mindmap.clustering.communities import DEFAULT_OPTIONS, TopicOptions, find_subtopics, find_topics
from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray, build_corpus
from cluster.mindmap.clustering.similarity import (
    combined_similarity,
    meaning_similarity,
    page_affinity,
    site_similarity,
    text_similarity,
    visit_order_similarity,
    words_and_meaning,
)
from cluster.mindmap.clustering.stability import topic_stability
from cluster.mindmap.outline.cross_links import find_cross_links
from cluster.mindmap.outline.labels import TopicLabeler
from cluster.mindmap.outline.parts import PageSimilarities, PartFinder, TopicBuilder
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.outline.summary import session_summary, session_title
from cluster.mindmap.outline.types import NUM_NEIGHBOURS, Outline, OutlineTopic, PageAnnotation, PageExclusion
from cluster.mindmap.pages.evidence import content_words, page_evidence
from cluster.mindmap.pages.features import PageFeatures, count_sentences, default_page_label, without_notices
from cluster.mindmap.pages.importance import page_importances
from cluster.mindmap.pages.reading_order import in_reading_order
from cluster.mindmap.text.meaning import SentenceEncoder
from models.mindmap.document import EXCLUSION_REASONS, MAX_LABEL_CHARS, Importance
from models.text import collapse_whitespace, shorten, strip_markup

MAX_PAGE_LABEL_CHARS = MAX_LABEL_CHARS - 12  # Leaves room for a suffix that makes the label unique.
MAX_PAGE_KEYWORDS = 4
MIN_NEIGHBOUR_COSINE = 0.02
#: A query belongs to a topic if one of its pages contains more than this share of the query's words.
MIN_QUERY_MATCH = 0.3


@dataclass(slots=True)
class _Grouping:
    """The topic number of each page, and by topic the sub-topic numbers of its pages (None: no sub-topics)."""

    topics: IntArray
    subtopics: list[IntArray | None]

    def members(self) -> list[IntArray]:
        """The rows of each topic's pages."""
        return [np.nonzero(self.topics == number)[0] for number in range(len(self.subtopics))]


def build_outline(
    features: Sequence[PageFeatures],
    *,
    title: str | None = None,
    language: str | None = None,
    encoder: SentenceEncoder | None = None,
    options: TopicOptions = DEFAULT_OPTIONS,
) -> Outline:
    """The outline of one session. The same pages give the same outline, whatever order they arrive in.

    `title` is the user's own title and is kept. Generated sentences are in the language of most pages; for a session
    in mixed languages in `language` ("ko" or "en"), the user's. `encoder` is the one that made the vectors of the
    pages; with it labels are chosen by meaning, too. Never raises for unusual pages: a page that cannot be
    placed is excluded with a reason.
    """
    ordered = in_reading_order(_without_duplicates(features))
    pages = [page for page in ordered if page.exclusion_reason is None]
    num_pages_of_sentence = count_sentences(pages)
    pages = [without_notices(page, num_pages_of_sentence) for page in pages]
    language = _outline_language(pages, language)
    excluded_pages = tuple(page_exclusion(page) for page in ordered if page.exclusion_reason is not None)
    user_title = collapse_whitespace(title or "")
    if not pages:
        return Outline(
            # Without a subject there is nothing to name: the client words an empty session in its own language.
            title=user_title,
            summary="",
            language=language,
            topics=(),
            annotations=(),
            excluded_pages=excluded_pages,
        )
    corpus = build_corpus(pages)
    text, meaning = text_similarity(corpus), meaning_similarity(pages)
    site, visit_order = site_similarity(pages), visit_order_similarity(pages)
    blended = text if meaning is None else words_and_meaning(text, meaning, pages)
    similarity = combined_similarity(blended, site, visit_order)
    affinity = None if meaning is None else page_affinity(blended, site, visit_order)
    similarities = PageSimilarities(corpus, text, site, visit_order)
    grouping = _find_grouping(similarities, similarity, affinity, options)
    annotations = annotate_pages(corpus, text, grouping.topics)
    index = PhraseIndex(corpus)
    topics = _label_topics(
        similarities, index, grouping, encoder, [annotation.importance for annotation in annotations]
    )
    topics = _with_search_queries(topics, corpus, ordered)
    return Outline(
        title=user_title or session_title([topic.label for topic in topics], language),
        summary=session_summary(topics, {page.page_id: page.dwell_ms for page in pages}, language),
        language=language,
        topics=tuple(topics),
        annotations=tuple(annotations),
        excluded_pages=excluded_pages,
        cross_links=tuple(
            find_cross_links(
                corpus,
                index,
                text,
                grouping.topics,
                [topic.id for topic in topics],
                meaning,
            )
        ),
        evidence=tuple(evidence for topic in topics for evidence in topic.evidence[:1])[:4],
        stability=topic_stability(similarity, grouping.topics, affinity, options),
    )


def _without_duplicates(features: Sequence[PageFeatures]) -> list[PageFeatures]:
    """The first page with every page id."""
    pages: dict[str, PageFeatures] = {}
    for page in features:
        pages.setdefault(page.page_id, page)
    return list(pages.values())


def _outline_language(pages: Sequence[PageFeatures], preferred: str | None) -> str:
    """The language of at least two thirds of the pages, else `preferred`, else the most frequent one."""
    counts = Counter(page.language for page in pages)
    if not counts:
        return preferred or "en"
    most_frequent = min(counts, key=lambda code: (-counts[code], code))
    has_majority = 3 * counts[most_frequent] >= 2 * len(pages)
    return most_frequent if preferred is None or has_majority else preferred


def page_exclusion(page: PageFeatures) -> PageExclusion:
    """Why `page`, which `page_features` excluded, is not on the map."""
    reason = page.exclusion_reason or "empty"
    return PageExclusion(page.page_id, reason, EXCLUSION_REASONS[reason])


def _find_grouping(
    similarities: PageSimilarities, similarity: FloatArray, affinity: FloatArray | None, options: TopicOptions
) -> _Grouping:
    """Topics of all pages, and sub-topics inside each topic."""
    topics = find_topics(similarity, affinity, options)
    grouping = _Grouping(topics, [None] * (int(topics.max()) + 1))
    for number, members in enumerate(grouping.members()):
        grouping.subtopics[number] = find_subtopics(similarities.inside(members))
    return grouping


def _centrality(text: FloatArray, topics: IntArray) -> list[float]:
    """Each page's mean text similarity to the other pages of its topic."""
    centrality = []
    for i in range(len(topics)):
        is_peer = topics == topics[i]
        num_others = int(is_peer.sum()) - 1
        centrality.append(round(float(text[i, is_peer].sum()) / num_others, 9) if num_others else 0.0)
    return centrality


def annotate_pages(corpus: Corpus, text: FloatArray, topics: IntArray) -> list[PageAnnotation]:
    """An annotation for every page of `corpus`, in its order.

    `text` is the text similarity of the pages (pages x pages); `topics` are their topic numbers.
    """
    importances = page_importances(corpus.pages, _centrality(text, topics))
    keywords = _page_keywords(corpus)
    return [
        replace(annotate_page(i, corpus.pages, text[i], corpus.core_titles[i], keywords[i]), importance=importances[i])
        for i in range(len(corpus.pages))
    ]


def annotate_page(
    row: int, pages: Sequence[PageFeatures], cosines: FloatArray, title: str, keywords: tuple[str, ...]
) -> PageAnnotation:
    """The annotation of `pages[row]`, without its importance.

    `cosines` holds its text similarity to every page; `title` is its title without site names.
    """
    page = pages[row]
    description, evidence = page_evidence(page)
    nearest = np.argsort(-np.round(cosines, 9), kind="stable")[:NUM_NEIGHBOURS]
    return PageAnnotation(
        page_id=page.page_id,
        label=shorten(strip_markup(title) or default_page_label(page), MAX_PAGE_LABEL_CHARS),
        description=description,
        keywords=keywords,
        evidence=evidence,
        importance=Importance(),
        language=page.language,
        neighbours=tuple(
            (pages[int(other)].page_id, round(float(cosines[other]), 6))
            for other in nearest
            if cosines[other] > MIN_NEIGHBOUR_COSINE
        ),
    )


def _page_keywords(corpus: Corpus) -> list[tuple[str, ...]]:
    """The terms of each page with the highest TF-IDF, as spelled there; words of the title count four times."""
    lexicon = corpus.lexicon
    terms_of_page: list[tuple[IntArray, IntArray, IntArray]] = []  # Terms, a spelling of each, and their counts.
    df = np.zeros(len(lexicon.label_terms) + 1, dtype=np.int64)
    for title, body in zip(corpus.titles, corpus.bodies, strict=True):
        words = np.concatenate([title, title, title, body])
        words = words[words >= 0]
        terms = lexicon.label_term_ids[words]
        words, terms = words[terms >= 0], terms[terms >= 0]
        unique, first, counts = np.unique(terms, return_index=True, return_counts=True)
        df[unique] += 1
        terms_of_page.append((unique, words[first], counts))
    keywords = []
    for terms, words, counts in terms_of_page:
        score = (1 + np.log(counts)) * np.log((1 + len(terms_of_page)) / (df[terms] + 0.5))
        score = np.round(np.where(lexicon.is_noun[terms], score, score * 0.3), 9)
        best = np.lexsort((terms, -score))[:MAX_PAGE_KEYWORDS].tolist()
        spelled = [lexicon.stems[int(words[k])] for k in best if counts[k] >= 2]
        keywords.append(tuple(strip_markup(word) for word in spelled))
    return keywords


def _label_topics(
    similarities: PageSimilarities,
    index: PhraseIndex,
    grouping: _Grouping,
    encoder: SentenceEncoder | None,
    importances: Sequence[Importance],
) -> list[OutlineTopic]:
    """The topics with labels, sub-topics, descriptions and evidence. Each level chooses its labels before the next."""
    corpus = similarities.corpus
    labeler = TopicLabeler(index, encoder)
    all_pages = np.arange(len(corpus.pages))
    members = grouping.members()
    labels = [labeler.label(pages, rivals=all_pages) for pages in members]
    parts = PartFinder(similarities, index, labeler, TopicBuilder(corpus, importances))
    topics = [
        parts.topic(pages, label, keywords, numbers)
        for pages, numbers, (label, keywords) in zip(members, grouping.subtopics, labels, strict=True)
    ]
    return [parts.with_third_level(topic) for topic in topics]


def _with_search_queries(
    topics: Sequence[OutlineTopic], corpus: Corpus, ordered: Sequence[PageFeatures]
) -> list[OutlineTopic]:
    """`topics` with the queries of the session's search pages, each at the topic whose pages contain most of it."""
    if not any(page.search_query for page in ordered):
        return list(topics)
    terms_of_page = _label_terms_by_page(corpus)
    term_index = corpus.lexicon.label_term_index
    queries: dict[str, list[str]] = {}
    for page in ordered:
        query = collapse_whitespace(page.search_query or "")
        terms = {term_index[word] for word in content_words(query) if word in term_index}
        topic = _topic_of_query(terms, topics, terms_of_page)
        if topic is not None and query not in queries.setdefault(topic.id, []):
            queries[topic.id].append(shorten(query, 80))
    return [replace(topic, searches=tuple(queries.get(topic.id, ()))) for topic in topics]


def _label_terms_by_page(corpus: Corpus) -> dict[str, set[int]]:
    terms_of_page = {}
    for page, title, body in zip(corpus.pages, corpus.titles, corpus.bodies, strict=True):
        words = np.concatenate([title, body])
        terms_of_page[page.page_id] = set(np.unique(corpus.lexicon.label_term_ids[words[words >= 0]]).tolist())
    return terms_of_page


def _topic_of_query(
    terms: set[int], topics: Sequence[OutlineTopic], terms_of_page: dict[str, set[int]]
) -> OutlineTopic | None:
    """The topic whose pages contain most of a query's terms; None if no page contains more than `MIN_QUERY_MATCH`."""
    if not terms:
        return None
    best: tuple[float, OutlineTopic] | None = None
    for topic in topics:
        matches = [len(terms & terms_of_page[page_id]) for page_id in topic.all_page_ids()]
        mean_match = sum(matches) / (len(terms) * len(matches))
        if max(matches) / len(terms) > MIN_QUERY_MATCH and (best is None or mean_match > best[0]):
            best = (mean_match, topic)
    return best[1] if best else None
