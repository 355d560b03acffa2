"""An outline without what redaction took out of its pages.

Our own outline quotes pages as they are: a label may be cut from the middle of a secret, whose form then shows no more,
and a password that a page repeats may become a keyword. What was found in the pages is looked for in the outline.
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
    """What of these secrets must not be said even alone, in lower case: a label may be cut from the middle of one.

    Words that anybody might use stay free, so that a page's `password: string` does not silence every string.
    """
    found: set[str] = set()
    for secret in secrets:
        told = unquote(secret).casefold()
        local, at, _ = told.partition("@")
        if at:
            # `bread@shop.example` does not make bread a secret.
            found.update((told,) if local.isalpha() else (told, local))
            continue
        words = (word for word in _WORDS.findall(told) if len(word) >= 4)
        found.update(word for word in words if any(c.isdigit() for c in word) or len(word) >= 16)
        if len(told) >= 6 and not told.isalpha():
            found.add(told)
    return frozenset(piece for piece in found if len(piece) >= 4)


def mask_secrets(text: str, forbidden: frozenset[str]) -> str:
    """`text` with a placeholder for every word that is forbidden: a page may repeat a secret where no form shows it."""
    folded = text.casefold()
    for piece in sorted((piece for piece in forbidden if piece in folded), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)", "[secret]", text, flags=re.IGNORECASE)
    return text


def strip_secrets(text: str, forbidden: frozenset[str]) -> str:
    """`text` without the words that hold, or are cut from, something forbidden."""
    if not forbidden or not text:
        return text
    folded = text.casefold()
    if not any(piece in folded for piece in forbidden) and not _ends_in_fragment(folded, forbidden):
        return text
    kept = [
        word
        for word in text.split()
        if not any(piece in word.casefold() for piece in forbidden if " " not in piece)
        and not _ends_in_fragment(word.casefold(), forbidden)
    ]
    clean = " ".join(kept)
    for piece in forbidden:
        if " " in piece and piece in clean.casefold():
            place = clean.casefold().index(piece)
            clean = clean[:place] + clean[place + len(piece) :]
    return " ".join(clean.split())


def _ends_in_fragment(text: str, forbidden: frozenset[str]) -> bool:
    """Whether `text` ends in the beginning of something forbidden, as a cut leaves it."""
    text = text.rstrip(" …")
    ends = {(_WORDS.findall(text) or [""])[-1], (text.split() or [""])[-1]}
    return any(len(end) >= 6 and any(piece.startswith(end) and piece != end for piece in forbidden) for end in ends)


def redact_outline(outline: Outline, forbidden: frozenset[str]) -> Outline:
    """`outline` as a provider may see it: labels, sentences, words and quotes without anything forbidden."""
    if not forbidden:
        return outline

    def words(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for word in given if strip_secrets(word, forbidden) == word)

    def quotes(given: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(quote for quote in given if strip_secrets(quote.quote, forbidden) == " ".join(quote.quote.split()))

    def told(one: OutlineTopic | PageAnnotation, nameless: str) -> dict[str, Any]:
        return {
            "label": strip_secrets(one.label, forbidden) or nameless,
            "description": strip_secrets(one.description, forbidden),
            "keywords": words(one.keywords),
            "evidence": quotes(one.evidence),
        }

    def topic(one: OutlineTopic) -> OutlineTopic:
        parts = tuple(topic(part) for part in one.subtopics)
        return replace(one, **told(one, "Topic"), searches=words(one.searches), subtopics=parts)

    return replace(
        outline,
        title=strip_secrets(outline.title, forbidden),
        summary=strip_secrets(outline.summary, forbidden),
        topics=tuple(topic(one) for one in outline.topics),
        annotations=tuple(replace(one, **told(one, "Page")) for one in outline.annotations),
        cross_links=tuple(replace(link, label=strip_secrets(link.label, forbidden)) for link in outline.cross_links),
    )
