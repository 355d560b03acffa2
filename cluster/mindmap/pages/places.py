"""Where a page stands on the web: its host, or on a platform the person or group whose pages it is among.

A platform hosts pages about anything, so that two of its pages have nothing in common. What means the same as a host
elsewhere is the owner of a path: a channel, a subreddit, a repository, an author, a shop, a board.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, unquote

from models.urls import host_of, split_url


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a page. `owner` is empty on a platform's page whose address does not say whose it is."""

    host: str
    is_platform: bool
    owner: str


@dataclass(frozen=True, slots=True)
class _Platform:
    """A platform: its own names as they stand in titles, and how a path or a query names an owner."""

    names: tuple[str, ...]
    owner_path: str = ""
    owner_query: str = ""


_AUTHOR = r"/@([\w.\-]+)"
_FIRST_FOLDER = r"/([\w.\-]+)/."

# prose: off
#: Platforms by the end of their host name.
_PLATFORMS: dict[str, _Platform] = {
    "youtube.com": _Platform(("YouTube", "YouTube Music", "유튜브"), r"/(?:@|channel/|c/|user/)([\w.\-%]+)"),
    "youtu.be": _Platform(("YouTube", "유튜브")),
    "vimeo.com": _Platform(("Vimeo", "on Vimeo")),
    "twitch.tv": _Platform(("Twitch",), r"/([\w]+)$"),
    "tiktok.com": _Platform(("TikTok",), _AUTHOR),
    "reddit.com": _Platform(("Reddit", "레딧"), r"/r/(\w+)"),
    "quora.com": _Platform(("Quora",)),
    "stackoverflow.com": _Platform(("Stack Overflow",)),
    "stackexchange.com": _Platform(("Stack Exchange",)),
    "superuser.com": _Platform(("Super User",)),
    "serverfault.com": _Platform(("Server Fault",)),
    "askubuntu.com": _Platform(("Ask Ubuntu",)),
    "news.ycombinator.com": _Platform(("Hacker News",)),
    "lobste.rs": _Platform(("Lobsters",)),
    "discord.com": _Platform(("Discord",)),
    "t.me": _Platform(("Telegram",), _FIRST_FOLDER),
    "medium.com": _Platform(("Medium",), r"/(@?[\w.\-]+)/."),
    "dev.to": _Platform(("DEV Community",), _FIRST_FOLDER),
    "velog.io": _Platform(("velog", "벨로그"), _AUTHOR),
    "brunch.co.kr": _Platform(("브런치", "brunch", "브런치스토리"), _AUTHOR),
    "blog.naver.com": _Platform(("네이버 블로그", "네이버블로그"), r"/(?!PostView)([\w\-]+)"),
    "post.naver.com": _Platform(("네이버 포스트",)),
    "cafe.naver.com": _Platform(("네이버 카페", "네이버카페"), r"/(?!ca-fe|f-e|Article)([\w\-]+)"),
    "kin.naver.com": _Platform(("지식iN", "지식인", "네이버 지식iN")),
    "map.naver.com": _Platform(("네이버 지도", "네이버지도")),
    "news.naver.com": _Platform(("네이버 뉴스", "네이버뉴스")),
    "shopping.naver.com": _Platform(("네이버 쇼핑", "네이버쇼핑", "네이버플러스 스토어")),
    "smartstore.naver.com": _Platform(("스마트스토어",), _FIRST_FOLDER),
    "brand.naver.com": _Platform((), _FIRST_FOLDER),
    "tv.naver.com": _Platform(("네이버 TV",)),
    "terms.naver.com": _Platform(("네이버 지식백과",)),
    "dict.naver.com": _Platform(("네이버 사전",)),
    "naver.com": _Platform(("네이버", "NAVER")),
    "naver.me": _Platform(("네이버",)),
    "cafe.daum.net": _Platform(("Daum 카페", "다음 카페"), r"/(?!_c21_)([\w\-.]+)"),
    "map.kakao.com": _Platform(("카카오맵",)),
    "v.daum.net": _Platform(("다음 뉴스", "Daum", "다음")),
    "daum.net": _Platform(("Daum", "다음")),
    "dcinside.com": _Platform(("디시인사이드",), owner_query="id"),
    "clien.net": _Platform(("클리앙",), r"/board/(\w+)"),
    "ppomppu.co.kr": _Platform(("뽐뿌",), owner_query="id"),
    "ruliweb.com": _Platform(("루리웹",), r"/board/(\d+)"),
    "fmkorea.com": _Platform(("에펨코리아", "펨코")),
    "theqoo.net": _Platform(("더쿠",), _FIRST_FOLDER),
    "mlbpark.donga.com": _Platform(("MLBPARK",)),
    "inven.co.kr": _Platform(("인벤",), r"/board/(\w+)"),
    "arca.live": _Platform(("아카라이브",), r"/b/(\w+)"),
    "82cook.com": _Platform(("82cook",)),
    "teamblind.com": _Platform(("블라인드", "Blind")),
    "instagram.com": _Platform(("Instagram", "인스타그램"), r"/(?!p/|reel|explore)([\w.]+)/?$"),
    "facebook.com": _Platform(("Facebook", "페이스북"), r"/(?:groups/)?([\w.\-]+)/."),
    "threads.net": _Platform(("Threads",), _AUTHOR),
    "twitter.com": _Platform(("Twitter", "X"), r"/(?!i/|search)(\w+)"),
    "x.com": _Platform(("X", "Twitter"), r"/(?!i/|search)(\w+)"),
    "bsky.app": _Platform(("Bluesky",), r"/profile/([\w.\-]+)"),
    "linkedin.com": _Platform(("LinkedIn", "링크드인"), r"/company/([\w\-]+)"),
    "pinterest.com": _Platform(("Pinterest",)),
    "wikipedia.org": _Platform(("Wikipedia", "위키백과", "위키백과, 우리 모두의 백과사전", "Wikipédia")),
    "wiktionary.org": _Platform(("Wiktionary",)),
    "namu.wiki": _Platform(("나무위키",)),
    "github.com": _Platform(("GitHub",), r"/([\w.\-]+/[\w.\-]+)"),
    "gist.github.com": _Platform(("GitHub", "Gist"), _FIRST_FOLDER),
    "gitlab.com": _Platform(("GitLab",), r"/([\w.\-]+/[\w.\-]+)"),
    "bitbucket.org": _Platform(("Bitbucket",), r"/([\w.\-]+/[\w.\-]+)"),
    "npmjs.com": _Platform(("npm",)),
    "pypi.org": _Platform(("PyPI",)),
    "crates.io": _Platform(("crates.io",)),
    "huggingface.co": _Platform(("Hugging Face",)),
    "kaggle.com": _Platform(("Kaggle",)),
    "arxiv.org": _Platform(("arXiv", "arXiv.org")),
    "amazon.com": _Platform(("Amazon.com", "Amazon")),
    "amazon.co.uk": _Platform(("Amazon.co.uk", "Amazon")),
    "amazon.de": _Platform(("Amazon.de", "Amazon")),
    "amazon.co.jp": _Platform(("Amazon.co.jp", "Amazon")),
    "ebay.com": _Platform(("eBay",)),
    "etsy.com": _Platform(("Etsy",), r"/shop/(\w+)"),
    "aliexpress.com": _Platform(("AliExpress", "알리익스프레스")),
    "walmart.com": _Platform(("Walmart.com", "Walmart")),
    "coupang.com": _Platform(("쿠팡", "쿠팡!")),
    "danawa.com": _Platform(("다나와 가격비교", "다나와")),
    "enuri.com": _Platform(("에누리 가격비교", "에누리")),
    "11st.co.kr": _Platform(("11번가",)),
    "gmarket.co.kr": _Platform(("G마켓", "지마켓")),
    "auction.co.kr": _Platform(("옥션",)),
    "ssg.com": _Platform(("SSG.COM", "SSG")),
    "musinsa.com": _Platform(("무신사", "무신사 스토어")),
    "daangn.com": _Platform(("당근", "당근마켓")),
    "yes24.com": _Platform(("예스24", "YES24")),
    "aladin.co.kr": _Platform(("알라딘",)),
    "kyobobook.co.kr": _Platform(("교보문고",)),
    "goodreads.com": _Platform(("Goodreads",)),
    "netflix.com": _Platform(("Netflix", "넷플릭스")),
    "spotify.com": _Platform(("Spotify",)),
    "imdb.com": _Platform(("IMDb",)),
    "google.com": _Platform(("Google", "구글", "Google Maps", "Google Docs", "Google Flights", "Google Search")),
    "bing.com": _Platform(("Bing",)),
    "yahoo.com": _Platform(("Yahoo",)),
    "notion.so": _Platform(("Notion",)),
    "chatgpt.com": _Platform(("ChatGPT",)),
    "claude.ai": _Platform(("Claude",)),
    "craigslist.org": _Platform(("craigslist",)),
    "tripadvisor.com": _Platform(("Tripadvisor",)),
    "yelp.com": _Platform(("Yelp",)),
}  # fmt: skip
# prose: on
#: Parts of a platform that are hosts of their own, and about one subject: "docs.github.com", "bicycles.stackexchange".
_ORDINARY_HOSTS = re.compile(
    r"^(docs|developers?|help|support|engineering|cloud|learn|about)\.|^(?!www\.|money\.|meta\.)[\w-]+\.stackexchange\.com$"
)
_FOLD = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def place_of(url: str) -> Place:
    """The place of the page at `url`."""
    host = host_of(url)
    platform = _platform_of(host)
    if platform is None:
        return Place(host, is_platform=False, owner="")
    parts = split_url(url)
    owner = ""
    if parts is not None and platform.owner_path:
        match = re.match(platform.owner_path, parts.path)
        owner = unquote(match.group(1)).lower() if match else ""
    elif parts is not None and platform.owner_query:
        owner = next(iter(_query(parts.query).get(platform.owner_query, ())), "").lower()
    return Place(host, is_platform=True, owner=owner)


def community_of(url: str) -> str:
    """The name of the subreddit, or of the site of Stack Exchange, that a page belongs to; empty for other pages.

    Its letters are lower-case and together ("sleepapnea"). Names of channels, authors and boards of other platforms are
    those of persons, or chosen at will.
    """
    host = host_of(url)
    if host == "reddit.com" or host.endswith(".reddit.com"):
        return _fold(place_of(url).owner)
    site = host.removesuffix(".stackexchange.com")
    return _fold(site) if site != host and _ORDINARY_HOSTS.search(host) else ""


_BOARD_NAME = re.compile(r"\s[-|:–—]\s+([^-|:–—]+?)\s*(?:마이너 |미니 )?(?:갤러리|채널)\s*$")
_NAMED_BOARDS = ("dcinside.com", "arca.live")


def board_of(url: str, title: str) -> str:
    """The name of the board of a Korean forum that a title ends with ("… - 주식 갤러리"); empty for other pages.

    Such boards are named after their subject, as subreddits are.
    """
    host = host_of(url)
    is_forum = any(host == name or host.endswith("." + name) for name in _NAMED_BOARDS)
    found = _BOARD_NAME.search(title) if is_forum else None
    return found.group(1) if found else ""


def platform_path_words(url: str, words: Callable[[str], str]) -> str:
    """What the address of a platform's page says: its owner, and the last part of its path when it is made of words.

    `words` turns an address into the words of its path. Numbers and ids ("comments", "1a9x2c") say nothing.
    """
    place = place_of(url)
    last = words(url).split()
    # The words behind the last part with a digit are the title in the address ("1a9x2c/battery_range_in_winter").
    start = max((i + 1 for i, word in enumerate(last) if any(c.isdigit() for c in word)), default=len(last))
    return " ".join([*_FOLD.split(place.owner), *last[start:]]).strip()


def names_own_site(host: str, segment: str) -> bool:
    """Whether a part of a title is the name of the page's own site: of its platform, or the words of its host name."""
    folded = _fold(segment)
    platform = _platform_of(host)
    if platform is not None:
        if any(folded == _fold(name) for name in platform.names):
            return True
        if host.endswith("reddit.com") and re.fullmatch(r"r/\w+", segment.strip()):
            return True
        return host.endswith("dcinside.com") and segment.endswith("갤러리")
    if host.endswith(".stackexchange.com") and folded.endswith("stackexchange"):
        return True
    # "Loaf & Crust" on loafandcrust.example. A word of four letters may be in a host name by chance.
    bare = _fold(host.rsplit(".", 1)[0].removeprefix("www.")) if "." in host else ""
    return len(folded) >= 5 and len(folded) * 2 >= len(bare) and (folded in bare or bare in folded)


@lru_cache(maxsize=4096)
def _platform_of(host: str) -> _Platform | None:
    if _ORDINARY_HOSTS.search(host):
        return None
    labels = host.split(".")
    for i in range(len(labels) - 1):
        platform = _PLATFORMS.get(".".join(labels[i:]))
        if platform is not None:
            # A blog with a host of its own ("someone.medium.com") is an ordinary place.
            own_host = ".".join(labels[i:]) in ("medium.com",) and labels[:i] not in ([], ["www"], ["m"])
            return None if own_host else platform
    return None


def _query(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, max_num_fields=100)
    except ValueError:
        return {}


def _fold(text: str) -> str:
    return _FOLD.sub("", text.casefold().replace("&", "and"))
