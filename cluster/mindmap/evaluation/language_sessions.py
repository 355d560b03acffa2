"""The same short session in many languages, from one text file, to compare the quality of maps between languages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.mindmap.evaluation.quality import GroundTruth
from models.recording.pages import CapturedPage
from models.urls import page_id, page_url

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class LanguageSession:
    """A session in one language and its known topics."""

    language: str
    pages: tuple[CapturedPage, ...]
    truth: GroundTruth


@dataclass(slots=True)
class _Topic:
    names: tuple[str, ...]
    pages: list[tuple[str, list[str]]]  # Title and lines of text.


def parse_language_sessions(text: str) -> list[LanguageSession]:
    """The sessions of a file whose format its first lines explain. Raises `ValueError` for another content."""
    sessions: dict[str, list[_Topic]] = {}
    for line in text.splitlines():
        kind, _, content = line.partition(" ")
        if kind == "##":
            topics: list[_Topic] = sessions.setdefault(content.strip(), [])
        elif not sessions or not line.strip():
            continue  # The explanation at the beginning.
        elif kind == "#":
            topics.append(_Topic(tuple(name.strip().lower() for name in content.split(",")), []))
        elif not topics or (kind != "=" and not topics[-1].pages):
            raise ValueError(f"expected a topic or a page before {line[:40]!r}")
        elif kind == "=":
            topics[-1].pages.append((content.strip(), []))
        else:
            topics[-1].pages[-1][1].append(line.strip())
    return [_session(language, topics) for language, topics in sessions.items()]


def _session(language: str, topics: list[_Topic]) -> LanguageSession:
    pages = tuple(_pages(language, topics))
    number_of = {page_url(page.url): page.url.rsplit("/", 1)[1].partition("-")[0] for page in pages}
    return LanguageSession(
        language,
        pages,
        GroundTruth(
            num_topics=len(topics),
            names={str(number): topic.names for number, topic in enumerate(topics)},
            topic_of=number_of,
            subtopic_of={},
            is_key=dict.fromkeys(number_of, False),
        ),
    )


def _pages(language: str, topics: list[_Topic]) -> Iterator[CapturedPage]:
    """The pages, with another topic at every step: neither the order nor the host says anything about the topic."""
    order = 0
    for row in range(max(len(topic.pages) for topic in topics)):
        for number, topic in enumerate(topics):
            if row < len(topic.pages):
                title, lines = topic.pages[row]
                url = f"https://{language.lower()}{order}.example/{number}-{row}"
                yield CapturedPage(
                    page_id=page_id(url),
                    url=url,
                    title=title,
                    text="\n".join(lines),
                    dwell_ms=_MINUTE_MS,
                    visited_at_ms=(1_760_000_000_000 + order * _MINUTE_MS,),
                    visit_order=(order,),
                )
                order += 1
