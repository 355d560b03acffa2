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
#: The beginning of a sentence whose subject stands before it ("On bottling day they need …").
_SUBJECT_ELSEWHERE = re.compile(
    r"(it|its|they|their|he|his|she|her)\b"
    r"|(on|in|at|for|from|with|by|after|before)\s+([\w'-]+\s+){1,3}(they|it|he|she)\b"
    r"|(이는|이를|이것|그것)",
    re.IGNORECASE,
)
#: Other words at the beginning of a sentence that refer to what stands before it, or that guide the reader of a page.
_POINTS_ELSEWHERE = re.compile(
    r"(this|these|those|that|we|also|but|however|so|and|or|then|therefore|otherwise|instead|click|see|note|next|prev|"
    r"previous|back|here|above|below|add a comment|sort by|share|log in|sign in|skip to)\b"
    r"|(이런|이러한|이렇게|그래서|그러나|그런데|그리고|하지만|또한|따라서|다음|위의|아래|클린봇)",
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
    return supports_words(content_words(label), content_words(quote))


def supports_words(label_words: set[str], quote_words: set[str]) -> bool:
    """Like `supports_label`, for the `content_words` of a label and of a quote."""
    if not label_words:
        return False
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
    label_words = content_words(label)
    for passage in (*page.passages, Passage(page.title, "title")):
        if not supports_words(label_words, content_words(passage.text)):
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


def stands_alone(text: str) -> bool:
    """Whether a reader understands `text` without what stands before it: no pointer, no half sentence, no code."""
    if not text or not (text[0].isalnum() or text[0] in "\"'“‘「『《<(") or (text[0].isascii() and text[0].islower()):
        return False
    return not (_SUBJECT_ELSEWHERE.match(text) or _POINTS_ELSEWHERE.match(text) or _CODE.search(text[:60]))


def page_evidence(page: PageFeatures) -> tuple[str, tuple[Evidence, ...]]:
    """A page's description (its first passage that adds to its title) and the evidence for its label and description.

    The description is empty when the page has no such passage, or only those whose subject stands before them: a reader
    of the map does not see it.
    """
    evidence = [_title_evidence(page)] if page.title else []
    adding = _passages_adding_to_title(page)
    # What the reader marked may speak of "we", but not begin in the middle of a sentence.
    passage = next(
        (p for p in adding if stands_alone(p.text) or (p.field == "highlight" and p.text.lower().startswith("we "))),
        next((p for p in adding if not _SUBJECT_ELSEWHERE.match(p.text)), None),
    )
    if passage is not None:
        description, own_evidence = description_of(page, passage)
        return description, (*evidence, *own_evidence)
    if not evidence:
        url = Evidence(page_id=page.page_id, field="url", quote=page.url, visited_at_ms=page.visited_at_ms)
        evidence = [url]
    return "", tuple(evidence)


def own_sentence(page: PageFeatures) -> tuple[str, tuple[Evidence, ...]]:
    """The first whole sentence of a page that adds to its title and needs none before it, as `description_of`.

    Empty when the page has none.
    """
    for passage in _passages_adding_to_title(page):
        if stands_alone(passage.text) and is_complete_sentence(passage.text):
            return description_of(page, passage)
    return "", ()


def description_of(page: PageFeatures, passage: Passage) -> tuple[str, tuple[Evidence, ...]]:
    """A passage of `page` as a description, with the evidence for it."""
    return shorten(strip_markup(passage.text), _MAX_DESCRIPTION_CHARS), (_to_evidence(page, passage, "description"),)


def _passages_adding_to_title(page: PageFeatures) -> list[Passage]:
    return [passage for passage in page.passages if passage.text.casefold() not in page.title.casefold()]


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
