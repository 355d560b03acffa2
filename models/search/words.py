"""Tokenization of text into search words, the same for pages and queries.

Scripts with spaces yield their words, case-folded, with their marks. Korean and the scripts without spaces (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) yield pairs of characters, so that 학습 is found in 강화학습은 with any particle
after it, and กาแฟ wherever a dictionary would divide the text around it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence

import regex

from models.text import normalize_unicode
from models.words import UNSPACED

_PAIRED = rf"{UNSPACED}\p{{Hangul}}々〆"
# "GPU를" has two scripts: a word ends at the boundary between them.
_RUNS = regex.compile(rf"(?V1)([{_PAIRED}][{_PAIRED}\p{{M}}]*+)|([[\p{{L}}\p{{N}}\p{{M}}]--[{_PAIRED}]]++)")
#: What not all people type: joiners, soft hyphens, the Arabic tatweel, vowel points of Arabic and Hebrew.
_OPTIONAL = regex.compile(r"[\u200b-\u200d\u00ad\u0640\u064b-\u065f\u0670\u0591-\u05bd\u05bf-\u05c7]")
#: Letters of Arabic that Persian keyboards write with other code points.
_VARIANTS = str.maketrans("يك", "یک")
MAX_WORD_CHARS = 40
#: Weights of a tsvector: title and highlights count most.
TITLE, TOPICS, ADDRESS = "A", "B", "C"


def fold_text(text: str) -> str:
    """`text` normalized (NFKC) and case-folded, without joiners and optional vowel points."""
    folded = normalize_unicode(text, "NFKC").casefold()
    return folded if folded.isascii() else _OPTIONAL.sub("", folded).translate(_VARIANTS)


def fold_with_positions(text: str) -> tuple[str, list[int]]:
    """`fold_text(text)`, and for each of its characters the position in `text` of the character that it comes from.

    One more position follows: the length of `text`.
    """
    folded: list[str] = []
    positions: list[int] = []
    for character in _CHARACTER.finditer(text):
        part = fold_text(character.group())
        folded.append(part)
        positions += [character.start()] * len(part)
    return "".join(folded), [*positions, len(text)]


_CHARACTER = regex.compile(r"\X")


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is indexed by pairs, the run) for each run of letters and digits."""
    for match in _RUNS.finditer(fold_text(text)):
        yield (True, match[1]) if match[1] else (False, match[2][:MAX_WORD_CHARS])


def _bigrams(run: str) -> Iterable[str]:
    return [run] if len(run) == 1 else (run[i : i + 2] for i in range(len(run) - 1))


def search_words(text: str) -> set[str]:
    """All search words of `text`."""
    words: set[str] = set()
    for is_paired, run in _runs(text):
        words.update(_bigrams(run) if is_paired else (run,))
    return words


def lexeme_prefix(user_id: uuid.UUID) -> str:
    """What precedes each word of a user's pages in the index: one of 256 values.

    The words of a query are prefixes of words. For a prefix, a GIN index collects the rows of all words that begin with
    it before it intersects them with those of the user: 50 ms at a million pages of 2,000 users, and more with each
    page. With these prefixes they are the words of every 256th user. A prefix for each user would be an entry in the
    index for each word of each user.
    """
    return f"{user_id.hex[:2]}/"


def _quoted_lexeme(word: str) -> str:
    """`word` as a lexeme in a tsvector or tsquery literal."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def query_lexeme(word: str, prefixes: Sequence[str], *, is_start: bool = False) -> str:
    """A tsquery literal for `word`, or with `is_start` for words that begin with it, after one of `prefixes`."""
    suffix = ":*" if is_start else ""
    alternatives = " | ".join(f"{_quoted_lexeme(prefix + word)}{suffix}" for prefix in prefixes)
    return alternatives if len(prefixes) == 1 else f"({alternatives})"


def tsvector_text(parts: Iterable[tuple[str, str]], prefix: str) -> str:
    """A tsvector literal of (weight, text) parts; a word in several parts has the weight of the first.

    `prefix` is the `lexeme_prefix` of the user.
    """
    weights: dict[str, str] = {}
    for weight, text in parts:
        for word in search_words(text):
            weights.setdefault(word, weight)
    return " ".join(f"{_quoted_lexeme(prefix + word)}:1{weight}" for word, weight in weights.items())


def unweighted_tsvector_text(text: str, prefix: str) -> str:
    """A tsvector literal without weights: half the size. `prefix` is the `lexeme_prefix` of the user."""
    return " ".join(_quoted_lexeme(prefix + word) for word in search_words(text))


def tsquery_text(text: str, prefixes: Sequence[str]) -> str | None:
    """A tsquery literal of all words, those of spaced scripts as starts of words. None if `text` has no word.

    A word is in the index after one of `prefixes`.
    """
    lexemes: dict[str, None] = {}
    for is_paired, run in _runs(text):
        if not is_paired or len(run) == 1:
            lexemes[query_lexeme(run, prefixes, is_start=True)] = None
        else:
            lexemes.update(dict.fromkeys(query_lexeme(pair, prefixes) for pair in _bigrams(run)))
    return " & ".join(lexemes) or None


def query_runs(text: str) -> list[tuple[bool, str]]:
    """The distinct runs of a query, each with whether it is indexed by pairs."""
    return list(dict.fromkeys(_runs(text)))


def paired_words(run: str) -> list[str]:
    """The words under which a run that is indexed by pairs is found."""
    return list(_bigrams(run))


def query_terms(text: str) -> list[str]:
    """The distinct runs of a query as typed, for marking them in a text."""
    return list(dict.fromkeys(run for _, run in _runs(text)))
