"""Quotes that bear a label or a description out, always letter for letter from a captured page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cluster.mindmap.pages.features import WORD_PATTERN, PageFeatures, Passage
from cluster.mindmap.text.korean import PARTICLES
from cluster.mindmap.text.language import hangul_share, split_sentences
from cluster.mindmap.text.words import stem
from models.mindmap.document import Evidence
from models.recording.pages import CapturedPage
from models.text import MARKUP, shorten, strip_markup

#: How far into a page a sentence for a label is looked for; labels come from a page's beginning.
_MAX_CHARS_SEARCHED = 20_000

_PARTICLE = re.compile(r"(?:%s)$" % "|".join(sorted(PARTICLES, key=len, reverse=True)))  # noqa: UP031 - no braces in it


def content_words(text: str) -> set[str]:
    """The words of `text` in the form in which a label is compared with a quote."""
    return {stem(word.lower()) for word in WORD_PATTERN.findall(text)}


def supports_label(label: str, quote: str) -> bool:
    """True when `quote` names at least half of what `label` names; Korean words match with any particle behind."""
    wanted = content_words(label)
    if not wanted:
        return False
    there = content_words(quote)
    hits = sum(
        1 for word in wanted if word in there or (hangul_share(word) > 0.5 and any(t.startswith(word) for t in there))
    )
    return hits * 2 >= len(wanted)


def label_evidence(label: str, pages: Sequence[PageFeatures], limit: int = 3) -> tuple[Evidence, ...]:
    """Up to `limit` quotes that bear `label` out, most telling pages (given first) before others, one per page."""
    found: list[tuple[int, int, Evidence]] = []
    for rank, page in enumerate(pages):
        best = next((q for q in page.passages if supports_label(label, q.text)), None)
        if best is not None:
            found.append((0, rank, _to_evidence(page, best, "label")))
        elif page.title and supports_label(label, page.title):
            found.append(
                (
                    1,
                    rank,
                    Evidence(page_id=page.page_id, field="title", quote=page.title, visited_at_ms=page.visited_at_ms),
                )
            )
        if sum(1 for kind, _, _ in found if kind == 0) >= limit:
            break
    found.sort(key=lambda item: (item[0], item[1]))
    return tuple(evidence for _, _, evidence in found[:limit])


def label_evidence_from_text(label: str, pages: Iterable[CapturedPage]) -> tuple[Evidence, ...]:
    """The first sentence of the pages' texts that bears `label` out, for a label no known quote does; or nothing."""
    for page in pages:
        said = (one for line in page.text[:_MAX_CHARS_SEARCHED].splitlines() for one in split_sentences(line))
        quote = next(
            (one for one in said if len(one) <= 400 and not MARKUP.search(one) and supports_label(label, one)), None
        )
        if quote is not None:
            value = {"page_id": page.page_id, "field": "text", "quote": quote, "visited_at_ms": page.visited_at_ms}
            return (Evidence.model_validate(value),)
    return ()


def describe_topic(
    keywords: Iterable[str],
    label: str,
    pages: Sequence[PageFeatures],
    weight: Sequence[float],
    words_of: dict[str, set[str]],
) -> tuple[str, tuple[Evidence, ...]]:
    """The one sentence of `pages` that says most about `label`, and where it stands; empty when no page has text."""
    wanted = content_words(label)
    wider = content_words(" ".join(keywords)) - wanted
    best: tuple[float, int, int] | None = None
    for i, page in enumerate(pages):
        for j, quote in enumerate(page.passages):
            if MARKUP.search(quote.text) or len(quote.text) < 12:
                continue
            there = words_of.get(quote.text)
            if there is None:
                there = words_of[quote.text] = content_words(quote.text)
            hits = _count_matches(wanted, there) / max(1, len(wanted))
            more = _count_matches(wider, there) / max(1, len(wider))
            score = 1.2 * hits + 0.9 * more + 0.5 * weight[i]
            score += 0.25 if quote.field == "highlight" else 0.0
            score += 0.3 if quote.text[-1] in ".!?。" else 0.0
            score -= 0.4 if len(quote.text) < 30 and hangul_share(quote.text) < 0.3 else 0.0
            score -= 0.02 * j
            key = (round(score, 9), -i, -j)
            if best is None or key > best:
                best = key
    if best is None:
        return "", ()
    page, quote = pages[-best[1]], pages[-best[1]].passages[-best[2]]
    return shorten(strip_markup(quote.text), 240), (_to_evidence(page, quote, "description"),)


def page_evidence(page: PageFeatures) -> tuple[str, tuple[Evidence, ...]]:
    """A page's own description (its first telling quote) and the evidence for its label and that description."""
    evidence: list[Evidence] = []
    if page.title:
        evidence.append(
            Evidence(page_id=page.page_id, field="title", quote=page.title, visited_at_ms=page.visited_at_ms)
        )
    said = next((q for q in page.passages if q.text.casefold() not in page.title.casefold()), None)
    if said is not None:
        evidence.append(_to_evidence(page, said, "description"))
        return shorten(strip_markup(said.text), 240), tuple(evidence)
    if not evidence:
        evidence.append(Evidence(page_id=page.page_id, field="url", quote=page.url, visited_at_ms=page.visited_at_ms))
    return "", tuple(evidence)


def _count_matches(wanted: set[str], there: set[str]) -> int:
    return sum(1 for word in wanted if word in there or (not word.isascii() and any(t.startswith(word) for t in there)))


def _to_evidence(page: PageFeatures, quote: Passage, supports: str) -> Evidence:
    return Evidence.model_validate(
        {
            "page_id": page.page_id,
            "field": quote.field,
            "quote": quote.text,
            "supports": supports,
            "visited_at_ms": page.visited_at_ms,
        }
    )
