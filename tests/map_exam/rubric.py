"""The rubric of the map exam: what a demanding reader rejects in a label, a description or a connection, as checks.

Every check is about the finished document and the captured pages alone, never about how a label was made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cluster.mindmap.pages.evidence import supports_label
from cluster.mindmap.text.language import hangul_share
from cluster.mindmap.text.words import GENERIC_WORDS, KOREAN_STOP_WORDS, PLATFORM_NAMES, STOP_WORDS, split_words, stem
from models.mindmap.document import MindmapDocument, Node
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage
from models.urls import host_of
from models.words import find_words

_HALVES = " · "
_CERTAIN_PARTICLES = split_words("을 를 은 는 에서 으로 에게 까지 부터 에는 이나 처럼")
#: Words of interfaces that the captured text of a page contains.
_INTERFACE_WORDS = frozenset(
    split_words(
        """
    subscribe share download views upvotes sort join comment comments answer asked viewed cart rating ratings
    댓글 조회 공감 이웃추가 답변 채택답변 질문 로켓배송 장바구니 상품평 리뷰 최저가 가격비교 추천 비추천 개념글
    갤러리 카페 블로그
    """
    )
)
_MIN_TITLE_SHARE = 0.5


def label_faults(node: Node, document: MindmapDocument, captured: Mapping[str, CapturedPage]) -> list[str]:
    """The names of the checks that the label of a topic or sub-topic fails; empty for a good label."""
    pages = _pages_below(node, document, captured)
    halves = node.label.split(_HALVES)
    words = find_words(node.label)
    faults = []
    if not words or len(node.label) > 40:
        faults.append("length")
    if not _stands_in_titles(node.label, pages):
        faults.append("not_in_titles")
    if any(word.lower() in PLATFORM_NAMES for word in words) or _is_host(node.label, pages):
        faults.append("platform")
    if any(_is_empty_of_meaning(half) for half in halves):
        faults.append("generic")
    if any(word.lower() in _INTERFACE_WORDS for word in words) and len(words) == 1:
        faults.append("interface")
    if any(_has_particle(half, pages) for half in halves):
        faults.append("particle")
    if any(_is_fragment(half, pages) for half in halves):
        faults.append("fragment")
    if len(halves) > 1 and not _halves_divide(halves, pages):
        faults.append("halves")
    parent = document.parents().get(node.id)
    above = next((n for n in document.nodes if n.id == parent), None)
    if node.type == "subtopic" and above is not None and _folded(node.label) & _folded(above.label):
        faults.append("parent")
    if not is_grounded(node, captured):
        faults.append("no_quote")
    return faults


def description_faults(node: Node) -> list[str]:
    """The names of the checks that a description fails."""
    text = (node.data.description or "").strip()
    if not text:
        return []
    faults = []
    if text[0].islower() or text[0] in ",.;:)]}…&|/=<>*#-":
        faults.append("starts_in_mid_air")
    if re.match(r"(?i)(this|these|those|that|it|they|he|she|also|but|however|click|see|note|so|and|or|if so)\b", text):
        faults.append("points_elsewhere")
    if re.match(r"^(이것|그것|그래서|그러나|하지만|또한|그리고|이는|이를|위의|아래)\b", text):
        faults.append("points_elsewhere")
    if re.search(r"[{};]|\w\(\)|=>|::", text[:40]):
        faults.append("code")
    if any(
        word in text.lower() for word in ("add a comment", "sort by", "클린봇", "이웃추가", "add to cart", "더보기")
    ):
        faults.append("interface")
    return faults


def is_grounded(node: Node, captured: Mapping[str, CapturedPage]) -> bool:
    """Whether every half of the label has a verbatim quote with at least half of its words."""
    quotes = [
        quote.quote
        for quote in node.data.evidence
        if quote.page_id in captured and quote_is_in_page(captured[quote.page_id], quote.field, quote.quote)
    ]
    return all(any(supports_label(half, quote) for quote in quotes) for half in node.label.split(_HALVES))


def _pages_below(node: Node, document: MindmapDocument, captured: Mapping[str, CapturedPage]) -> list[CapturedPage]:
    parents = document.parents()
    below = []
    for page in document.nodes:
        if page.type != "page" or page.data.page_id not in captured:
            continue
        above = parents.get(page.id)
        if node.id in (above, parents.get(above or "")):
            below.append(captured[page.data.page_id or ""])
    return below


def _folded(text: str) -> set[str]:
    return {stem(word.lower()) for word in find_words(text)} - {"의", "and", "the", "of"}


def _word_in(word: str, text: str, words: set[str]) -> bool:
    return word in words or (not word.isascii() and word in text)


def _stands_in_titles(label: str, pages: Sequence[CapturedPage]) -> bool:
    """Whether at least half of the label's words stand in the titles of at least half of its pages."""
    label_words = _folded(label)
    num_pages = 0
    for page in pages:
        title, title_words = page.title.lower(), _folded(page.title)
        found = sum(1 for word in label_words if _word_in(word, title, title_words))
        num_pages += found * 2 >= len(label_words) > 0
    return num_pages >= _MIN_TITLE_SHARE * len(pages)


def _is_host(label: str, pages: Sequence[CapturedPage]) -> bool:
    """Whether the label is the name of a host on which the pages are by chance: an address or a name with a dot."""
    return any(label.lower() in (host_of(page.url), host_of(page.url).removeprefix("www.")) for page in pages)


def _is_empty_of_meaning(text: str) -> bool:
    words = [word.lower() for word in find_words(text)]
    return all(w in GENERIC_WORDS or w in STOP_WORDS or w in KOREAN_STOP_WORDS or w.isdigit() for w in words)


def _has_particle(text: str, pages: Sequence[CapturedPage]) -> bool:
    """Whether the last Korean word ends with a particle without which the pages use the word too."""
    words = find_words(text)
    if not words or hangul_share(words[-1]) < 0.5:
        return False
    used = {word for page in pages for word in find_words(f"{page.title}\n{page.text}")}
    for particle in _CERTAIN_PARTICLES:
        if words[-1].endswith(particle) and len(words[-1]) - len(particle) >= 2:
            base = words[-1].removesuffix(particle)
            if base in used or any(base + other in used for other in _CERTAIN_PARTICLES if other != particle):
                return True
    return False


def _is_fragment(text: str, pages: Sequence[CapturedPage]) -> bool:
    """Whether the pages' titles have the text only as part of one longer phrase ("Stack" of "Stack Overflow")."""
    expected = [word.casefold() for word in find_words(text)]
    size = len(expected)
    before: list[str] = []
    behind: list[str] = []
    for page in pages:
        # A sign between two words separates phrases.
        for phrase in re.split(r"[|:,.!?()\[\]/·–—-]+\s*|\s[&+]\s", page.title):
            words = [word.casefold() for word in find_words(phrase)]
            for i in range(len(words) - size + 1):
                if words[i : i + size] == expected:
                    before.append(words[i - 1] if i else "")
                    behind.append(words[i + size] if i + size < len(words) else "")
    if len(before) < 3:
        return False
    return any(len(set(side)) == 1 and side[0] and side[0] not in STOP_WORDS for side in (before, behind))


def _halves_divide(halves: Sequence[str], pages: Sequence[CapturedPage]) -> bool:
    """Whether each half is on a page whose title lacks the others."""
    titles = [(page.title.lower(), _folded(page.title)) for page in pages]
    covered = [
        {i for i, (title, words) in enumerate(titles) if all(_word_in(w, title, words) for w in _folded(half))}
        for half in halves
    ]
    return all(own - set().union(*(c for c in covered if c is not own)) for own in covered)
