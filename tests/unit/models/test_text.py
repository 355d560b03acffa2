"""Cleaning of captured text: signs keep their meaning, invisible characters are removed, meaningful joiners stay."""

from __future__ import annotations

import time
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from models.text import (
    collapse_whitespace,
    normalize_unicode,
    quoted,
    shorten,
    strip_emphasis,
    strip_invisible,
    strip_markup,
)


@pytest.mark.parametrize(
    "text",
    [
        "p < 0.05 is not proof: x > y and a -> b",
        "0 < x < 1, y >= 2, a <= b, a <=> b, x << 2, y >> 1",
        "std::vector<int> versus std::map<std::string, int>",
        "Promise<void> and Array<T extends object>",
        "#include <stdio.h>",
        "The <dialog> element: MDN",
        "<br>: The Line Break element",
        "Where <b> differs from <strong>",
        "What does &nbsp; mean, and &lt;?",
        "AT&T, R&D",
        "**kwargs, 2**8, __init__, `ls -la`, ~~old~~",
        "[[nodiscard]] and f[i](x)",
        "javascript: addresses explained",
        "I <3 maps",
        "<?php echo 1 ?>",
        "x <- 3; y -> z; |> pipe",
        "git commit -m <message>",
        "C#, C++, F#, $PATH, 100%",
    ],
)
def test_signs_of_formulas_and_code_are_text(text: str) -> None:
    assert strip_markup(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<em>New</em> phone", "New phone"),
        ("H<sub>2</sub>O", "H2O"),
        ("<p>One</p><p>two</p>", "One two"),
        ("One<br>two", "One two"),
        ("<script>alert('x')</script>Bread", "Bread"),
        ("<img src=x onerror=alert(1)> Bread", "Bread"),
        ('<a href="https://a.example">Link</a> here', "Link here"),
        ("Bread <!-- draft --> flour", "Bread flour"),
        ("<b><i>deep</i></b>", "deep"),
        ("<scr\u200bipt>x</script>y", "y"),
    ],
)
def test_html_that_a_site_left_in_a_title_is_removed(text: str, clean: str) -> None:
    assert strip_markup(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "می‌خواهم پایگاه‌داده‌ی رابطه‌ای",  # ZWNJ
        "۱۳۷۰ه‍.ش",  # ZWJ after a letter, at the end of a word
        "ന്‍ അവന്‍",  # chillu: virama and ZWJ
        "ক্‌ষ র‍্যাব",
        "क्‍ष श्री‌मान्",
        "👩‍💻 👨‍👩‍👧‍👦 👩🏽‍🚀 ❤️‍🔥 🏴‍☠️",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
    ],
)
def test_joiners_with_a_meaning_are_kept(text: str) -> None:
    assert strip_invisible(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("java\u200cscript", "javascript"),
        ("zero\u200dwidth", "zerowidth"),
        ("\u200cword\u200d", "word"),
        ("한\u200c글", "한글"),
        ("x\u202ey\u202c", "xy"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("\ufeffbom", "bom"),
    ],
)
def test_idle_invisible_characters_are_removed(text: str, clean: str) -> None:
    assert strip_invisible(text) == clean


@given(st.text(alphabet=st.sampled_from("aا्क\u200c\u200d👩💻🏽\ufe0f\U000e0041\u0301 \u202e"), max_size=20))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert strip_invisible(strip_invisible(text)) == strip_invisible(text)
    for size in range(2, 12):
        label = shorten(strip_markup(text), size)
        assert collapse_whitespace(label) == label


@pytest.mark.parametrize(
    ("text", "clean"), [("**Bread**", "Bread"), ("# Bread", "Bread"), ("`x`", "x"), ("2**8", "2**8")]
)
def test_markdown_around_a_whole_answer_is_removed(text: str, clean: str) -> None:
    assert strip_emphasis(text) == clean


@pytest.mark.parametrize("text", ["👩‍💻" * 5, "🇰🇷" * 5, "हिन्दी" * 5, "e\u0301\u0323" * 9, "می‌خواهم" * 3])
def test_a_cut_never_divides_a_letter_or_an_emoji(text: str) -> None:
    for size in range(3, 20):
        cut = shorten(text, size)
        assert len(cut) <= size
        kept = regex.findall(r"\X", cut.removesuffix("…"))
        expected = regex.findall(r"\X", text)[: len(kept)]
        assert [c.rstrip("\u200c") for c in kept] == [c.rstrip("\u200c") for c in expected]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "\u0315\u0300" * 2_500_000,  # Normalising this as it is takes hours: marks are sorted in quadratic time.
        "a\u0315\u0300" * 1_700_000,
        "\u05d0a\u202e" * 1_700_000,
        "ا\u200cb" * 1_700_000,
        "<b>" * 1_700_000,
    ],
    ids=["marks only", "letters with marks", "mixed directions", "joiners", "tags"],
)
def test_five_megabytes_are_cleaned_in_bounded_time(text: str) -> None:
    began = time.process_time()
    strip_invisible(text)
    strip_markup(text)
    normalize_unicode(text, "NFKC")
    assert time.process_time() - began < 20


def test_a_quoted_text_has_single_quotation_marks_inside() -> None:
    assert quoted("Git") == "“Git”"
    assert quoted('About “merge” and "rebase"') == "“About ‘merge’ and ‘rebase’”"
    assert quoted("“셀 범위” 고르기") == "“‘셀 범위’ 고르기”"
