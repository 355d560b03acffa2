"""Generated sentences, in Korean or English: a session's title, its summary from counted facts, what a topic holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import Outline, OutlineTopic
from models.plurals import counted
from models.text import quoted, shorten

_MAX_TITLE_CHARS = 60
_MAX_TOPICS_NAMED = 4
_MAX_PAGES_NAMED, _MAX_PAGES_NAMED_BESIDE_PARTS = 3, 2
_MAX_CONTENTS_CHARS = 240


def empty_session_title(language: str) -> str:
    """The title of a map without topics."""
    return "빈 세션" if language == "ko" else "Empty session"


def session_title(labels: Sequence[str], language: str) -> str:
    """A title from the labels of the first three topics."""
    if not labels:
        return empty_session_title(language)
    heads = [label.split(" · ")[0] for label in labels[:3]]
    if language == "ko":
        return shorten(", ".join(heads), _MAX_TITLE_CHARS)
    return heads[0] if len(heads) == 1 else shorten(_listed(heads), _MAX_TITLE_CHARS)


def session_summary(topics: Sequence[OutlineTopic], dwell_ms: Mapping[str, int], language: str) -> str:
    """One sentence: the number of pages, their topics, and the topic with most of the reading time.

    `dwell_ms` is the reading time of each page. Korean for "ko", otherwise English. The reading time itself is left
    out: the session states it for all pages, and a second number for the placed ones would contradict it.
    """
    pages = [topic.all_page_ids() for topic in topics]
    dwell_of_topic = [sum(dwell_ms.get(page_id, 0) for page_id in page_ids) for page_ids in pages]
    labels = [topic.label for topic in topics]
    return topics_summary(list(zip(labels, dwell_of_topic, strict=True)), sum(map(len, pages)), language)


def name_in_order(outline: Outline, topics: Sequence[OutlineTopic], dwell_ms: Mapping[str, int]) -> Outline:
    """`outline` with `topics`, which are its own in another order; generated sentences name them in that order.

    A title of the user and the sentences of a model stay as they are.
    """
    title, summary = outline.title, outline.summary
    if title == session_title([topic.label for topic in outline.topics], outline.language):
        title = session_title([topic.label for topic in topics], outline.language)
    if summary == session_summary(outline.topics, dwell_ms, outline.language):
        summary = session_summary(topics, dwell_ms, outline.language)
    return replace(outline, topics=tuple(topics), title=title, summary=summary)


def topics_summary(topics: Sequence[tuple[str, int]], num_pages: int, language: str) -> str:
    """The sentence of `session_summary` from the label and the reading time in milliseconds of each topic.

    It names the topics in the order given, which is that of the title and of the map beside it.
    """
    is_korean = language == "ko"
    if not topics:
        return "지도에 올릴 만한 페이지가 없어요." if is_korean else "There was no page worth placing on a map."
    total_ms = sum(dwell_ms for _, dwell_ms in topics)
    longest, longest_ms = max(topics, key=lambda topic: topic[1])
    write = _korean_summary if is_korean else _english_summary
    share = longest_ms / total_ms if total_ms else None
    return write([label for label, _ in topics], num_pages, longest, share)


def _korean_summary(labels: Sequence[str], num_pages: int, longest: str, share: float | None) -> str:
    num_more = len(labels) - _MAX_TOPICS_NAMED
    named = ", ".join(labels[:_MAX_TOPICS_NAMED]) + (f" 외 {num_more}개 주제" if num_more > 0 else "")
    text = f"{named}에 관한 {num_pages}개 페이지를 읽었어요"
    if share is not None and len(labels) > 1:
        text += f"(가장 오래 본 주제: {longest}, {share:.0%})"
    return text + "."


def _english_summary(labels: Sequence[str], num_pages: int, longest: str, share: float | None) -> str:
    num_more = len(labels) - _MAX_TOPICS_NAMED
    named = list(labels[:_MAX_TOPICS_NAMED])
    if num_more > 0:
        named.append(f"{num_more} more topics" if num_more > 1 else "one more topic")
    text = f"{counted(num_pages, 'page')} on {_listed(named)}"
    if share is not None and len(labels) > 1:
        amount = "most of" if share > 0.5 else "the largest part of"
        text += f", {amount} the reading time ({share:.0%}) on {longest}"
    return text + "."


def contents_sentence(parts: Sequence[str], titles: Sequence[str], num_pages: int, language: str) -> str:
    """One sentence that says what a topic of `num_pages` pages holds; empty when there is no title to name.

    `parts` are the labels of its sub-topics, if they have most of its pages; `titles` those of its pages, the most
    telling first, with parts one of each. It has no numbers, and not the topic's own label: both change when the map is
    edited.
    """
    parts = parts if len(parts) <= _MAX_TOPICS_NAMED else ()
    for num_named in range(_MAX_PAGES_NAMED_BESIDE_PARTS if parts else _MAX_PAGES_NAMED, 0, -1):
        named = [quoted(title) for title in titles[:num_named]]
        sentence = _contents(parts, named, len(named) == num_pages, language) if named else ""
        if len(sentence) <= _MAX_CONTENTS_CHARS:
            return sentence
    return contents_sentence((), titles, num_pages, language) if parts else ""


def _contents(parts: Sequence[str], named: Sequence[str], are_all: bool, language: str) -> str:
    if language == "ko":
        about = f"{', '.join(parts)}에 관한 " if parts else ""
        return f"{about}{', '.join(named)} {'페이지를' if are_all else '등의 페이지를'} 읽었어요."
    if parts:
        return f"Pages on {_listed(parts)}, such as {_listed(named)}."
    if are_all:
        return f"The page{'s' if len(named) > 1 else ''} {_listed(named)}."
    return f"Pages such as {_listed(named)}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
