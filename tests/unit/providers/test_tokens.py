"""Cutting text to tokens, at the ends of sentences."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cluster.providers.token_estimate import clip, estimate_tokens, truncate

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=600)


@given(text=TEXT, limit=st.integers(1, 200))
def test_never_more_than_asked_for(text: str, limit: int) -> None:
    assert estimate_tokens(truncate(text, limit)) <= limit + 1
    assert estimate_tokens(json.dumps(clip(text, limit + 3), ensure_ascii=False)) <= limit + 5


@given(text=TEXT)
def test_what_fits_stays_as_it_is(text: str) -> None:
    assert truncate(text, 10_000) == text
    assert clip(text, 10_000) == text


def test_cuts_at_the_end_of_a_sentence() -> None:
    text = "The first sentence is here. The second follows it. " * 30
    cut = truncate(text, 60)
    assert cut.endswith(".")
    assert text.startswith(cut)
    korean = "첫 번째 문장입니다. 두 번째 문장이 이어집니다. " * 30
    assert truncate(korean, 60).endswith("다.")


def test_one_endless_sentence_is_cut_at_a_word() -> None:
    cut = truncate("word " * 1000, 50)
    assert 0 < estimate_tokens(cut) <= 50
    assert cut.endswith("word")


def test_hangul_counts_for_more_than_latin() -> None:
    assert estimate_tokens("가" * 100) > 3 * estimate_tokens("a" * 100)
