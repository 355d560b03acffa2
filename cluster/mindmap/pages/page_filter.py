"""Which captured pages are excluded from the map (search results, sign-in, errors …), and URL parts as text."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from models.urls import host_of

_SEARCH_HOST = re.compile(
    r"(^|\.)(google(\.[a-z]{2,3}){1,2}|bing\.com|duckduckgo\.com|search\.yahoo\.[a-z.]+|search\.naver\.com|"
    r"m\.search\.naver\.com|search\.daum\.net|ecosia\.org|startpage\.com|search\.brave\.com|yandex\.[a-z.]+|"
    r"baidu\.com|kagi\.com|qwant\.com|search\.zum\.com|searx\.[a-z.]+|perplexity\.ai)$"
)
_QUERY_PARAMETERS = ("q", "query", "p", "wd", "text", "search_query", "keyword", "k")
_SEARCH_PATH = re.compile(r"/(search|results|find|s)(\.\w+)?/?$", re.IGNORECASE)
_SEARCH_TITLE = re.compile(
    r"(google search|google 검색|at duckduckgo|- bing|네이버 검색|daum 검색|search results|검색 ?결과)",
    re.IGNORECASE,
)

_SITE_NAME_SUFFIX = r"(?:\s*[|\-–—:·.…].*)?$"


def _title_pattern(*forms: str) -> re.Pattern[str]:
    """A pattern for titles that are one of `forms`, optionally followed by a site's name."""
    return re.compile(r"^\s*(?:" + "|".join(forms) + r")\s*" + _SITE_NAME_SUFFIX, re.IGNORECASE)


_EXCLUDED_TITLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "login",
        _title_pattern(
            r"sign ?in|log ?in|login|sign ?up|log ?out|register|create (an |your )?account|forgot(ten)? password",
            r"reset (your )?password|two-factor authentication|verify your identity",
            r"(please )?(sign|log) in to (your account|continue).*",
            r"로그인|회원 ?가입|비밀번호 찾기|.{0,40}로그인",
        ),
    ),
    (
        "error",
        _title_pattern(
            r"(error\s*)?(40[0134589]|410|429|50[0234])\b.*|(page |file |site )?not found",
            r"(access |permission )?(denied|forbidden)|(internal |server )error|bad gateway|service unavailable",
            r"problem loading page|this (page|site) can.t be (reached|displayed)",
            r"페이지를 찾을 수 없(습니다|음)|오류|요청하신 페이지를.*",
        ),
    ),
    ("loading", _title_pattern(r"loading|please wait|redirecting|one moment|로딩 ?중?|잠시만 기다려.*|불러오는 중")),
    (
        "consent",
        _title_pattern(
            r"we value your privacy|before you continue.*|cookie (consent|settings|policy|preferences)",
            r"your privacy( choices)?|consent|쿠키 (동의|설정)",
        ),
    ),
    (
        "captcha",
        _title_pattern(
            r"just a moment|attention required.*|are you (a )?(human|robot).*|verify(ing)? you are human|captcha",
            r"security check|robot check|checking your browser.*|로봇이 아닙니다|자동 입력 방지.*",
        ),
    ),
    (
        "inbox",
        _title_pattern(
            r"(\(\d+\)\s*)?(inbox|mail|messages|notifications|받은 ?편지함|메일함?|쪽지함?|알림)\s*(\(\d[\d,+]*\))?",
            r"(네이버|다음|카카오) ?메일",
        ),
    ),
    ("new_tab", _title_pattern(r"new tab|about:blank|blank page|start page|speed dial|새 ?탭|빈 ?페이지|시작 ?페이지")),
)
_UNTITLED = re.compile(r"^\s*(untitled( document)?|no title|home|index|제목 ?없음|홈|document)?\s*$", re.IGNORECASE)
_BROWSER_SCHEMES = (
    "chrome:",
    "chrome-extension:",
    "about:",
    "edge:",
    "moz-extension:",
    "brave:",
    "devtools:",
    "view-source:",
)


def latin_equivalent_length(text: str) -> int:
    """The length of `text` in Latin letters, where a CJK character counts as 2.7 letters.

    150 Hangul syllables carry about as much text as 400 Latin letters.
    """
    num_cjk = sum(1 for char in text[:2000] if char >= "\u2e80")
    return len(text) + int(1.7 * num_cjk)


def search_query(url: str, title: str) -> str | None:
    """The query when `url` is a page of search results ("" when the query is unknown), otherwise None."""
    try:
        parts = urlsplit(url)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=False, max_num_fields=100))
    except ValueError:
        return None
    query = next((parameters[name] for name in _QUERY_PARAMETERS if parameters.get(name)), None)
    on_search_host = bool(_SEARCH_HOST.search(host_of(url)))
    if on_search_host and (query or _SEARCH_PATH.search(parts.path)):
        return query or ""
    if query and host_of(url).startswith("search."):
        return query
    if query and (_SEARCH_PATH.search(parts.path) or _SEARCH_TITLE.search(title)):
        return query
    return None


def exclusion_reason(url: str, title: str, text: str) -> str | None:
    """Why a page is excluded from the map, as a key of `EXCLUSION_REASONS`; None for a page that is placed.

    `title` and `text` must be free of control characters. A title such as "Sign in" excludes a page only when the
    page has little text: an article about signing in stays on the map.
    """
    if url.lower().startswith(_BROWSER_SCHEMES):
        return "new_tab"
    if search_query(url, title) is not None:
        return "search_results"
    size = latin_equivalent_length(text)
    for reason, pattern in _EXCLUDED_TITLES:
        if pattern.match(title) and size < (700 if reason in ("inbox", "captcha") else 300):
            return reason
    if size < 60 and _UNTITLED.match(title):
        for reason, pattern in _EXCLUDED_TITLES:
            if text and pattern.match(text.strip()):
                return reason
        return "empty"
    return None


def url_path_words(url: str) -> str:
    """The words of the URL's path, percent-decoded and without file extension; at most 300 characters.

    Empty for an invalid URL.
    """
    try:
        path = unquote(urlsplit(url).path, errors="ignore")
    except ValueError:
        return ""
    path = re.sub(r"\.(html?|php|aspx?|jsp|md|pdf)(\.[a-z]{2})?$", "", path, flags=re.IGNORECASE)
    return re.sub(r"[/_\-+.~%=]+", " ", path)[:300].strip()


def url_folders(url: str) -> tuple[str, ...]:
    """The folders of the URL's path, without the last segment; empty for an invalid URL."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ()
    return tuple(part for part in path.split("/")[:-1] if part)
