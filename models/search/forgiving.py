"""What a query may mean that has no match as typed: one typing error in a word, or Korean written without a space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from models.search.words import fold_text, paired_words, query_runs, quoted_lexeme, search_words

#: One error in a shorter word would make it match too much.
MIN_TYPO_CHARS = 4
#: Words written together are shorter. A space at every place of a long run would make a query of quadratic length.
_MAX_TOGETHER_CHARS: Final = 24
#: The least trigram similarity of a word with one error to the right one; edit distance decides afterwards.
SIMILARITY: Final = "0.3"


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


def forgiving_terms(text: str) -> list[ForgivingTerm]:
    """The words of a query, each with what else it may mean. Empty if nothing can be forgiven."""
    terms = []
    for is_paired, run in query_runs(text):
        if is_paired:
            terms.append(ForgivingTerm(_with_one_space(run)))
        else:
            typo = run if len(run) >= MIN_TYPO_CHARS and not run.isdigit() else None
            exchanged = _with_exchanged_letters(run) if typo and len(run) <= _MAX_EXCHANGED_CHARS else None
            terms.append(ForgivingTerm(f"{quoted_lexeme(run)}:*", typo, exchanged))
    can_forgive = any(term.typo is not None or "|" in term.tsquery for term in terms)
    return terms if can_forgive else []


def _with_exchanged_letters(run: str) -> str | None:
    """A tsquery of the words that become `run` when two neighbouring letters are exchanged."""
    words = {f"{run[:i]}{run[i + 1]}{run[i]}{run[i + 2 :]}" for i in range(len(run) - 1)} - {run}
    return " | ".join(f"{quoted_lexeme(word)}:*" for word in sorted(words)) or None


def _with_one_space(run: str) -> str:
    """A tsquery for `run` as typed, or with a space at one place: 셀범위 also finds 셀 범위."""
    alternatives = [paired_words(run)]
    if len(run) <= _MAX_TOGETHER_CHARS:
        alternatives += [[*paired_words(run[:i]), *paired_words(run[i:])] for i in range(1, len(run))]
    return " | ".join(f"({' & '.join(map(quoted_lexeme, words))})" for words in alternatives)


def has_word_like(typo: str, texts: Iterable[str]) -> bool:
    """Whether `texts` have a word that differs from `typo` by at most one error, or that begins with such a word."""
    return any(
        is_one_error_apart(typo, start)
        for text in texts
        for word in search_words(text)
        for start in {word, word[: len(typo) - 1], word[: len(typo)], word[: len(typo) + 1]}
    )


def meant_terms(query: str, heads: Sequence[str], folded_text: Callable[[], str]) -> list[str]:
    """The terms of a query as a page has them: as typed, else with one error corrected or with a space in Korean.

    `heads` are the page's title, highlights and topics, in which errors are forgiven; `folded_text` returns its text
    by `fold_text`, and is called only when a term is in none of them.
    """
    head_words = dict.fromkeys(word for head in heads for word in search_words(head))
    folded = [fold_text(each) for each in heads]
    terms = []
    for is_paired, run in query_runs(query):
        if any(run in each for each in folded) or run in folded_text():
            terms.append(run)
        elif is_paired:
            spaced = [f"{run[:i]} {run[i:]}" for i in range(1, len(run))]
            terms += [each for each in spaced if any(each in part for part in (*folded, folded_text()))]
        elif len(run) >= MIN_TYPO_CHARS and not run.isdigit():
            lengths = (len(run) - 1, len(run), len(run) + 1)
            # Of a longer word only the beginning that is like the query.
            starts = {word: [word, *(word[:length] for length in lengths)] for word in head_words}
            terms += [word for word, each in starts.items() if any(is_one_error_apart(run, start) for start in each)]
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
