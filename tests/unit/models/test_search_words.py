"""Search words of every script, and the marks of matches in a snippet."""

from __future__ import annotations

import time
import uuid

import pytest

from models.search.queries import SNIPPET_CHARS, snippet
from models.search.words import (
    ADDRESS,
    TITLE,
    fold_text,
    fold_with_positions,
    lexeme_prefix,
    query_terms,
    search_words,
    tsquery_text,
    tsvector_text,
    unweighted_tsvector_text,
)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("강화학습은 어렵다", "학습"),
        ("हिन्दी व्याकरण की पुस्तक", "व्याकरण"),
        ("হরফ ও ব্যাকরণ", "ব্যাকরণ"),
        ("ประวัติศาสตร์กาแฟไทย", "กาแฟ"),
        ("ປະເທດລາວ", "ລາວ"),
        ("ប្រាសាទអង្គរវត្ត", "អង្គរវត្ត"),
        ("မြန်မာနိုင်ငံသည်", "နိုင်ငံ"),
        ("量子纠缠是联系", "纠缠"),
        ("京都の抹茶は長い", "抹茶"),
        ("می‌خواهم پایگاه‌داده", "میخواهم"),
        ("کتاب‌های فارسی", "كتاب"),
        ("مُحَمَّد", "محمد"),
        ("שָׁלוֹם", "שלום"),
        ("Nakṣatra und Straße", "STRASSE"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full"),
        ("m’ята", "ята"),
    ],
)
def test_a_query_finds_the_page(page: str, query: str) -> None:
    words = search_words(page)
    lexemes = tsquery_text(query, ["7f/"])
    assert lexemes is not None
    for lexeme in lexemes.split(" & "):
        prefix = lexeme.removesuffix(":*")[1:-1].removeprefix("7f/")
        assert any(word.startswith(prefix) if lexeme.endswith(":*") else word == prefix for word in words), lexeme


def test_words_are_in_the_index_after_the_prefix_of_their_user() -> None:
    user_id = uuid.UUID("7f0c2e9a-0000-4000-8000-000000000000")
    prefix = lexeme_prefix(user_id)
    assert unweighted_tsvector_text("Raft", prefix) == "'7f/raft'"
    weighted = tsvector_text([(TITLE, "Raft's"), (ADDRESS, "raft")], prefix)
    assert set(weighted.split()) == {"'7f/raft':1A", "'7f/s':1A"}
    assert tsquery_text("Raft 합의", [prefix]) == "'7f/raft':* & '7f/합의'"
    # Rows of an earlier version have none.
    assert tsquery_text("Raft 합의", [prefix, ""]) == "('7f/raft':* | 'raft':*) & ('7f/합의' | '합의')"


@pytest.mark.parametrize("text", ["व्याकरण", "ব্যাকরণ", "தமிழ்", "العربية", "ქართული", "nakṣatra"])
def test_a_word_is_not_cut_at_its_marks(text: str) -> None:
    assert query_terms(text) == [fold_text(text)]


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("در این صفحه می‌خواهم چای بنوشم", "میخواهم", "می‌خواهم"),
        ("Die Straße ist lang", "strasse", "Straße"),
        ("שָׁלוֹם עולם", "שלום", "שָׁלוֹם"),
        ("cafe\u0301 au lait", "café", "cafe\u0301"),
        ("हिन्दी व्याकरण", "व्याकरण", "व्याकरण"),
        ("ดื่มกาแฟไทย", "กาแฟ", "กาแฟ"),
    ],
)
def test_snippets_mark_the_letters_of_the_page(text: str, query: str, marked: str) -> None:
    found = snippet(query, None, [], f"{'Some words before. ' * 30}{text}")
    assert [found.text[start:end] for start, end in found.marks] == [marked]


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Sicilians play the Sicilian defence", "sicilan", ["Sicilians", "Sicilian"]),
        ("The Sicilian defence", "sicilian defense", ["Sicilian", "defence"]),
        ("셀 범위를 고르는 방법", "셀범위", ["셀 범위"]),
        ("셀범위를 고르는 방법", "셀 범위", ["셀범위"]),
        ("The Sicilian defence", "sicixxan", []),
    ],
)
def test_forgiven_words_are_marked_as_the_page_has_them(text: str, query: str, marked: list[str]) -> None:
    for title, highlights in ((text, []), (None, [text])):
        found = snippet(query, title, highlights, "")
        assert [found.text[start:end] for start, end in found.marks] == marked
    # Found by its title, shown by the sentence of its text.
    if marked:
        assert snippet(query, text, [], f"Before. {text}.").source == "text"


@pytest.mark.parametrize(
    ("sentence", "query"),
    [
        ("페이지 스타일을 자동으로 바꾸려면 전자메일이나 데이터베이스에서 셀 범위를 골라야 합니다. ", "스타일"),
        ("An afternoon with configuration files, bibliographies and\nmiscellaneous international keyboards. ", "with"),
    ],
)
def test_a_snippet_begins_and_ends_with_a_whole_word(sentence: str, query: str) -> None:
    words = set(sentence.split())
    # The passage begins and ends at another letter of the sentence each time.
    for num_before in range(len(sentence)):
        text = sentence[num_before:].partition(" ")[2] + sentence * 12
        shown = [snippet(query, None, [], text), snippet(query, None, [text], ""), snippet("zzz", None, [], text)]
        for found in shown:
            assert 200 < len(found.text) <= SNIPPET_CHARS
            assert set(found.text.split()) <= words, found.text


def test_a_snippet_of_a_script_without_spaces_is_not_shortened() -> None:
    assert len(snippet("抹茶", None, [], "京都の抹茶は長い歴史がある。" * 40).text) == SNIPPET_CHARS


def test_every_folded_character_has_a_position() -> None:
    folded, positions = fold_with_positions("می‌خواهم ﬁne")
    assert folded == fold_text("می‌خواهم ﬁne")
    assert len(positions) == len(folded) + 1


@pytest.mark.slow
@pytest.mark.parametrize("text", ["\u0315\u0300" * 100_000, "กา" * 100_000, "\u202eاب" * 70_000])
def test_hostile_text_is_folded_in_bounded_time(text: str) -> None:
    began = time.process_time()
    search_words(text)
    fold_with_positions(text)
    assert time.process_time() - began < 5
