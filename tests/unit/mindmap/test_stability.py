"""The stability of topics warns of pages that belong to none of them clearly."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.mindmap.clustering.stability import LOW_STABILITY, topic_stability
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.render.exports import to_markdown
from cluster.mindmap.render.tree_text import to_tree_text
from models.mindmap import notes
from models.mindmap.notes import KOREAN_SENTENCES, SENTENCES
from models.recording.pages import CapturedPage

TOPICS = np.repeat([0, 1], 6)


def affinities(inside: float, between: float) -> np.ndarray:
    """Of two topics of six pages each."""
    matrix = np.where(TOPICS[:, None] == TOPICS[None, :], inside, between)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def test_topics_far_from_each_other_are_stable() -> None:
    matrix = affinities(0.4, 0.05)
    assert topic_stability(matrix, TOPICS, matrix) == 1.0


@pytest.mark.parametrize("num_between", [1, 3])
def test_each_page_between_two_topics_lowers_the_stability(num_between: int) -> None:
    matrix = affinities(0.4, 0.05)
    for page in range(num_between):
        matrix[page, 6:] = matrix[6:, page] = 0.3
    stability = topic_stability(affinities(0.4, 0.05), TOPICS, matrix)
    agreement = topic_stability(affinities(0.4, 0.05), TOPICS)
    assert stability is not None
    assert agreement == 1.0
    assert stability <= (12 - num_between) / 12 + 1e-4


def test_a_page_alone_is_firm_only_if_it_is_unrelated_to_the_others() -> None:
    matrix, topics = affinities(0.4, 0.05), TOPICS.copy()
    topics[0] = 2
    near = topic_stability(matrix, topics, matrix)
    unrelated = matrix.copy()
    unrelated[0, :] = unrelated[:, 0] = 0.01
    far = topic_stability(unrelated, topics, unrelated)
    assert near is not None
    assert far is not None
    assert near < far


@pytest.mark.parametrize(("stability", "warns"), [(LOW_STABILITY - 0.01, True), (LOW_STABILITY, False), (None, False)])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_map_of_a_low_stability_warns_its_reader(stability: float | None, warns: bool, language: str) -> None:
    pages = [CapturedPage(f"p_{i}", f"https://a.example/{i}", f"Sourdough {i}", "Bread rises. " * 30) for i in range(3)]
    outline = replace(build_outline([page_features(page) for page in pages]), stability=stability, language=language)
    document = compose_document(outline, pages, provider="local", session_title=None)
    assert [note.code for note in document.note_details] == ["low_stability"] * warns
    sentence = (KOREAN_SENTENCES if language == "ko" else SENTENCES)["low_stability"]
    assert (sentence in to_markdown(document)) == warns
    assert (sentence in to_tree_text(document)) == warns


def test_the_dashboard_words_every_note() -> None:
    catalogues = Path(notes.__file__).parents[2] / "clients/dashboard/src/i18n"
    for language in ("en", "ko"):
        text = (catalogues / f"{language}.ts").read_text()
        notes_of_language = text.partition("  mapNotes: {")[2].partition("\n  }")[0]
        worded = set(re.findall(r"^    (\w+): \(", notes_of_language, re.MULTILINE))
        assert worded == SENTENCES.keys(), language


def test_every_note_has_a_korean_sentence_with_the_same_values() -> None:
    values = dict.fromkeys(("vendors", "until", "reason", "count", "total", "reasons", "expected", "provider"), "VALUE")
    assert KOREAN_SENTENCES.keys() == SENTENCES.keys()
    for code, sentence in SENTENCES.items():
        korean = KOREAN_SENTENCES[code].format(**values)
        assert korean.count("VALUE") == sentence.format(**values).count("VALUE"), code
