"""Token estimates, and truncation after a sentence."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cluster.providers.token_estimate import clip, estimate_tokens, truncate

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=600)


@given(text=TEXT, limit=st.integers(1, 200))
def test_truncation_keeps_the_limit(text: str, limit: int) -> None:
    assert estimate_tokens(truncate(text, limit)) <= limit + 1
    assert estimate_tokens(json.dumps(clip(text, limit + 3), ensure_ascii=False)) <= limit + 5


@given(text=TEXT)
def test_short_text_is_unchanged(text: str) -> None:
    assert truncate(text, 10_000) == text
    assert clip(text, 10_000) == text


def test_truncation_ends_after_a_sentence() -> None:
    text = "The first sentence is here. The second follows it. " * 30
    cut = truncate(text, 60)
    assert cut.endswith(".")
    assert text.startswith(cut)
    korean = "첫 번째 문장입니다. 두 번째 문장이 이어집니다. " * 30
    assert truncate(korean, 60).endswith("다.")


def test_long_sentence_is_cut_after_a_word() -> None:
    cut = truncate("word " * 1000, 50)
    assert 0 < estimate_tokens(cut) <= 50
    assert cut.endswith("word")


def test_hangul_has_more_tokens_than_latin() -> None:
    assert estimate_tokens("가" * 100) > 3 * estimate_tokens("a" * 100)
