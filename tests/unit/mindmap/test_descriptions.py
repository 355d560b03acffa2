"""Which sentence describes a page on the map."""

from __future__ import annotations

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.pages.features import page_features
from models.mindmap.document import Node
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from tests.support.map_sessions import make_page

SENTENCE = "Each flag (with a few exceptions) has a short form, such as CO, as well as a longer form, such as cookie."
WRAPPED = "Flags of rules\n" + SENTENCE.replace("such as CO", "such as\nCO")
NEXT = "Several flags are separated by commas and enclosed in square brackets."
OURS = "We never combine these two flags in one rule."
KOREAN = "규칙의 플래그는 대괄호 안에 쓰고 쉼표로 나눈다."


def described(page: CapturedPage) -> Node:
    document = build_map([page])
    assert validate_document(document, [page]) == []
    return next(node for node in document.nodes if node.type == "page")


@pytest.mark.parametrize(
    ("text", "highlight", "description"),
    [
        # Lines that were broken to fit a width.
        (WRAPPED, None, SENTENCE),
        # A part of a sentence that the reader marked: its end, its middle, its beginning, a sentence of a wrapped line.
        (f"{SENTENCE} {NEXT}", "a longer form, such as cookie.", SENTENCE),
        (f"{SENTENCE} {NEXT}", "has a short form, such as CO", SENTENCE),
        (f"{NEXT} {SENTENCE}", "Each flag (with a few exceptions)", SENTENCE),
        (WRAPPED, "CO, as well as a longer form, such as cookie.", SENTENCE),
        # A whole sentence stays what it is.
        (f"{SENTENCE} {NEXT}", NEXT, NEXT),
        (f"{SENTENCE} {OURS}", OURS, OURS),
        # It begins in one sentence and ends in the next.
        (f"{KOREAN} 쿠키 플래그는 값을 두 개 받는다.", "쉼표로 나눈다. 쿠키 플래그는", KOREAN),
        # What is in no captured sentence and begins in the middle describes nothing, if the page has a sentence.
        (SENTENCE, "and the rule that follows it is skipped", SENTENCE),
    ],
)
def test_a_page_is_described_by_a_whole_sentence(text: str, highlight: str | None, description: str) -> None:
    highlights = (highlight,) if highlight else ()
    page = make_page("https://rules.example/flags", "Flags of rules", text, highlights=highlights)
    assert described(page).data.description == description


@pytest.mark.parametrize("num_chars", range(3930, 4000, 12))
def test_text_beyond_what_is_read_leaves_no_half_sentence(num_chars: int) -> None:
    before = "Bread rises slowly in a cold kitchen, and a wooden spoon is all that the dough needs of tools. "
    text = (before * 50)[:num_chars].rpartition(". ")[0] + ". "
    last = "The handbook of my grandmother explains every temperature that flour bears before the loaf is baked."
    text += f"{last} {before * 3}"
    description = described(make_page("https://bread.example/", "Handbook of my grandmother", text)).data.description
    assert description in (last, before.strip())


def test_an_endless_sentence_is_cut_between_words() -> None:
    words = [f"word{number}" for number in range(1000)]
    features = page_features(make_page("https://bread.example/", "Bread", " ".join(words)))
    assert set(features.vocabulary) <= {"Bread", "bread", *words}


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("Its eigenvalues are complex numbers whose angle is the angle of the rotation.", None),
        ("On bottling day they need a sanitiser only, and a bench that is clean and dry.", None),
        ("They are bought in autumn. The bulbs of tulips are planted before the frost comes.", "The bulbs"),
        # What the page is about is said, if by the page's own name.
        ("This guide explains how a rotation in the plane is written as a matrix.", "This guide"),
    ],
)
def test_a_sentence_whose_subject_stands_before_it_describes_no_page(text: str, description: str | None) -> None:
    shown = described(make_page("https://notes.example/1", "Notes of a week", text)).data.description
    assert (shown or "").startswith(description or "")
    assert (shown is None) == (description is None)
