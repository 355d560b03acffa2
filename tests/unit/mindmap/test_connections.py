"""Which words that two pages share connect them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cluster.mindmap.clustering.corpus import build_corpus
from cluster.mindmap.outline.cross_links import find_cross_links
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text.meaning import PageVector
from models.recording.pages import CapturedPage
from tests.support.map_sessions import make_page

#: Cosines of texts and of meanings at which only the words decide.
ALIKE, NEAR, RELATED, UNRELATED = 0.5, 0.4, 0.39, 0.29
#: A page about each of two subjects, with a text that names its own words twice.
GLAZE = "The potter mixes feldspar. The feldspar is sieved before it meets the cobalt. Cobalt makes a glaze blue."
SOIL = "The gardener turns compost. The compost feeds the orchard. An orchard needs lime."


def connections(pages: Sequence[CapturedPage], meaning: float | None) -> list[tuple[str, ...]]:
    """The shared terms of each connection of two pages of different topics."""
    vector = PageVector("", b"", has_prose=True)
    corpus = build_corpus([replace(page_features(page), meaning=vector) for page in pages])
    shape = (len(pages), len(pages))
    meanings = None if meaning is None else np.full(shape, meaning)
    topics = np.arange(len(pages))
    ids = [f"topic{i}" for i in topics]
    links = find_cross_links(corpus, PhraseIndex(corpus), np.full(shape, ALIKE), topics, ids, meanings)
    return [tuple(sorted(term.lower() for term in link.terms)) for link in links]


def pair(
    titles: tuple[str, str], shared: str, hosts: tuple[str, str] = ("clay.example", "soil.example")
) -> list[CapturedPage]:
    """Two pages of different subjects whose texts end in the same sentences."""
    return [
        make_page(f"https://{host}/{i}", title, f"{text} {shared}")
        for i, (host, title, text) in enumerate(zip(hosts, titles, (GLAZE, SOIL), strict=True))
    ]


TWO_WORDS = "The limestone lies beside a furnace. Limestone melts in the furnace."
ONE_WORD = "The limestone lies here. Limestone melts."


@pytest.mark.parametrize("meaning", [RELATED, NEAR, None])
def test_two_shared_words_connect_pages_if_one_is_in_a_title(meaning: float | None) -> None:
    assert connections(pair(("Limestone for potters", "Winter orchard"), TWO_WORDS), meaning) == [
        ("furnace", "limestone")
    ]
    # Of two texts they are chance.
    assert not connections(pair(("Blue pottery", "Winter orchard"), TWO_WORDS), meaning)


def test_a_single_word_connects_only_pages_with_it_in_both_titles_that_are_near_in_meaning() -> None:
    of_both = pair(("Limestone for potters", "Limestone for an orchard"), ONE_WORD)
    assert connections(of_both, NEAR) == [("limestone",)]
    assert not connections(of_both, RELATED)
    # Without vectors the titles decide.
    assert connections(of_both, None) == [("limestone",)]
    assert not connections(pair(("Limestone for potters", "Winter orchard"), ONE_WORD), NEAR)


def test_pages_about_other_things_are_not_connected() -> None:
    pages = pair(("Limestone for potters", "Limestone for an orchard"), TWO_WORDS)
    assert connections(pages, RELATED)
    assert not connections(pages, UNRELATED)


@pytest.mark.parametrize(
    ("titles", "shared"),
    [
        (("Kilowatt and minutes of a kiln", "Kilowatt and minutes of a pump"), "Kilowatt, minutes. Minutes, kilowatt."),
        (("Store and convert cobalt", "Store and convert compost"), "Store and convert it. Convert, store."),
        (("가마의 편집과 삭제", "퇴비의 편집과 삭제"), "편집과 삭제를 한다. 편집, 삭제."),
        # A noun that pages use as a verb names an action: what is fermented or matured connects nothing.
        (("유약 숙성의 첫날", "퇴비 숙성의 비용"), "숙성을 한다. 숙성하고 숙성합니다."),
    ],
)
def test_units_and_verbs_connect_nothing(titles: tuple[str, str], shared: str) -> None:
    assert not connections(pair(titles, shared), NEAR)


def test_the_name_of_a_site_connects_none_of_its_pages() -> None:
    titles, text = ("Limestone for potters", "Limestone for an orchard"), "Limestone reports. Limestone asks."
    assert connections(pair(titles, text), NEAR) == [("limestone",)]
    of_the_site = ("www.limestone.example", "blog.limestone.example")
    assert not connections(pair(titles, text, of_the_site), NEAR)
