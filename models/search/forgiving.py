"""What a query may mean that has no match as typed: one typing error in a word, or Korean written without a space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from models.search.words import fold_text, paired_words, query_lexeme, query_runs, search_words

#: One error in a shorter word would make it match too much.
MIN_TYPO_CHARS = 3
#: Every error is forgiven in words of so many letters. In shorter ones a replaced letter makes another word too often:
#: only a missing letter and exchanged neighbours are, of the whole word, and only in a query of few words, because so
#: short a word has many candidates.
_MIN_ANY_ERROR_CHARS: Final = 4
_MAX_RUNS_WITH_SHORT: Final = 2
#: Words written together are shorter. A space at every place of a long run would make a query of quadratic length.
_MAX_TOGETHER_CHARS: Final = 24
#: The least trigram similarity of a word with one error to the right one; edit distance decides afterwards.
_SIMILARITY: Final = "0.3"
#: "rft" has two of the seven trigrams that it and "raft" have together.
_SIMILARITY_OF_SHORT: Final = "0.28"


#: Two exchanged letters leave a longer word trigrams enough to be found by.
_MAX_EXCHANGED_CHARS: Final = 7


@dataclass(frozen=True, slots=True)
class ForgivingTerm:
    """One word of a query. `tsquery` matches it, with a missing space for Korean; `typo` is what may hold an error.

    `exchanged` is a tsquery of the word with each two neighbouring letters exchanged. Trigrams do not find them in a
    short word: "rfat" and "raft" have one of nine in common.
    """

    tsquery: str
    typo: str | None = None
    exchanged: str | None = None


def forgiving_terms(text: str, prefixes: Sequence[str]) -> list[ForgivingTerm]:
    """The words of a query, each with what else it may mean. Empty if nothing can be forgiven.

    A word is in the index after one of `prefixes`.
    """
    terms = []
    runs = query_runs(text)
    for is_paired, run in runs:
        if is_paired:
            terms.append(ForgivingTerm(_with_one_space(run, prefixes)))
        else:
            typo = run if _may_hold_error(run, len(runs)) else None
            exchanged = _with_exchanged_letters(run, prefixes) if typo and len(run) <= _MAX_EXCHANGED_CHARS else None
            terms.append(ForgivingTerm(query_lexeme(run, prefixes, is_start=True), typo, exchanged))
    can_forgive = any(
        _may_lack_space(run) if is_paired else term.typo for (is_paired, run), term in zip(runs, terms, strict=True)
    )
    return terms if can_forgive else []


def least_similarity(terms: Sequence[ForgivingTerm]) -> str:
    """The trigram similarity from which on a page may hold what these terms mean."""
    has_short = any(term.typo is not None and len(term.typo) < _MIN_ANY_ERROR_CHARS for term in terms)
    return _SIMILARITY_OF_SHORT if has_short else _SIMILARITY


def _may_hold_error(run: str, num_runs: int) -> bool:
    if len(run) < MIN_TYPO_CHARS or run.isdigit():
        return False
    return len(run) >= _MIN_ANY_ERROR_CHARS or num_runs <= _MAX_RUNS_WITH_SHORT


def _with_exchanged_letters(run: str, prefixes: Sequence[str]) -> str | None:
    """A tsquery of the words that become `run` when two neighbouring letters are exchanged."""
    words = {f"{run[:i]}{run[i + 1]}{run[i]}{run[i + 2 :]}" for i in range(len(run) - 1)} - {run}
    is_start = len(run) >= _MIN_ANY_ERROR_CHARS
    return " | ".join(query_lexeme(word, prefixes, is_start=is_start) for word in sorted(words)) or None


def _may_lack_space(run: str) -> bool:
    return 1 < len(run) <= _MAX_TOGETHER_CHARS


def _with_one_space(run: str, prefixes: Sequence[str]) -> str:
    """A tsquery for `run` as typed, or with a space at one place: 셀범위 also finds 셀 범위."""
    alternatives = [paired_words(run)]
    if _may_lack_space(run):
        alternatives += [[*paired_words(run[:i]), *paired_words(run[i:])] for i in range(1, len(run))]
    return " | ".join(f"({' & '.join(query_lexeme(word, prefixes) for word in words)})" for words in alternatives)


def has_word_like(typo: str, texts: Iterable[str]) -> bool:
    """Whether `texts` have a word that differs from `typo` by at most one error, or that begins with such a word."""
    return any(_may_be_meant(typo, word) for text in texts for word in search_words(text))


def _may_be_meant(typo: str, word: str) -> bool:
    """Whether `word`, or the beginning of a longer word, is `typo` with one error corrected."""
    if len(typo) >= _MIN_ANY_ERROR_CHARS:
        starts = {word, word[: len(typo) - 1], word[: len(typo)], word[: len(typo) + 1]}
        return any(is_one_error_apart(typo, start) for start in starts)
    is_complete = len(word) == len(typo) + 1 or sorted(word) == sorted(typo)
    return is_complete and is_one_error_apart(typo, word)


def meant_terms(query: str, heads: Sequence[str], folded_text: Callable[[], str]) -> list[str]:
    """The terms of a query as a page has them: as typed, else with one error corrected or with a space in Korean.

    `heads` are the page's title, highlights and topics, in which errors are forgiven; `folded_text` returns its text
    by `fold_text`, and is called only when a term is in none of them.
    """
    head_words = dict.fromkeys(word for head in heads for word in search_words(head))
    folded = [fold_text(each) for each in heads]
    terms = []
    runs = query_runs(query)
    for is_paired, run in runs:
        if any(run in each for each in folded) or run in folded_text():
            terms.append(run)
        elif is_paired:
            spaced = [f"{run[:i]} {run[i:]}" for i in range(1, len(run))]
            terms += [each for each in spaced if any(each in part for part in (*folded, folded_text()))]
        elif _may_hold_error(run, len(runs)):
            terms += [word for word in head_words if _may_be_meant(run, word)]
    return list(dict.fromkeys(terms))


def is_one_error_apart(one: str, other: str) -> bool:
    """Whether at most one letter is missing, added, replaced or exchanged with its neighbour.

    The first letter is right, or exchanged with the second.
    """
    if abs(len(one) - len(other)) > 1:
        return False
    if one == other:
        return True
    if one[:1] != other[:1]:
        return len(one) == len(other) > 1 and one[:2] == other[1::-1] and one[2:] == other[2:]
    start = _common_length(one, other)
    end = min(_common_length(one[::-1], other[::-1]), min(len(one), len(other)) - start)
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return max(len(left), len(right)) == 1 or (len(left) == 2 and left == right[::-1])


def _common_length(one: Sequence[str], other: Sequence[str]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
