"""Removes the secrets of a session's pages from its local outline.

The local outline quotes pages as they are: a label may be cut from the middle of a secret, so that no pattern detects
it, and a password that a page repeats may become a keyword. The secrets found in the pages are searched in the outline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from cluster.mindmap.outline.types import Outline, OutlineTopic, PageAnnotation
from models.mindmap.document import Evidence

_WORDS = re.compile(r"[^\W_]+")


def secret_fragments(secrets: Iterable[str]) -> frozenset[str]:
    """The parts of `secrets` that must not be sent even alone, in lower case.

    Common words are not fragments: the type annotation `password: string` must not remove every "string".
    """
    fragments: set[str] = set()
    for secret in secrets:
        folded = unquote(secret).casefold()
        local_part, at, _ = folded.partition("@")
        if at:
            # `bread@shop.example` does not make "bread" a secret.
            fragments.update((folded,) if local_part.isalpha() else (folded, local_part))
            continue
        words = (word for word in _WORDS.findall(folded) if len(word) >= 4)
        fragments.update(word for word in words if any(c.isdigit() for c in word) or len(word) >= 16)
        if len(folded) >= 6 and not folded.isalpha():
            fragments.add(folded)
    return frozenset(fragment for fragment in fragments if len(fragment) >= 4)


def mask_secrets(text: str, fragments: frozenset[str]) -> str:
    """`text` with the placeholder "[secret]" for every whole word that is a fragment."""
    folded = text.casefold()
    present = (fragment for fragment in fragments if fragment in folded)
    for fragment in sorted(present, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(fragment)}(?!\w)", "[secret]", text, flags=re.IGNORECASE)
    return text


def strip_secrets(text: str, fragments: frozenset[str]) -> str:
    """`text` without the words that contain a fragment, and without a cut-off fragment at its end."""
    if not fragments or not text:
        return text
    folded = text.casefold()
    if not any(fragment in folded for fragment in fragments) and not _ends_in_fragment(folded, fragments):
        return text
    kept = [word for word in text.split() if not _is_secret_word(word.casefold(), fragments)]
    clean = " ".join(kept)
    for fragment in fragments:
        if " " in fragment and fragment in clean.casefold():
            place = clean.casefold().index(fragment)
            clean = clean[:place] + clean[place + len(fragment) :]
    return " ".join(clean.split())


def _is_secret_word(word: str, fragments: frozenset[str]) -> bool:
    return any(fragment in word for fragment in fragments if " " not in fragment) or _ends_in_fragment(word, fragments)


def _ends_in_fragment(text: str, fragments: frozenset[str]) -> bool:
    """Whether `text` ends in the first part of a fragment, as truncation leaves it."""
    text = text.rstrip(" …")
    ends = {(_WORDS.findall(text) or [""])[-1], (text.split() or [""])[-1]}
    return any(
        len(end) >= 6 and any(fragment.startswith(end) and fragment != end for fragment in fragments) for end in ends
    )


def redact_outline(outline: Outline, fragments: frozenset[str]) -> Outline:
    """`outline` as it may be sent: labels, sentences, keywords and quotes without any fragment."""
    return _OutlineRedactor(fragments).redact(outline) if fragments else outline


class _OutlineRedactor:
    def __init__(self, fragments: frozenset[str]) -> None:
        self._fragments = fragments

    def redact(self, outline: Outline) -> Outline:
        return replace(
            outline,
            title=self._text(outline.title),
            summary=self._text(outline.summary),
            topics=tuple(self._topic(topic) for topic in outline.topics),
            annotations=tuple(
                replace(annotation, **self._labelled(annotation, "Page")) for annotation in outline.annotations
            ),
            cross_links=tuple(replace(link, label=self._text(link.label)) for link in outline.cross_links),
        )

    def _topic(self, topic: OutlineTopic) -> OutlineTopic:
        return replace(
            topic,
            **self._labelled(topic, "Topic"),
            searches=self._words(topic.searches),
            subtopics=tuple(self._topic(part) for part in topic.subtopics),
        )

    def _labelled(self, item: OutlineTopic | PageAnnotation, default_label: str) -> dict[str, Any]:
        return {
            "label": self._text(item.label) or default_label,
            "description": self._text(item.description),
            "keywords": self._words(item.keywords),
            "evidence": self._evidence(item.evidence),
        }

    def _text(self, text: str) -> str:
        return strip_secrets(text, self._fragments)

    def _words(self, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for word in words if self._text(word) == word)

    def _evidence(self, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        # A changed quote would no longer match its page, so that it is dropped.
        return tuple(each for each in evidence if self._text(each.quote) == " ".join(each.quote.split()))
