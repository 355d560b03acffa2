"""Browsing sessions of the map exam, composed from invented pages as people read them.

A subject is a handful of pages on video, forum, shop, portal and documentation sites. A session takes the pages of
several subjects, switches between them, returns to some, and has the interface text of each platform around the page's
own. Everything is drawn from a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.mindmap.text.language import hangul_share, is_complete_sentence
from models.recording.pages import CapturedPage
from models.urls import host_of, page_id

_FOLDER = Path(__file__).parent
DEVELOPMENT, DEVELOPMENT_2 = "development", "development_2"
DEVELOPMENT_3, DEVELOPMENT_4 = "development_3", "development_4"
DEVELOPMENT_RELATED = "development_related"
HELD_OUT, HELD_OUT_2, HELD_OUT_RELATED = "held_out", "held_out_2", "held_out_related"
DEVELOPMENT_PARTS = (DEVELOPMENT, DEVELOPMENT_2, DEVELOPMENT_3, DEVELOPMENT_4, DEVELOPMENT_RELATED)
HELD_OUT_PARTS = (HELD_OUT, HELD_OUT_2, HELD_OUT_RELATED)
PARTS = (*DEVELOPMENT_PARTS, *HELD_OUT_PARTS)

#: A site that shows the beginning of a text shows so much of it, and the rest of the last word.
SHORT_TEXT_CHARS = 60
#: What the interface of a platform adds to every page's text, before and behind what the author wrote.
_INTERFACE: dict[str, tuple[str, str]] = {
    "youtube.com": (
        "Skip navigation\nSearch\nSubscribe",
        "Share\nDownload\nClip\n{n}K views\nSort by\nAdd a comment...",
    ),
    "reddit.com": ("Skip to main content\nLog In\nJoin", "{n} upvotes\nSort by: Best\nAdd a comment\nCommunity rules"),
    "blog.naver.com": ("본문 바로가기\n블로그 검색\n이웃추가", "공감 {n}\n댓글\n이 글에 공감한 블로거\n맨 위로"),
    "cafe.naver.com": ("카페 홈\n카페 가입하기", "댓글 {n}\n조회 {n}\n클린봇이 악성댓글을 감지합니다.\n인기글"),
    "kin.naver.com": ("지식iN 홈\n질문하기", "답변 {n}개\n채택답변\n질문자가 채택한 답변입니다.\n프로필 더보기"),
    "map.naver.com": ("길찾기\n저장\n공유", "방문자 리뷰 {n}\n블로그 리뷰 {n}\n사진\n주변"),
    "coupang.com": ("로켓배송\n카테고리\n마이쿠팡", "장바구니 담기\n바로구매\n상품평 {n}개\n배송/교환/반품 안내"),
    "danawa.com": ("다나와 통합검색\n관심상품", "가격비교\n상품의견 {n}건\n최저가 구매하기"),
    "dcinside.com": ("갤러리\n개념글\n글쓰기", "추천 {n}\n비추천\n댓글 등록\n전체글"),
    "stackoverflow.com": ("Home\nQuestions\nTags", "Asked {n} days ago\nViewed {n}k times\nSorted by\nYour Answer"),
    "stackexchange.com": (
        "Home\nQuestions\nUnanswered",
        "Asked {n} days ago\nViewed {n} times\nSorted by\nYour Answer",
    ),
    "github.com": ("Skip to content\nSign in\nCode\nIssues\nPull requests", "Footer\nTerms\nPrivacy\n{n} stars"),
    "amazon.com": ("Deliver to\nAll\nReturns & Orders", "Add to Cart\nBuy Now\n{n} ratings\nCustomers also viewed"),
}


@dataclass(frozen=True, slots=True)
class SubjectPage:
    """One page of a subject, in a chapter of it where the subject is divided.

    `also_about` are things that pages of other subjects are about, too, and ids of other subjects.
    """

    url: str
    title: str
    text: str
    chapter: str = ""
    also_about: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject that a person reads about, and the words of which a label of it should contain one."""

    name: str
    words: tuple[str, ...]
    pages: tuple[SubjectPage, ...]

    @property
    def language(self) -> str:
        """ "ko" or "en" when all titles are in it, otherwise "mixed"."""
        is_korean = {hangul_share(page.title) > 0.4 for page in self.pages}
        return "mixed" if len(is_korean) > 1 else "ko" if is_korean.pop() else "en"

    @property
    def also_about(self) -> frozenset[str]:
        """What pages of it and pages of other subjects are about."""
        return frozenset[str]().union(*(page.also_about for page in self.pages))


@dataclass(frozen=True, slots=True)
class ExamSession:
    """A session, the flavour it belongs to, and the subject and the chapter of each page id.

    `also_about` is by page id, too: things that pages of other subjects are about, and ids of other subjects.
    """

    flavour: str
    number: int
    pages: tuple[CapturedPage, ...]
    subject_of: dict[str, str]
    words_of: dict[str, tuple[str, ...]]
    chapter_of: dict[str, str]
    also_about: dict[str, frozenset[str]]

    def things(self, page: str) -> frozenset[str]:
        """What a page is about: its subject, and what else. Pages that have one of them in common belong together."""
        return self.also_about[page] | {self.subject_of[page]}


def subjects(part: str) -> list[Subject]:
    """The subjects of one part of the exam (`PARTS`). Raises `ValueError` for a malformed file."""
    found: list[Subject] = []
    chapter = ""
    for line in (_FOLDER / f"{part}.txt").read_text("utf-8").splitlines():
        if line.startswith("## "):
            name, _, words = line[3:].partition("|")
            found.append(Subject(name.strip(), tuple(w.strip().lower() for w in words.split(",")), ()))
            chapter = ""
        elif line.startswith("### "):
            chapter = line[4:].strip()
        elif line.startswith("@ "):
            url, _, title = line[2:].partition(" ")
            found[-1] = replace(found[-1], pages=(*found[-1].pages, SubjectPage(url, title, "", chapter)))
        elif found and line.strip():
            if not found[-1].pages:
                raise ValueError(f"text without a page: {line[:40]!r}")
            page = found[-1].pages[-1]
            if line.startswith("& "):
                page = replace(page, also_about=frozenset(thing.strip() for thing in line[2:].split(",")))
            else:
                page = replace(page, text=f"{page.text}\n{line}".strip())
            found[-1] = replace(found[-1], pages=(*found[-1].pages[:-1], page))
    return found


@dataclass(frozen=True, slots=True)
class Flavour:
    """How the sessions of one kind are made.

    `of_chapters`, `of_related` and `of_others` say whether it is made of subjects with chapters, of subjects that have
    something to do with each other, and of those that are neither. `num_subjects` and `pages_each` are chosen from;
    `switching` is the probability that the next page is of another subject; `text` is "full", "short" (the first words,
    without the interface) or "none". `languages` limits the subjects.
    """

    name: str
    num_sessions: int
    num_subjects: tuple[int, ...]
    pages_each: tuple[int, ...]
    switching: float = 0.25
    text: str = "full"
    languages: tuple[str, ...] = ("ko", "en", "mixed")
    of_chapters: bool = False
    of_related: bool = False
    of_others: bool = True


FLAVOURS = (
    Flavour("english", 6, (3, 4, 5), (4, 5, 6), languages=("en",)),
    Flavour("korean", 6, (3, 4), (4, 5, 6), languages=("ko",)),
    Flavour("mixed", 8, (4, 5, 6), (4, 5, 6), of_chapters=True),
    Flavour("short_text", 6, (3, 4, 5), (4, 5, 6), text="short"),
    Flavour("titles_only", 8, (4, 5, 6), (4, 5, 6), switching=0.8, text="none"),
    Flavour("braid", 6, (2, 3, 4), (4, 5, 6), switching=0.9),
    Flavour("small", 8, (2,), (2, 3), switching=0.4),
    Flavour("three_pages", 10, (2,), (1, 2), switching=0.3),
    Flavour("single", 10, (1,), (6, 7, 8), of_chapters=True),
    Flavour("fourteen", 4, (14,), (3, 4, 5), switching=0.3),
    # An evening with a course, a handbook, a trip or a choice among products; sometimes with two.
    Flavour("chapters", 16, (1, 1, 2), (10, 11, 12), switching=0.15, of_chapters=True, of_others=False),
    # Two subjects that have something to do with each other, and one or two others.
    Flavour("related", 12, (3, 4), (5, 6), of_related=True, of_others=False),
)


def exam_sessions(part: str, flavours: Iterable[Flavour] = FLAVOURS) -> list[ExamSession]:
    """All sessions of one part of the exam, flavour by flavour."""
    known = subjects(part)
    has_chapters = any(page.chapter for subject in known for page in subject.pages)
    is_related = any(subject.also_about for subject in known)
    made = [
        flavour
        for flavour in flavours
        if (flavour.of_related if is_related else flavour.of_chapters if has_chapters else flavour.of_others)
    ]
    return [compose_session(flavour, number, known) for flavour in made for number in range(flavour.num_sessions)]


def compose_session(flavour: Flavour, number: int, known: Sequence[Subject]) -> ExamSession:
    """Session `number` of a flavour, made of some of the subjects `known`."""
    rng = random.Random(f"{flavour.name} {number}")
    allowed = [subject for subject in known if subject.language in flavour.languages]
    size = rng.choice(flavour.num_subjects)
    if flavour.of_related:
        chosen = _related_and_others(allowed, number, size, rng)
    else:
        chosen = [allowed[number % len(allowed)]] if size == 1 else rng.sample(allowed, min(size, len(allowed)))
    sizes = [rng.choice(flavour.pages_each) for _ in chosen]
    if flavour.name == "three_pages":
        sizes = [2, 1]
    unread = {s.name: rng.sample(s.pages, min(len(s.pages), n)) for s, n in zip(chosen, sizes, strict=True)}
    visits: list[tuple[str, SubjectPage]] = []
    subject = chosen[0].name
    while any(unread.values()):
        others = [name for name in unread if unread[name] and name != subject]
        if others and (not unread[subject] or rng.random() < flavour.switching):
            subject = rng.choice(others)
        visits.append((subject, unread[subject].pop()))
        if rng.random() < 0.12:
            visits.append(rng.choice(visits))
    pages: dict[str, CapturedPage] = {}
    subject_of: dict[str, str] = {}
    chapter_of: dict[str, str] = {}
    also_about: dict[str, frozenset[str]] = {}
    now_ms = 1_760_000_000_000 + number * 86_400_000
    for order, (name, visited) in enumerate(visits):
        dwell_ms = int(rng.lognormvariate(10.3, 0.8))
        page = pages.get(visited.url) or CapturedPage(
            page_id(visited.url), visited.url, visited.title, _text(visited, flavour.text, rng), max_scroll_depth=0.6
        )
        pages[visited.url] = replace(
            page,
            dwell_ms=page.dwell_ms + dwell_ms,
            visited_at_ms=(*page.visited_at_ms, now_ms),
            visit_order=(*page.visit_order, order),
        )
        subject_of[page.page_id] = name
        chapter_of[page.page_id] = visited.chapter
        also_about[page.page_id] = visited.also_about
        now_ms += dwell_ms + rng.randrange(500, 20_000)
    words_of = {subject.name: subject.words for subject in chosen}
    return ExamSession(flavour.name, number, tuple(pages.values()), subject_of, words_of, chapter_of, also_about)


def _related_and_others(known: Sequence[Subject], number: int, size: int, rng: random.Random) -> list[Subject]:
    """One subject, those that have something to do with it, and others up to `size`."""
    first = known[number % len(known)]
    related = [subject for subject in known if subject is first or subject.also_about & first.also_about]
    others = [subject for subject in known if subject not in related]
    return [*related, *rng.sample(others, max(0, size - len(related)))]


def _text(page: SubjectPage, amount: str, rng: random.Random) -> str:
    if amount == "none":
        return ""
    if amount == "short":
        # Sites do not cut what they show inside a word.
        rest = page.text[SHORT_TEXT_CHARS:]
        shown = page.text[:SHORT_TEXT_CHARS] + (rest.split(maxsplit=1)[0] if rest[:1].strip() else "")
        return shown if shown == page.text or is_complete_sentence(shown) else f"{shown.rstrip()}…"
    host = host_of(page.url)
    interface = next((parts for end, parts in _INTERFACE.items() if host == end or host.endswith("." + end)), ("", ""))
    before, behind = (part.replace("{n}", str(rng.randrange(2, 900))) for part in interface)
    return "\n".join(part for part in (before, page.text, behind) if part)
