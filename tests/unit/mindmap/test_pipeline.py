"""Topics, labels and evidence of the local provider."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.evaluation.quality import GroundTruth, score_map
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.summary import session_title
from cluster.mindmap.pages.features import page_features
from launch.samples import sample_names, sample_truth
from models.mindmap.document import CORE_COLOR, TOPIC_COLORS
from models.mindmap.validation import validate_document
from tests.support.map_sessions import SUBJECTS, make_page, make_session, sample_map, sample_pages

ROOT = Path(__file__).parents[3]


def test_interleaved_subjects_become_separate_topics() -> None:
    pages = make_session(per_subject=6)
    outline = build_outline([page_features(page) for page in pages])
    subject_of = {page.page_id: page.title.split()[0].lower() for page in pages}
    subjects = sorted(sorted({subject_of[p] for p in topic.all_page_ids()}) for topic in outline.topics)
    assert subjects == [[subject] for subject in sorted(SUBJECTS)]
    assert {topic.label.lower().split()[0] for topic in outline.topics} == set(SUBJECTS)


def test_summary_language_is_that_of_most_pages_else_the_users() -> None:
    def summaries(name: str) -> list[str]:
        features = [page_features(page) for page in sample_pages(name)]
        return [build_outline(features, language=language).summary for language in ("ko", "en")]

    english, korean = summaries("02-web-app-week"), summaries("04-korean-office")
    assert english[0] == english[1]
    assert korean[0] == korean[1]
    in_korean, in_english = summaries("05-mixed-korean-english")
    assert "페이지" in in_korean
    assert "pages" in in_english


@pytest.mark.parametrize("name", sample_names())
@pytest.mark.parametrize("language", ["ko", "en"])
def test_title_summary_and_map_name_the_topics_in_one_order(name: str, language: str) -> None:
    outline = build_outline([page_features(page) for page in sample_pages(name)], language=language)
    labels = [topic.label for topic in outline.topics]
    heads = [label.split(" · ")[0] for label in labels[:3]]
    assert outline.title == session_title(labels, outline.language)
    for text, named in ((outline.title, heads), (outline.summary, labels[:4])):
        places = [text.find(label) for label in named]
        assert -1 not in places, text
        assert places == sorted(places), text
    assert not outline.summary.endswith("습니다.")


def test_the_sentences_of_a_remade_map_follow_its_order() -> None:
    """A map that is made again keeps the order of its topics, whatever that of the new outline is."""
    pages = sample_pages("06-long-research")
    first = build_map(pages)
    topics = [node for node in first.nodes if node.type == "topic"]
    rest = [node for node in first.nodes if node.type != "topic"]
    previous = first.model_copy(update={"nodes": (*rest, *reversed(topics))})
    again = build_map(pages, previous=previous)
    labels = [node.label for node in again.nodes if node.type == "topic"]
    assert labels == [node.label for node in reversed(topics)]
    assert again.title == session_title(labels, again.language)
    assert [again.summary.find(label) for label in labels[:4]] == sorted(again.summary.find(lb) for lb in labels[:4])
    assert -1 not in [again.summary.find(label) for label in labels[:4]]


@pytest.mark.parametrize("name", sample_names())
def test_samples_are_valid_and_agree_with_the_ground_truth(name: str) -> None:
    import json

    pages, document = sample_pages(name), sample_map(name)
    assert validate_document(document, pages) == []
    truth = GroundTruth.from_json(json.loads(sample_truth(name).read_bytes()))
    quality = score_map(document, {page.page_id: page.url for page in pages}, truth)
    assert quality.ari >= 0.7
    assert quality.coverage == 1.0
    assert quality.labels_ok == 1.0
    assert quality.importance is None or quality.importance >= 0.9


def test_the_map_does_not_depend_on_page_order() -> None:
    pages = list(sample_pages("05-mixed-korean-english"))
    expected = build_map(pages).to_bytes()
    for seed in range(3):
        random.Random(seed).shuffle(pages)
        assert build_map(pages).to_bytes() == expected


def test_the_map_does_not_depend_on_hash_seeds_or_threads() -> None:
    script = (
        "import hashlib\n"
        "from tests.support.map_sessions import sample_pages\n"
        "from cluster.mindmap.build import build_map\n"
        "print(hashlib.sha256(build_map(sample_pages('04-korean-office')).to_bytes()).hexdigest())\n"
    )
    digests = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("4242", "4")):
        environment = {"PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, env=environment, text=True, check=True
        )
        digests.add(ran.stdout)
    assert len(digests) == 1


def test_features_are_picklable_and_small() -> None:
    sizes = [len(pickle.dumps(page_features(page))) for page in sample_pages("06-long-research")]
    assert max(sizes) < 24_000
    assert sum(sizes) / len(sizes) < 10_000


def test_a_document_round_trips_through_json() -> None:
    document = sample_map("01-money-and-stars")
    assert type(document).from_json(document.to_json()) == document


def test_fields_that_the_clients_read() -> None:
    """The core is first, topics are at radius 200, and their colours are the palette in order."""
    document = sample_map("06-long-research")
    core = document.nodes[0]
    assert (core.id, core.type, core.size, core.color) == ("core", "core", 100, CORE_COLOR)
    assert (core.position.x, core.position.y, core.position.z) == (0, 0, 0)
    topics = [node for node in document.nodes if node.type == "topic"]
    assert [topic.color for topic in topics] == [TOPIC_COLORS[i % 8] for i in range(len(topics))]
    for topic in topics:
        at = topic.position
        assert (at.x**2 + at.y**2 + at.z**2) ** 0.5 == pytest.approx(200, abs=0.01)
        assert topic.size <= 80
    data = document.to_json()
    page = next(node for node in data["nodes"] if node["type"] == "page")
    assert page["data"]["visitCount"] >= 1
    assert page["data"]["totalDuration"] > 0
    assert page["data"]["urls"][0].startswith("https://")


def test_a_session_without_topics_has_only_the_core() -> None:
    """A session of excluded pages only, or without pages."""
    login = make_page("https://a.example/login", "Sign in", "Sign in to continue")
    for pages in ([], [login]):
        document = build_map(pages)
        assert [node.id for node in document.nodes] == ["core"]
        assert document.edges == ()
        assert validate_document(document, pages) == []
        assert len(document.excluded_pages) == len(pages)


def test_a_session_without_pages_has_no_generated_title_or_summary() -> None:
    """Whatever its language, the client names it in that of the screen."""
    document = build_map([])
    assert (document.title, document.summary) == ("", "")
    assert [node.label for node in document.nodes] == ["Empty session"]
    assert build_outline([], title="Mine", language="ko").title == "Mine"


def test_one_page_is_one_topic() -> None:
    pages = [make_page("https://a.example/x", "Growing tomatoes", "Tomatoes need sun. " * 20)]
    document = build_map(pages)
    assert [node.type for node in document.nodes] == ["core", "topic", "page"]
    assert validate_document(document, pages) == []
    assert len({node.label for node in document.nodes[1:]}) == 2


def test_excluded_pages_have_a_reason() -> None:
    noise = {
        "https://www.google.com/search?q=bread": ("bread - Google Search", "Results", "search_results"),
        "https://search.naver.com/search.naver?query=빵": ("빵 : 네이버 검색", "결과", "search_results"),
        "https://accounts.example.com/signin": ("Sign in", "E-mail Password", "login"),
        "https://a.example/404": ("404 Not Found", "The requested URL was not found.", "error"),
        "https://a.example/blank": ("", "", "empty"),
        "https://app.example/x": ("Loading...", "Loading", "loading"),
        "https://b.example/consent": ("We value your privacy", "Accept all cookies", "consent"),
        "https://c.example/": ("Just a moment...", "Checking", "captcha"),
        "https://mail.example/": ("Inbox (27)", "27 unread", "inbox"),
        "chrome://newtab/": ("New Tab", "", "new_tab"),
    }
    pages = make_session() + [make_page(url, title, text) for url, (title, text, _) in noise.items()]
    document = build_map(pages)
    assert {page.url: page.reason for page in document.excluded_pages} == {
        url: reason for url, (_, _, reason) in noise.items()
    }
    assert all(page.sentence for page in document.excluded_pages)
    assert validate_document(document, pages) == []


def test_an_article_about_signing_in_is_not_excluded() -> None:
    article = make_page("https://a.example/how", "Log in", "How session cookies keep you signed in. " * 30)
    assert page_features(article).exclusion_reason is None


_ARTICLE = "A reranker reads the query and each of the best hundred documents together, and it sorts them again. " * 6


@pytest.mark.parametrize(
    ("url", "title", "text"),
    [
        ("https://blog.example/?p=812", "Better search results with a reranker", "Short."),
        ("https://blog.example/?k=7", "Search results explained", ""),
        ("https://dict.example/?text=find", "find: meaning", ""),
        ("https://www.google.com/intl/en/docs?q=1", "How the index works", ""),
        ("https://docs.google.com/document/d/1?p=2", "Notes on reranking", ""),
        ("https://docs.example/search?q=rerank", "Guide to search", _ARTICLE),
        ("https://blog.example/rice", "404 ways to cook rice", "Short."),
        ("https://film.example/500", "500 Days of Summer", ""),
        ("https://docs.example/n", "Notifications", _ARTICLE[:400]),
        ("https://docs.example/login", "Log in", _ARTICLE[:200]),
    ],
)
def test_a_page_that_was_read_is_not_thrown_away(url: str, title: str, text: str) -> None:
    assert page_features(make_page(url, title, text, dwell_ms=60_000)).exclusion_reason is None


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://docs.example/search?q=reranker", "reranker - search"),
        ("https://blog.example/?s=reranker", "Search Results for “reranker” - Blog"),
        ("https://shop.example/find?query=mug", "mug"),
        ("https://www.bing.com/search?q=reranker", "reranker - Search"),
        ("https://duckduckgo.com/?q=reranker", "reranker at DuckDuckGo"),
        ("https://docs.example/a", "404 | Docs"),
        ("https://docs.example/a", "404 Page not found"),
    ],
)
def test_search_results_and_errors_are_excluded_although_someone_looked_at_them(url: str, title: str) -> None:
    assert page_features(make_page(url, title, "Results", dwell_ms=60_000)).exclusion_reason is not None


def test_a_page_with_a_highlight_stays() -> None:
    marked = make_page("https://docs.example/search?q=a", "a - search", "Results", highlights=("Results",))
    assert page_features(marked).exclusion_reason is None


def test_a_page_with_a_title_but_without_text_is_placed() -> None:
    video = make_page("https://video.example/watch?v=1", "Sourdough starter from flour and water")
    pages = [*make_session(), video]
    document = build_map(pages)
    node = document.node(video.page_id)
    assert node is not None
    bread = make_session()[0].page_id
    assert document.parents()[node.id] == document.parents()[bread]


def test_the_users_title_is_kept() -> None:
    document = build_map(make_session(), title="My <b>own</b> evening")
    assert document.title == "My <b>own</b> evening"
    assert document.nodes[0].label == "My <b>own</b> evening"


def test_importance_parts_add_up() -> None:
    document = sample_map("02-web-app-week")
    for node in document.nodes:
        if node.type in ("page", "topic"):
            parts = node.data.importance
            total = parts.dwell + parts.highlights + parts.scroll + parts.revisits + parts.centrality
            assert parts.score == pytest.approx(total, abs=1e-5)
    topics = [node.data.importance.score for node in document.nodes if node.type == "topic"]
    assert sum(topics) == pytest.approx(1.0, abs=1e-3)


def test_platform_names_are_not_labels() -> None:
    subjects = {
        "apollo": "The Apollo spacecraft carried astronauts to the Moon.",
        "sourdough": "Sourdough bread rises with a starter of wild yeast.",
    }
    pages = [
        make_page(
            f"https://en.wikipedia.org/wiki/{subject.title()}_{part}",
            f"{subject.title()} {part} - Wikipedia",
            f"{text} This page of Wikipedia, the free encyclopedia, is about its {part}.",
        )
        for subject, text in subjects.items()
        for part in ("history", "people", "science", "legacy")
    ]
    labels = [node.label for node in build_map(pages).nodes if node.type in ("core", "topic", "subtopic")]
    assert not any("wikipedia" in label.lower() for label in labels), labels
