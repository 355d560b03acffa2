"""What a reader rejects in the wording of a label or a description, as checks that need the pages alone.

A label of a model replaces the local one only if it passes as many of them. The map exam uses the same checks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from cluster.mindmap.pages.evidence import label_halves
from cluster.mindmap.pages.features import PageFeatures
from cluster.mindmap.pages.interface_text import is_interface_sentence
from cluster.mindmap.text.language import hangul_share
from cluster.mindmap.text.words import (
    GENERIC_WORDS,
    KOREAN_STOP_WORDS,
    MEASURE_WORDS,
    PLATFORM_NAMES,
    STOP_WORDS,
    VERSION_WORDS,
    WEAK_VERBS,
    split_words,
    stem,
)
from models.recording.pages import CapturedPage
from models.urls import host_of
from models.words import find_words

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
#: Words that say nothing about a subject, alone or as half of a label.
_FILLERS = MEASURE_WORDS | set(split_words("late 추천 비교 후기 정리"))
#: Words that name no subject, alone or together.
EMPTY_WORDS = _FILLERS | GENERIC_WORDS | STOP_WORDS | KOREAN_STOP_WORDS | WEAK_VERBS
_NO_PART_OF_NAMES = STOP_WORDS | VERSION_WORDS
#: Names that programs have: "pg_indexes", "withContext", "ClusterFirstWithHostNet", "map()"; not "PostgreSQL", "macOS".
_IDENTIFIER = re.compile(r"\w_\w|\w\(\)|\w::\w|\b[a-z]{2,}[A-Z][a-z]|\b[A-Z][a-z]+[A-Z][a-z]+[A-Z][a-z]", re.ASCII)


#: Below, a label may come from one page.
MIN_PAGES_OF_WIDE_LABEL = 4


class FoldedText:
    """A text in lower case, and its words in a form in which spellings of one word are equal."""

    def __init__(self, text: str) -> None:
        self.lower, self.words = text.lower(), _folded(text)

    @cached_property
    def letters(self) -> str:
        """Letters and digits alone."""
        return _letters(self.lower)

    def joins(self, words: Sequence[str]) -> bool:
        """Whether the text has several words as one: "robot mower" in "r/robotmowers"."""
        return len(words) > 1 and "".join(words) in self.letters

    def has(self, word: str) -> bool:
        """Whether the text has the folded `word`; Korean ones also inside compounds."""
        return word in self.words or (not word.isascii() and word in self.lower)


class PageWording:
    """A page with what the checks compare, which takes longer to make than a check: share it between labels."""

    def __init__(self, page: CapturedPage) -> None:
        self.page = page

    @classmethod
    def of_features(cls, page: PageFeatures) -> PageWording:
        """The wording of a page whose captured text is not at hand: its words are, which is what the checks compare."""
        return cls(CapturedPage(page.page_id, page.url, page.title, " ".join(page.vocabulary)))

    @cached_property
    def title(self) -> FoldedText:
        return FoldedText(self.page.title)

    @cached_property
    def whole(self) -> FoldedText:
        """The title and the text."""
        return FoldedText(self._whole_text)

    @cached_property
    def spellings(self) -> set[str]:
        """The words of title and text as they are written."""
        return set(find_words(self._whole_text))

    @property
    def _whole_text(self) -> str:
        return f"{self.page.title}\n{self.page.text}"


def label_problems(label: str, pages: Sequence[PageWording], parent_label: str = "") -> list[str]:
    """The names of the checks that a label of `pages` fails; `parent_label` is the topic's if it names a sub-topic.

    A sub-topic must stand in the titles of half of its pages.
    """
    halves = label_halves(label)
    words = find_words(label)
    checks = {
        "length": not words or len(label) > 40,
        "not_in_titles": not _is_said(label, pages, is_subtopic=bool(parent_label)),
        "narrow": not parent_label and any(_is_narrow(half, pages) for half in halves),
        "platform": any(word.lower() in PLATFORM_NAMES for word in words) or _is_host(label, pages),
        "generic": any(_is_empty_of_meaning(half) for half in halves),
        "identifier": _IDENTIFIER.search(label) is not None,
        "version": len(words) > 1 and words[-1].lower() in VERSION_WORDS,
        "interface": any(word.lower() in _INTERFACE_WORDS for word in words) and len(words) == 1,
        "particle": any(_has_particle(half, pages) for half in halves),
        "fragment": any(_is_fragment(half, pages) or _is_cut(half, pages) for half in halves),
        "halves": len(halves) > 1 and not _halves_divide(halves, pages),
        "parent": bool(_folded(label) & _folded(parent_label)) or _letters(label) in _letters(parent_label),
    }
    return [name for name, has_failed in checks.items() if has_failed]


def description_problems(text: str) -> list[str]:
    """The names of the checks that a description fails."""
    text = text.strip()
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
    if is_interface_sentence(text) or any(word in text for word in ("클린봇", "이웃추가", "더보기")):
        faults.append("interface")
    return faults


def _folded(text: str) -> set[str]:
    return {stem(word.lower()) for word in find_words(text)} - {"의", "and", "the", "of"}


def title_share(label: str, pages: Sequence[PageWording]) -> float:
    """The share of the pages whose titles have at least half of the label's words."""
    return _share_with_half(label, [page.title for page in pages])


def _share_with_half(label: str, texts: Sequence[FoldedText]) -> float:
    words, in_order = _folded(label), [stem(word.lower()) for word in find_words(label)]
    num_texts = sum(sum(map(text.has, words)) * 2 >= len(words) > 0 or text.joins(in_order) for text in texts)
    return num_texts / max(1, len(texts))


def _is_said(label: str, pages: Sequence[PageWording], *, is_subtopic: bool) -> bool:
    """Whether titles say the label: of half the pages for a sub-topic, of a quarter for a topic.

    A topic may also be called by what the texts of two fifths of its pages say: readers accept "Knife" above pages
    whose titles speak of edges and whetstones. That it is the subject is another check.
    """
    if title_share(label, pages) >= (0.5 if is_subtopic else 0.25):
        return True
    return not is_subtopic and _share_with_half(label, [page.whole for page in pages]) >= 0.4


def _is_narrow(half: str, pages: Sequence[PageWording]) -> bool:
    """Whether the phrase as a whole is what one page of several is about ("Moving box" of a removal).

    One word that no page has does not make a phrase narrow: a model calls pages on guitars "Learning guitar".
    """
    if len(pages) < MIN_PAGES_OF_WIDE_LABEL:
        return False
    words = _folded(half)
    known = {word for word in words if any(page.whole.has(word) for page in pages)}
    words = known if len(words) - len(known) == 1 and len(known) >= 1 else words
    in_order = [stem(word.lower()) for word in find_words(half)]
    num_pages = sum(all(map(page.whole.has, words)) or page.title.joins(in_order) for page in pages)
    return num_pages * 3 < len(pages)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())) or "?"


def _is_cut(text: str, pages: Sequence[PageWording]) -> bool:
    """Whether the text is the beginning of a title that goes on, or what follows a number ("개월" of "6개월")."""
    if re.search(r"[,:?!]|\s[-–|]\s", text):
        return True
    titles = [page.page.title for page in pages]
    places = [(title, at) for title in titles if (at := title.find(text)) >= 0]
    if not places:
        return False
    goes_on = [re.match(r"\s+\w|\w", title[at + len(text) :]) is not None for title, at in places]
    is_start = len(find_words(text)) >= 3 and all(at == 0 for _, at in places) and all(goes_on)
    return is_start or all(at > 0 and title[at - 1].isdigit() for title, at in places)


def _is_host(label: str, pages: Sequence[PageWording]) -> bool:
    """Whether the label is the name of a host on which the pages are by chance: an address or a name with a dot."""
    hosts = [host_of(page.page.url) for page in pages]
    return any(label.lower() in (host, host.removeprefix("www.")) for host in hosts)


def _is_empty_of_meaning(text: str) -> bool:
    return all(word in EMPTY_WORDS or word.isdigit() for word in map(str.lower, find_words(text)))


def _has_particle(text: str, pages: Sequence[PageWording]) -> bool:
    """Whether the last Korean word ends with a particle without which the pages use the word too."""
    words = find_words(text)
    if not words or hangul_share(words[-1]) < 0.5:
        return False
    for particle in _CERTAIN_PARTICLES:
        if words[-1].endswith(particle) and len(words[-1]) - len(particle) >= 2:
            base = words[-1].removesuffix(particle)
            others = {base, *(base + other for other in _CERTAIN_PARTICLES if other != particle)}
            if any(not others.isdisjoint(page.spellings) for page in pages):
                return True
    return False


def _is_fragment(text: str, pages: Sequence[PageWording]) -> bool:
    """Whether the pages' titles have the text only as part of one longer phrase ("Stack" of "Stack Overflow")."""
    expected = [word.casefold() for word in find_words(text)]
    size = len(expected)
    before: list[str] = []
    behind: list[str] = []
    for page in pages:
        # A sign between two words separates phrases.
        for phrase in re.split(r"[|:,.!?()\[\]/·–—-]+\s*|\s[&+]\s", page.page.title):
            words = [word.casefold() for word in find_words(phrase)]
            for i in range(len(words) - size + 1):
                if words[i : i + size] == expected:
                    before.append(words[i - 1] if i else "")
                    behind.append(words[i + size] if i + size < len(words) else "")
    if len(before) < 3:
        return False
    return any(len(set(side)) == 1 and side[0] and side[0] not in _NO_PART_OF_NAMES for side in (before, behind))


def _halves_divide(halves: Sequence[str], pages: Sequence[PageWording]) -> bool:
    """Whether each half is on a page whose title lacks the others."""
    covered = [{i for i, page in enumerate(pages) if all(map(page.title.has, _folded(half)))} for half in halves]
    letters = [_letters(half) for half in halves]
    is_repeated = letters[0] in letters[1] or letters[1] in letters[0]
    # The wider half may contain the narrower one ("대출 · 금리"), but not be the same pages.
    return not is_repeated and len({frozenset(own) for own in covered}) == len(halves)
