"""Keeps of a model's wording only what its pages support; the local pipeline's words take the place of the rest.

A page can ask a model to advertise an address, or to tell what stands on another page. So a label, a summary or a
keyword is kept only if most of its words stand in its own pages, if its numbers and code-like names do, and if it
contains no address. The checks read the pages themselves, so that they also hold for cached responses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import CrossLink, Outline, OutlineTopic
from cluster.mindmap.text.words import KOREAN_STOP_WORDS, STOP_WORDS
from cluster.providers.types import PageDescription
from models.recording.pages import CapturedPage
from models.text import strip_invisible
from models.words import find_words

#: The share of content words that must stand in the pages. A summary of a topic or of a session is more general.
LABEL_SHARE, SUMMARY_SHARE, GENERAL_SHARE = 0.5, 0.5, 0.4
#: So many words in a row that stand nowhere in the pages are a sentence from elsewhere, not a paraphrase.
MAX_FOREIGN_RUN = 2
#: From this length on a word also matches by its beginning: "palaces" stands for "palace", "gebackene" for "gebacken".
_MIN_STEM_CHARS = 5
#: Words that models use for any page and that no page must contain.
_NEUTRAL_WORDS = frozenset(
    """
    about article articles compare compared compares comparison cover covers describes description discusses explain
    explained explaining explains explores gives guide introduces introduction lists overview page pages person provides
    read reading reads session show shows summary text topic topics user website
    """.split()  # noqa: SIM905 - a list of words is easier to read than one of strings
)
_OBFUSCATED_DOT = re.compile(r"\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?|(?<=[a-z0-9])[。｡](?=[a-z])", re.IGNORECASE)
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]{1,15}:/{1,3}\S+"  # any scheme
    r"|(?:mailto|javascript|data|tel):\S+"
    r"|\bwww\d?\.\S+"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}[/:?#]\S+"  # a host with a path, port or query
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b",
    re.IGNORECASE,
)
#: A host, or a name such as "Node.js" or "main.py".
_DOTTED_NAME = re.compile(r"(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?!\w)", re.IGNORECASE)
_CODE = re.compile(r"\w*\d\w*|\b[A-Z]{4,}\b")


class PageText:
    """The text of one or several pages, for questions about single words."""

    def __init__(self, pages: Sequence[CapturedPage]) -> None:
        self._texts = [_folded("\n".join((p.title, p.text, p.url, *p.highlights))) for p in pages]

    def contains(self, text: str) -> bool:
        """Whether `text` stands in one of the pages, in any case of letters."""
        folded = _folded(text)
        return any(folded in page for page in self._texts)

    def contains_token(self, token: str) -> bool:
        """Whether `token` stands in one of the pages as a whole word."""
        pattern = re.compile(rf"(?<!\w){re.escape(_folded(token))}(?!\w)")
        return any(pattern.search(page) for page in self._texts)

    def has_word(self, word: str) -> bool:
        """Whether `word`, or a form of it, stands in one of the pages."""
        folded = _folded(word)
        if any(char >= "\u0e00" for char in folded):
            # Words take particles and endings, or are not divided by blanks: compare pairs of letters.
            pairs = [folded[i : i + 2] for i in range(len(folded) - 1)] or [folded]
            return any(sum(pair in page for pair in pairs) * 2 >= len(pairs) for page in self._texts)
        beginning = folded[: max(_MIN_STEM_CHARS, len(folded) - 3)] if len(folded) > _MIN_STEM_CHARS else folded
        return any(beginning in page for page in self._texts)

    def supports(self, text: str, share: float, *, allows_addresses: bool = False) -> bool:
        """Whether the pages support `text`; see the module. True for an empty text."""
        if not text.strip():
            return True
        plain = _plain(text)
        if not self._addresses_are_own(plain, allows_addresses=allows_addresses):
            return False
        codes = _CODE.findall(plain)
        if not all(map(self.contains_token, codes)):
            return False
        words = [word for word in find_words(plain) if not _is_neutral(word)]
        if not words:
            # Words of grammar alone name nothing, and signs say nothing.
            return bool(codes)
        is_found = [self.has_word(word) for word in words]
        return sum(is_found) >= share * len(words) and _longest_run_without(is_found) <= MAX_FOREIGN_RUN

    def _addresses_are_own(self, text: str, *, allows_addresses: bool) -> bool:
        addresses = [match.group().rstrip(".,;:!?)'\"") for match in _ADDRESS.finditer(text)]
        if addresses and not allows_addresses:
            return False
        names = [match.group() for match in _DOTTED_NAME.finditer(_ADDRESS.sub(" ", text))]
        return all(self.contains(address) for address in addresses) and all(map(self.contains_token, names))


def grounded_description(description: PageDescription, page: CapturedPage) -> PageDescription:
    """`description` with empty fields in place of those that the page does not support."""
    text = PageText([page])
    is_summary_true = text.supports(description.description, SUMMARY_SHARE, allows_addresses=True)
    return replace(
        description,
        label=description.label if text.supports(description.label, LABEL_SHARE) else "",
        description=description.description if is_summary_true else "",
        keywords=tuple(keyword for keyword in description.keywords if text.supports(keyword, 1.0)),
    )


def grounded_outline(outline: Outline, local: Outline, pages: Mapping[str, CapturedPage]) -> Outline:
    """`outline` with the texts of the `local` outline in place of those that its pages do not support."""
    local_topics = {topic.id: topic for topic, _ in local.walk()}
    topics = tuple(_grounded_topic(topic, local, local_topics, pages) for topic in outline.topics)
    placed = [pages[page_id] for page_id in outline.placed_page_ids() if page_id in pages]
    session = PageText(placed)
    pages_by_node = {topic.id: topic.all_page_ids() for each in topics for topic, _ in each.walk()}
    return replace(
        outline,
        title=outline.title if session.supports(outline.title, LABEL_SHARE) else local.title,
        summary=outline.summary if session.supports(outline.summary, GENERAL_SHARE) else local.summary,
        topics=topics,
        cross_links=tuple(_grounded_link(link, pages_by_node, pages) for link in outline.cross_links),
    )


def _grounded_topic(
    topic: OutlineTopic, local: Outline, local_topics: Mapping[str, OutlineTopic], pages: Mapping[str, CapturedPage]
) -> OutlineTopic:
    ids = topic.all_page_ids()
    text = PageText([pages[page_id] for page_id in ids if page_id in pages])
    fallback = local_topics.get(topic.id) or _most_similar(ids, local)
    return replace(
        topic,
        label=topic.label if text.supports(topic.label, LABEL_SHARE) else fallback.label,
        description=topic.description if text.supports(topic.description, GENERAL_SHARE) else fallback.description,
        keywords=tuple(keyword for keyword in topic.keywords if text.supports(keyword, 1.0)) or fallback.keywords,
        subtopics=tuple(_grounded_topic(part, local, local_topics, pages) for part in topic.subtopics),
    )


def _most_similar(page_ids: Sequence[str], local: Outline) -> OutlineTopic:
    """The local topic or sub-topic that shares most with these pages; every page is in one."""
    page_set = set(page_ids)

    def similarity(topic: OutlineTopic) -> tuple[float, str]:
        own = set(topic.all_page_ids())
        return len(own & page_set) / max(1, len(own | page_set)), topic.id

    return max((topic for topic, _ in local.walk()), key=similarity)


def _grounded_link(
    link: CrossLink, pages_by_node: Mapping[str, Sequence[str]], pages: Mapping[str, CapturedPage]
) -> CrossLink:
    if link.terms:
        # The local pipeline made it, from words of both nodes.
        return link
    ids = {page for node in (link.source, link.target) for page in pages_by_node.get(node, (node,))}
    text = PageText([pages[page_id] for page_id in sorted(ids) if page_id in pages])
    return link if text.supports(link.label, LABEL_SHARE) else replace(link, label="")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", strip_invisible(text)).casefold()


def _plain(text: str) -> str:
    """`text` in one form: without invisible characters, full-width letters and written-out dots of addresses."""
    return _OBFUSCATED_DOT.sub(".", unicodedata.normalize("NFKC", strip_invisible(text)))


def _is_neutral(word: str) -> bool:
    folded = word.casefold()
    return len(folded) < 2 or folded in STOP_WORDS or folded in KOREAN_STOP_WORDS or folded in _NEUTRAL_WORDS


def _longest_run_without(is_found: Sequence[bool]) -> int:
    longest = run = 0
    for found in is_found:
        run = 0 if found else run + 1
        longest = max(longest, run)
    return longest
