"""Labels that the user gave to topics of other sessions, for the topics of a map that are about the same subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.mindmap.outline.types import Outline, OutlineTopic
from cluster.mindmap.text.meaning import MeanVector, mean_cosine, mean_vector, means_cosine
from models.mindmap.user_labels import UserLabel, UserLabels

#: A topic is about the subject of another one if the mean vectors of their pages have this cosine …
MIN_COSINE = 0.5
#: … and two thirds of its own pages are as near as this to that mean: a topic that mixes two subjects is not.
MIN_PAGE_COSINE = 0.35
#: It is, too, if so many pages, and two thirds of its own, are the same.
MIN_SHARED_PAGES = 2
#: Labels whose topics are so nearly as near as the nearest one name the same subject: the last one given counts.
SAME_SUBJECT_RANGE = 0.1
#: The nearness of topics that the user has linked, and the least of topics with the same pages. A cosine is at most 1.
_LINKED, _SHARED = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class _Topic:
    """A topic of the new map, and the vectors and languages of its pages."""

    id: str
    kind: str
    pages: tuple[str, ...]
    vectors: dict[str, bytes]
    languages: frozenset[str]


def reused_labels(outline: Outline, labels: UserLabels, vectors: Mapping[str, bytes]) -> dict[str, UserLabel]:
    """The label of the user's to show, by the id of the topic or sub-topic of `outline`; most topics have none.

    `vectors` are those of the session's pages. A label of a topic is for topics, one of a sub-topic for sub-topics.
    Each is used once, and never where another topic of the map has the same words. Pure: the same arguments give the
    same labels.
    """
    means = [mean_vector(label.vectors) if label.vectors else None for label in labels.labels]
    nearness: dict[tuple[str, int], float] = {}
    for topic in _topics(outline, vectors):
        if topic.id in labels.unlinked_topic_ids:
            continue
        mean = mean_vector(list(topic.vectors.values())) if topic.vectors else None
        for number, label in enumerate(labels.labels):
            if label.kind == topic.kind:
                near = _nearness(topic, label, mean, means[number])
                if near is not None:
                    nearness[topic.id, number] = near
    taken = {topic.label.casefold() for topic, _ in outline.walk()}
    chosen: dict[str, UserLabel] = {}
    while nearness:
        # Of equals, the first topic and the label given last.
        topic_id, nearest = max(nearness, key=nearness.__getitem__)
        least = round(nearness[topic_id, nearest] - SAME_SUBJECT_RANGE, 3)
        same_subject = {number for (other, number), near in nearness.items() if other == topic_id and near >= least}
        label = labels.labels[min(same_subject)]
        if label.label.casefold() not in taken:
            chosen[topic_id] = label
            taken.add(label.label.casefold())
        nearness = {
            (other, number): near
            for (other, number), near in nearness.items()
            if other != topic_id and number not in same_subject
        }
    return chosen


def _topics(outline: Outline, vectors: Mapping[str, bytes]) -> list[_Topic]:
    language_of = {annotation.page_id: annotation.language for annotation in outline.annotations}
    return [_topic(topic, parent is not None, vectors, language_of) for topic, parent in outline.walk()]


def _topic(
    topic: OutlineTopic, is_subtopic: bool, vectors: Mapping[str, bytes], language_of: Mapping[str, str]
) -> _Topic:
    pages = topic.all_page_ids()
    return _Topic(
        id=topic.id,
        kind="subtopic" if is_subtopic else "topic",
        pages=pages,
        vectors={page: vectors[page] for page in pages if vectors.get(page)},
        languages=frozenset(language_of[page] for page in pages if page in language_of),
    )


def _nearness(
    topic: _Topic, label: UserLabel, mean: MeanVector | None, mean_of_label: MeanVector | None
) -> float | None:
    """How near the topic is to the one that has the label; None if they are not about the same subject."""
    if topic.id in label.linked_topic_ids:
        return _LINKED
    shared = set(topic.pages) & set(label.page_ids)
    if len(shared) >= MIN_SHARED_PAGES and 3 * len(shared) >= 2 * len(topic.pages):
        return round(_SHARED + len(shared) / len(topic.pages), 3)
    if mean is None or mean_of_label is None or topic.languages.isdisjoint(label.languages):
        return None
    near = {page for page, vector in topic.vectors.items() if mean_cosine(vector, mean_of_label) >= MIN_PAGE_COSINE}
    cosine = means_cosine(mean, mean_of_label)
    is_same_subject = cosine >= MIN_COSINE and 3 * len(near | shared) >= 2 * len(topic.pages)
    return cosine if is_same_subject else None
