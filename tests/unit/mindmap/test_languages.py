"""Maps of sessions in many languages: grouping, labels, sentences, site names, and sentences that are no evidence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.evaluation.language_sessions import LanguageSession, parse_language_sessions
from cluster.mindmap.evaluation.quality import score_map
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.pages.titles import segment_title
from cluster.mindmap.text.language import detect_language, split_sentences
from cluster.mindmap.text.stop_words import latin_language
from launch.samples import language_sessions
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from models.words import find_words
from tests.support.map_sessions import make_page

SESSIONS = parse_language_sessions(language_sessions().read_text("utf-8"))


def test_there_are_twelve_languages_and_all_scripts_without_blanks() -> None:
    languages = {session.language for session in SESSIONS}
    assert len(languages) >= 12
    assert languages >= {"en", "ko", "zh", "ja", "th", "lo", "km", "my"}


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.language)
def test_every_language_is_as_good_as_english(session: LanguageSession) -> None:
    def scores(of: LanguageSession) -> tuple[float, float]:
        quality = score_map(build_map(of.pages), {page.page_id: page.url for page in of.pages}, of.truth)
        return quality.ari, quality.label_hits

    english = scores(next(session for session in SESSIONS if session.language == "en"))
    for score, expected in zip(scores(session), english, strict=True):
        assert score >= expected - 0.05
    document = build_map(session.pages)
    assert validate_document(document, session.pages) == []
    for node in document.nodes:
        for evidence in node.data.evidence:
            assert len(list(split_sentences(evidence.quote))) <= 2
        if node.type == "topic":
            assert len(find_words(node.label)) <= 4


def test_the_map_does_not_depend_on_hash_seeds() -> None:
    code = (
        "import hashlib, json\n"
        "from cluster.mindmap.build import build_map\n"
        "from cluster.mindmap.evaluation.language_sessions import parse_language_sessions\n"
        "from launch.samples import language_sessions\n"
        "for s in parse_language_sessions(language_sessions().read_text('utf-8')):\n"
        "    for pages in (s.pages, s.pages[::-1]):\n"
        "        print(hashlib.sha256(json.dumps(build_map(pages).to_json()).encode()).hexdigest())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    [output] = outputs
    digests = output.split()
    assert digests[::2] == digests[1::2]


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("京都の紅葉。見頃です！本当？はい。", ["京都の紅葉。", "見頃です！", "本当？", "はい。"]),
        ("「はい。」と言った。次の文。", ["「はい。」と言った。", "次の文。"]),
        ("这是茶。那是水！", ["这是茶。", "那是水！"]),
        ("यह चाय है। वह पानी है॥", ["यह चाय है।", "वह पानी है॥"]),
        ("هل هذا شاي؟ نعم.", ["هل هذا شاي؟", "نعم."]),
        ("یہ چائے ہے۔ وہ پانی ہے۔", ["یہ چائے ہے۔", "وہ پانی ہے۔"]),
        ("នេះជាតែ។នោះជាទឹក។", ["នេះជាតែ។", "នោះជាទឹក។"]),
        ("လက်ဖက်ရည်။ရေ။", ["လက်ဖက်ရည်။", "ရေ။"]),
        ("ይህ ሻይ ነው። ያ ውሃ ነው።", ["ይህ ሻይ ነው።", "ያ ውሃ ነው።"]),
        ("Սա թեյ է։ Դա ջուր է։", ["Սա թեյ է։", "Դա ջուր է։"]),
        ('He said "no." Version 3.5 of node.js is out.', ['He said "no."', "Version 3.5 of node.js is out."]),
        ("차를 마신다. 물을 마신다.", ["차를 마신다.", "물을 마신다."]),
    ],
)
def test_sentences_end_as_their_script_says(line: str, sentences: list[str]) -> None:
    assert list(split_sentences(line)) == sentences


def test_long_thai_text_is_divided_at_blanks() -> None:
    line = " ".join(["กล้องโทรทรรศน์ที่มีกระจกใหญ่เห็นดาวมากกว่า"] * 6)
    sentences = list(split_sentences(line))
    assert len(sentences) == 6
    assert all(sentence in line for sentence in sentences)


@pytest.mark.parametrize(
    ("title", "segments"),
    [
        ("量子计算机的工作原理_科学网", ("量子计算机的工作原理", "科学网")),
        ("MySQL教程-菜鸟教程", ("MySQL教程", "菜鸟教程")),
        ("抹茶の歴史｜茶の国", ("抹茶の歴史", "茶の国")),
        ("阿尔伯特·爱因斯坦", ("阿尔伯特·爱因斯坦",)),
        ("col·lecció d'art", ("col·lecció d'art",)),
        ("p < 0.05 is not proof", ("p < 0.05 is not proof",)),
        ("x > y and z", ("x > y and z",)),
    ],
)
def test_titles_of_other_scripts_are_split(title: str, segments: tuple[str, ...]) -> None:
    assert segment_title(title) == segments


def test_a_site_is_no_topic() -> None:
    texts = {
        "量子": [
            "量子计算机利用量子叠加来进行运算。",
            "量子比特是量子计算机的基本单位。",
            "离子阱量子计算机的保真度很高。",
        ],
        "绿茶": ["绿茶要用八十度的水冲泡。", "绿茶的茶叶没有发酵。", "存放绿茶的地方要干燥阴暗。"],
    }
    for separator in (" - ", "_", "｜", "-"):
        pages = [
            make_page(f"https://{i}{j}.example/", f"{text[:8]}{separator}{site}", text)
            for i, (site, (_, sentences)) in enumerate(zip(("科学网", "百科全书"), texts.items(), strict=True))
            for j, text in enumerate(sentences)
        ]
        labels = [node.label for node in build_map(pages).nodes if node.type == "topic"]
        assert not any("科学网" in label or "百科" in label for label in labels), (separator, labels)


def test_the_title_of_one_page_is_cut_to_a_label() -> None:
    title = "离子阱量子计算机与超导量子计算机的保真度和速度比较研究报告"
    pages = [make_page("https://a.example/", title, "离子阱量子计算机的保真度很高，但是速度较慢。")]
    [topic] = [node for node in build_map(pages).nodes if node.type == "topic"]
    assert 2 <= len(topic.label) <= 12
    assert topic.label != title


def _pages_with_notice(notice: str) -> list[CapturedPage]:
    facts = [
        "Sourdough bread needs flour, water and salt in a warm kitchen.",
        "A bread oven is heated for an hour before the bread goes in.",
        "Rye bread keeps longer than wheat bread because it holds water.",
        "Bread crust turns brown because sugar and protein react at heat.",
    ]
    return [
        make_page(f"https://a{i}.example/", f"Bread {i}", f"{notice.format(i, i)}\n{fact}")
        for i, fact in enumerate(facts)
    ]


@pytest.mark.parametrize(
    "notice",
    [
        "We use cookies so that you can read about bread in the best possible way.",
        "Bread Magazine number {} was updated {} days ago by our bread editors.",
        "Subscribe to our bread newsletter and never miss a bread recipe again! {}",
    ],
)
def test_sentences_that_stand_on_many_pages_are_no_evidence(notice: str) -> None:
    pages = _pages_with_notice(notice)
    quotes = [quote.quote for node in build_map(pages).nodes for quote in node.data.evidence]
    start = notice[:16].split("{", maxsplit=1)[0]
    assert quotes
    assert not any(start in quote for quote in quotes)
    assert any("Rye bread" in quote for quote in quotes)


def test_a_highlight_is_evidence_on_however_many_pages_its_sentence_stands() -> None:
    notice = "We use cookies so that you can read about bread in the best possible way."
    pages = _pages_with_notice(notice)
    marked = make_page(pages[0].url, pages[0].title, pages[0].text, highlights=(notice,))
    document = build_map([marked, *pages[1:]])
    node = document.node(marked.page_id)
    assert node is not None
    assert any(quote.quote == notice for quote in node.data.evidence)


def test_the_language_of_latin_text_is_recognised_by_its_words() -> None:
    german = "Ein platter Reifen wird mit einem Flicken repariert und das Rad ist wieder ganz, aber nicht für immer."
    assert latin_language(find_words(german)) == "de"
    assert latin_language(find_words("The tyre is repaired with a patch and then it is as good as new for all")) == "en"
    assert page_features(make_page("https://a.example/", "Reifen", german)).language == "de"


def test_more_scripts_are_detected() -> None:
    samples = {
        "th": "ภาษาไทย",
        "lo": "ພາສາລາວ",
        "km": "ភាសាខ្មែរ",
        "my": "မြန်မာဘာသာ",
        "bn": "বাংলা",
        "ta": "தமிழ்",
        "ka": "ქართული",
    }
    assert {code: detect_language(text) for code, text in samples.items()} == {code: code for code in samples}
