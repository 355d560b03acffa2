"""Words of every script: marks and joiners belong to them, and text without blanks is divided."""

from __future__ import annotations

import time

import pytest

from models.words import find_words, iter_words, join_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Node.js and C++, don't", ["Node.js", "and", "C++", "don't"]),
        ("강화학습은 GPU를 쓴다", ["강화학습은", "GPU", "를", "쓴다"]),
        ("हिन्दी व्याकरण", ["हिन्दी", "व्याकरण"]),
        ("বাংলা ব্যাকরণ", ["বাংলা", "ব্যাকরণ"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("తెలుగు ಕನ್ನಡ മലയാളം සිංහල", ["తెలుగు", "ಕನ್ನಡ", "മലയാളം", "සිංහල"]),
        ("Hawaiʻi, Oʻahu, O\u02bczbek", ["Hawaiʻi", "Oʻahu", "O\u02bczbek"]),
        ("می‌خواهم پایگاه‌داده", ["می‌خواهم", "پایگاه‌داده"]),
        ("مُحَمَّد العربية", ["مُحَمَّد", "العربية"]),
        ("שָׁלוֹם צה״ל", ["שָׁלוֹם", "צה״ל"]),
        ("Đường Việt Nam nakṣatra", ["Đường", "Việt", "Nam", "nakṣatra"]),
        ("Ёлка м’ята Ἀθῆναι", ["Ёлка", "м’ята", "Ἀθῆναι"]),
        ("ქართული հայերեն አማርኛ", ["ქართული", "հայերեն", "አማርኛ"]),
        ("量子纠缠是联系", ["量子", "纠缠", "是", "联系"]),
        ("萎凋與發酵", ["萎凋", "與", "發酵"]),
        ("𠀀㐀", ["𠀀", "㐀"]),
        ("漢字𠮟今日は", ["漢字", "𠮟", "今日", "は"]),
        ("京都の抹茶は長い歴史を持つ", ["京都", "の", "抹茶", "は", "長い", "歴史", "を", "持つ"]),
        ("กาแฟไทย", ["กาแฟ", "ไทย"]),
        ("ປະເທດລາວ", ["ປະເທດ", "ລາວ"]),
        ("ប្រទេសកម្ពុជា", ["ប្រទេស", "កម្ពុជា"]),
        ("မြန်မာနိုင်ငံသည်", ["မြန်မာနိုင်ငံ", "သည်"]),
        ("123 4.5 👩‍💻", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert find_words(text) == words
    assert [text[word.start() : word.end()] for word in iter_words(text)] == words


def test_phrases_have_blanks_only_where_their_script_has() -> None:
    assert join_words(["量子", "纠缠"]) == "量子纠缠"
    assert join_words(["กาแฟ", "ไทย"]) == "กาแฟไทย"
    assert join_words(["GPU", "クラスター"]) == "GPU クラスター"
    assert join_words(["लोकल", "ट्रेन"]) == "लोकल ट्रेन"
    assert join_words(["셀", "범위"]) == "셀 범위"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["\u0301" * 2_000_000, "กา" * 500_000, "我" * 500_000, "اب\u200c" * 500_000, "x'" * 500_000]
)
def test_long_text_is_divided_in_bounded_time(text: str) -> None:
    began = time.process_time()
    find_words(text)
    assert time.process_time() - began < 10
