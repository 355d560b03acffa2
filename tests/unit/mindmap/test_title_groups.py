"""Parts of a topic that the titles of its pages name."""

from __future__ import annotations

import numpy as np

from cluster.mindmap.clustering.corpus import build_corpus
from cluster.mindmap.clustering.similarity import text_similarity
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.outline.title_groups import find_title_groups
from cluster.mindmap.pages.features import page_features
from models.recording.pages import CapturedPage
from models.urls import page_id

INVOICES = "An invoice lists the customer, the amount and the date when it is due. Reminders follow unpaid invoices."
OTHERS = {
    "Opening balances": "Enter the balances of the bank when the books begin.",
    "Stock prices": "Quotes of shares are fetched from the exchange every evening.",
    "Exchange rates": "Currencies are converted at the rate of the day.",
    "Backup copies": "Copies of the file are kept for a month.",
    "Printing cheques": "Cheques are printed on the paper of the bank.",
}


def _page(title: str, text: str) -> CapturedPage:
    url = f"https://books.example/{title.replace(' ', '-')}"
    return CapturedPage(page_id(url), url, title, text)


def test_pages_that_share_a_phrase_of_their_titles_are_a_part_of_a_large_topic() -> None:
    named = ["Unpaid invoice reminders", "Invoice numbers", "Invoice layout", "Invoice terms"]
    pages = [_page(title, INVOICES) for title in named] + [_page(*other) for other in OTHERS.items()]
    corpus = build_corpus([page_features(page) for page in pages])
    text, index = text_similarity(corpus), PhraseIndex(corpus)
    all_rows = np.arange(len(pages))
    assert [group.tolist() for group in find_title_groups(index, text, all_rows, range(9), frozenset())] == [
        [0, 1, 2, 3]
    ]
    # A word of the topic's own label names no part, and pages of other parts are not taken.
    assert not find_title_groups(index, text, all_rows, range(9), frozenset(("invoice",)))
    assert not find_title_groups(index, text, all_rows, range(2, 9), frozenset())
    assert not find_title_groups(index, text, all_rows[:7], range(7), frozenset())


def test_pages_that_have_only_a_word_in_common_are_no_part() -> None:
    titles = [f"Invoice {title.lower()}" for title in OTHERS]
    pages = [_page(title, text) for title, text in zip(titles, OTHERS.values(), strict=True)]
    pages += [
        _page(f"Ledger {number}", f"The ledger of year {number} lists every entry.") for number in range(1990, 1997)
    ]
    corpus = build_corpus([page_features(page) for page in pages])
    text = np.full((len(pages), len(pages)), 0.1)
    assert not find_title_groups(PhraseIndex(corpus), text, np.arange(len(pages)), range(len(OTHERS)), frozenset())
