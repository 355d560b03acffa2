"""Evidence for labels and descriptions: verbatim quotes from captured pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cluster.mindmap.pages.features import MIN_PAGES_OF_NOTICE, PageFeatures, Passage
from cluster.mindmap.text.language import hangul_share, is_complete_sentence, split_sentences
from cluster.mindmap.text.words import FILLER_WORDS, GENERIC_WORDS, MEASURE_WORDS, stem
from models.mindmap.document import Evidence
from models.recording.pages import CapturedPage
from models.text import shorten, strip_markup
from models.words import find_words

#: Characters of a page that are searched for a quote; labels come from the beginning of pages.
_MAX_CHARS_SEARCHED = 20_000
_MAX_QUOTE_CHARS = 400
LABEL_SEPARATOR = " · "
#: Words at the beginning of a sentence that refer to what stands before it, or that guide the reader of a page.
_POINTS_ELSEWHERE = re.compile(
    r"(this|these|those|that|it|they|he|she|we|also|but|however|so|and|or|then|therefore|otherwise|instead|click|see|"
    r"note|next|prev|previous|back|here|above|below|add a comment|sort by|share|log in|sign in|skip to)\b"
    r"|(이것|이는|이를|이런|이러한|이렇게|그것|그래서|그러나|그런데|그리고|하지만|또한|따라서|다음|위의|아래|클린봇)",
    re.IGNORECASE,
)
_CODE = re.compile(r"[{};]|\w\(\)|[=-]>|::|^\s*[$#>]\s")
_MAX_DESCRIPTION_CHARS = 240
#: What stands before a thing that a sentence mentions only: "three weeks before the race", "explained by a doctor".
_MENTION = re.compile(r"\b(before|after|by|with|without|no|as|near|than|despite)\s+(?:[^\W\d]+\s+)?$", re.IGNORECASE)
_WORDS_WITHOUT_SUBJECT = FILLER_WORDS | GENERIC_WORDS | MEASURE_WORDS


def content_words(text: str) -> set[str]:
    """The words of `text`, lower-case and without plural endings, for comparing a label with a quote."""
    return {stem(word.lower()) for word in find_words(text)}


def supports_label(label: str, quote: str) -> bool:
    """Whether `quote` contains at least half of the words of `label`.

    A Korean word matches with any particle attached. False for a label without words.
    """
    label_words = content_words(label)
    if not label_words:
        return False
    quote_words = content_words(quote)
    num_matches = sum(
        1
        for word in label_words
        if word in quote_words or (hangul_share(word) > 0.5 and any(other.startswith(word) for other in quote_words))
    )
    return num_matches * 2 >= len(label_words)


def label_halves(label: str) -> list[str]:
    """The parts of a label such as "GIMP · Image", each of which needs evidence of its own."""
    return [half for half in label.split(LABEL_SEPARATOR) if half.strip()] or [label]


def quote_problems(label: str, quote: str, field: str) -> list[str]:
    """Why a reader of `quote` alone would not say that it is about `label`, as the names of checks; empty for a good
    quote.

    `label` is a whole label or one of its halves, and `field` where in a page the quote is ("title", "text" or
    "highlight"). The checks agree with a reader on 88 of 100 quotes of the map exam (`graded_quotes.txt`).
    """
    named = [word for word in find_words(label) if word.lower() not in _WORDS_WITHOUT_SUBJECT]
    if not named:
        return ["label_without_subject"]
    lower, words = quote.lower(), content_words(quote)
    at = lower.find(named[0].lower())
    checks = {
        "not_named": not all(
            word in words or (not word.isascii() and word in lower) for word in content_words(" ".join(named))
        ),
        "points_elsewhere": field != "title" and not stands_alone(quote) and not lower.startswith("we "),
        "mention": at > 0 and _MENTION.search(quote[:at]) is not None,
    }
    return [name for name, has_failed in checks.items() if has_failed]


def label_evidence(label: str, pages: Sequence[PageFeatures], limit: int = 3) -> tuple[Evidence, ...]:
    """Up to `limit` quotes that support `label`, one per page, in the order of `pages`; fewer for each of two halves.

    Quotes that bear the label out (`quote_problems`), passages before titles; if there is none, one that has at least
    half of its words.
    """
    halves = label_halves(label)
    if len(halves) > 1:
        quotes = [quote for half in halves for quote in label_evidence(half, pages, max(1, limit - 1))]
        return tuple(dict.fromkeys(quotes))
    from_passages: list[Evidence] = []
    from_titles: list[Evidence] = []
    weak: list[tuple[int, Evidence]] = []
    for page in pages:
        quote, num_problems = _best_quote(label, page)
        if quote is None:
            continue
        if num_problems:
            weak.append((num_problems, quote))
        else:
            (from_titles if quote.field == "title" else from_passages).append(quote)
        if len(from_passages) >= limit:
            break
    if from_passages or from_titles:
        return tuple([*from_passages, *from_titles][:limit])
    return (min(weak, key=lambda pair: pair[0])[1],) if weak else ()


def _best_quote(label: str, page: PageFeatures) -> tuple[Evidence | None, int]:
    """The first passage of a page, or else its title, that supports `label` with the fewest problems; their number."""
    best, least = None, 0
    for passage in (*page.passages, Passage(page.title, "title")):
        if not supports_label(label, passage.text):
            continue
        num_problems = len(quote_problems(label, passage.text, passage.field))
        if best is None or num_problems < least:
            best, least = passage, num_problems
        if not least:
            break
    if best is None:
        return None, 0
    return (_title_evidence(page) if best.field == "title" else _to_evidence(page, best, "label")), least


def label_evidence_from_text(label: str, pages: Sequence[CapturedPage]) -> tuple[Evidence, ...]:
    """The first sentence in the pages' full texts that bears `label` out, or else supports it; empty when none does.

    For labels that no passage of `PageFeatures` supports. A sentence that stands on several of `pages` is no evidence.
    """
    weak: tuple[Evidence, ...] = ()
    for page in pages:
        lines = page.text[:_MAX_CHARS_SEARCHED].splitlines()
        for sentence in (sentence for line in lines for sentence in split_sentences(line)):
            if len(sentence) > _MAX_QUOTE_CHARS or not supports_label(label, sentence) or _is_notice(sentence, pages):
                continue
            quote = Evidence(page_id=page.page_id, field="text", quote=sentence, visited_at_ms=page.visited_at_ms)
            if not quote_problems(label, sentence, "text"):
                return (quote,)
            weak = weak or (quote,)
    return weak


def _is_notice(sentence: str, pages: Iterable[CapturedPage]) -> bool:
    return sum(1 for page in pages if sentence in page.text[:_MAX_CHARS_SEARCHED]) >= MIN_PAGES_OF_NOTICE


def describe_topic(
    keywords: Iterable[str],
    label: str,
    pages: Sequence[PageFeatures],
    weights: Sequence[float],
    words_of_passage: dict[str, set[str]],
) -> tuple[str, tuple[Evidence, ...]]:
    """The sentence of `pages` that says most about a topic, and the evidence for it; empty when no page has text.

    `weights` holds the importance of each page. `words_of_passage` caches `content_words` by passage between calls.
    """
    label_words = content_words(label)
    keyword_words = content_words(" ".join(keywords)) - label_words
    best: tuple[float, int, int] | None = None
    for i, page in enumerate(pages):
        for j, passage in enumerate(page.passages):
            if len(passage.text) < 12:
                continue
            words = words_of_passage.get(passage.text)
            if words is None:
                words = words_of_passage[passage.text] = content_words(passage.text)
            score = 1.2 * _matched_share(label_words, words) + 0.9 * _matched_share(keyword_words, words)
            score += 0.5 * weights[i]
            score += 0.25 if passage.field == "highlight" else 0.0
            score += 0.3 if is_complete_sentence(passage.text) else 0.0
            score -= 0.4 if len(passage.text) < 30 and hangul_share(passage.text) < 0.3 else 0.0
            score -= 0.0 if stands_alone(passage.text) else 0.6
            score -= 0.02 * j
            key = (round(score, 9), -i, -j)
            if best is None or key > best:
                best = key
    if best is None:
        return "", ()
    _, page_position, passage_position = best
    page = pages[-page_position]
    passage = page.passages[-passage_position]
    return _description(passage), (_to_evidence(page, passage, "description"),)


def stands_alone(text: str) -> bool:
    """Whether a reader understands `text` without what stands before it: no pointer, no half sentence, no code."""
    if not text or not (text[0].isalnum() or text[0] in "\"'“‘「『《<(") or (text[0].isascii() and text[0].islower()):
        return False
    return not (_POINTS_ELSEWHERE.match(text) or _CODE.search(text[:60]))


def page_evidence(page: PageFeatures) -> tuple[str, tuple[Evidence, ...]]:
    """A page's description (its first passage that adds to its title) and the evidence for its label and description.

    The description is empty when the page has no such passage.
    """
    evidence = [_title_evidence(page)] if page.title else []
    adding = [p for p in page.passages if p.text.casefold() not in page.title.casefold()]
    # What the reader marked may speak of "we", but not begin in the middle of a sentence.
    passage = next(
        (p for p in adding if stands_alone(p.text) or (p.field == "highlight" and p.text.lower().startswith("we "))),
        adding[0] if adding else None,
    )
    if passage is not None:
        return _description(passage), (*evidence, _to_evidence(page, passage, "description"))
    if not evidence:
        url = Evidence(page_id=page.page_id, field="url", quote=page.url, visited_at_ms=page.visited_at_ms)
        evidence = [url]
    return "", tuple(evidence)


def _matched_share(words: set[str], passage_words: set[str]) -> float:
    """Share of `words` that occur among `passage_words`; words of other scripts than Latin also as prefixes."""
    num_matches = sum(
        1
        for word in words
        if word in passage_words or (not word.isascii() and any(other.startswith(word) for other in passage_words))
    )
    return num_matches / max(1, len(words))


def _description(passage: Passage) -> str:
    return shorten(strip_markup(passage.text), _MAX_DESCRIPTION_CHARS)


def _title_evidence(page: PageFeatures) -> Evidence:
    return Evidence(page_id=page.page_id, field="title", quote=page.title, visited_at_ms=page.visited_at_ms)


def _to_evidence(page: PageFeatures, passage: Passage, supports: str) -> Evidence:
    return Evidence.model_validate(
        {
            "page_id": page.page_id,
            "field": passage.field,
            "quote": passage.text,
            "supports": supports,
            "visited_at_ms": page.visited_at_ms,
        }
    )
