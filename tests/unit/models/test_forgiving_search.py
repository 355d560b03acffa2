"""Edit distance of at most one, and Korean with one space more."""

from __future__ import annotations

import pytest

from models.search.forgiving import forgiving_terms, has_word_like, is_one_error_apart, meant_terms

PREFIXES = ("7f/",)


@pytest.mark.parametrize(
    "typed", ["postgresql", "postgrsql", "posttgresql", "postgresqk", "potsgresql", "postgresq", "postgresqll"]
)
def test_one_error_is_forgiven(typed: str) -> None:
    assert is_one_error_apart(typed, "postgresql")
    assert is_one_error_apart("postgresql", typed)


@pytest.mark.parametrize("typed", ["rfat", "arft", "ratf"])
def test_two_exchanged_letters_of_a_short_word(typed: str) -> None:
    assert is_one_error_apart(typed, "raft")
    (term,) = forgiving_terms(typed, PREFIXES)
    assert "'7f/raft':*" in (term.exchanged or "").split(" | ")


def test_words_that_cannot_have_exchanged_letters() -> None:
    assert [term.exchanged for term in forgiving_terms("aaaa raf postgresql", PREFIXES)] == [None, None, None]
    assert not is_one_error_apart("arft", "rafts")
    assert not is_one_error_apart("tarf", "raft")


@pytest.mark.parametrize(
    ("typed", "word", "is_meant"),
    [
        ("rft", "raft", True),
        ("rat", "raft", True),
        ("gti", "git", True),
        ("cat", "car", False),
        ("rft", "rafts", False),
        ("gti", "gits", False),
    ],
)
def test_in_three_letters_one_is_missing_or_two_are_exchanged(typed: str, word: str, is_meant: bool) -> None:
    assert has_word_like(typed, [word]) == is_meant
    assert (meant_terms(typed, [word], lambda: "") == [word]) == is_meant


def test_short_words_are_forgiven_in_queries_of_few_words() -> None:
    assert [term.typo for term in forgiving_terms("rft consensus", PREFIXES)] == ["rft", "consensus"]
    assert [term.typo for term in forgiving_terms("the rft consensus", PREFIXES)] == [None, None, "consensus"]


@pytest.mark.parametrize("typed", ["postgrql", "mostgresql", "sqlpostgre", "psotgrseql", "postgresqlab"])
def test_more_errors_or_a_wrong_first_letter_are_not(typed: str) -> None:
    assert not is_one_error_apart(typed, "postgresql")


def test_korean_runs_may_lack_one_space() -> None:
    (term,) = forgiving_terms("셀범위", PREFIXES)
    assert term.tsquery == "('7f/셀범' & '7f/범위') | ('7f/셀' & '7f/범위') | ('7f/셀범' & '7f/위')"
    assert forgiving_terms("go 12345", PREFIXES) == []


def test_a_long_run_is_not_divided_at_every_place() -> None:
    assert forgiving_terms("셀범위" * 40, PREFIXES) == []
