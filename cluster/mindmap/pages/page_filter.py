"""Which captured pages are excluded from the map (search results, sign-in, errors …), and URL parts as text."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from models.recording.page_titles import CHALLENGE_FORMS, LOADING_FORMS, NOT_FOUND_FORMS
from models.urls import host_of, split_url

_SEARCH_HOST = re.compile(
    r"(^|\.)(google(\.[a-z]{2,3}){1,2}|bing\.com|duckduckgo\.com|search\.yahoo\.[a-z.]+|search\.naver\.com|"
    r"m\.search\.naver\.com|search\.daum\.net|ecosia\.org|startpage\.com|search\.brave\.com|yandex\.[a-z.]+|"
    r"baidu\.com|kagi\.com|qwant\.com|search\.zum\.com|searx\.[a-z.]+|perplexity\.ai|"
    r"(www|m)\.(sogou|so)\.com|coccoc\.com|seznam\.cz|mojeek\.com|you\.com)$"
)
_QUERY_PARAMETERS = ("q", "query", "wd", "search_query", "keyword", "keywords", "search", "s", "k", "p", "text")
#: Also a post's number (`?p=812`), a page, a word that is looked up: on other sites these need more evidence.
_AMBIGUOUS_PARAMETERS = frozenset({"s", "k", "p", "text", "search"})
_SEARCH_PATH = re.compile(r"/(search|results|find|s)(\.\w+)?/?$", re.IGNORECASE)
_ENGINE_SEARCH_PATH = re.compile(
    r"^(/(?!travel|maps|shopping|flights|hotels)[^/]+)?/(search|results|find|s)(\.\w+)?/?$", re.IGNORECASE
)
_RESULTS_PATH = re.compile(
    r"^/?$|^/(search|results|find|s|html|web|images?|news|videos?|lite)(\.\w+)?/?$", re.IGNORECASE
)
_SEARCH_TITLE = re.compile(
    r"(google search|google 검색|at duckduckgo|- bing|네이버 검색|daum 검색|search results|검색 ?결과|results? for|"
    r"suchergebnis|résultats? de (la )?recherche|resultados de|検索結果|搜索结果|搜尋結果)",
    re.IGNORECASE,
)
#: A page with this much text that was read this long is an article, whatever its title and address look like.
_SUBSTANTIAL_CHARS = 400
_ATTENTION_MS = 20_000
#: The results of a search within a site that were read this long were compared, whatever was captured of them.
_COMPARISON_MS = 90_000

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
            r"로그인( 페이지)?|회원 ?가입|비밀번호 찾기",
            r"anmelden|einloggen|registrieren|(se )?connecte[rz](-vous)?|connexion|iniciar sesi[óo]n|acceder|entrar",
            r"fa[çc]a login|accedi|inloggen|zaloguj( si[ęe])?|logowanie|giriş( yap)?|đăng nhập|masuk|logga in|log ind",
            r"logg inn|вход|войти|авторизация|увійти|σύνδεση|เข้าสู่ระบบ|تسجيل الدخول|ورود|התחברות|लॉग ?इन|साइन ?इन",
            r"ログイン|サインイン|新規登録|会員登録|登[录錄]|登入|注册|註冊",
        ),
    ),
    (
        "error",
        _title_pattern(
            # "404 ways to cook rice" is no error: a number stands alone, or before a separator or a known phrase.
            r"(error\s*)?(40[0134589]|410|429|50[0234])(\s*[-:|–—.!].*|\s+\(?(error|not found|page|forbidden|bad "
            r"gateway|bad request|unauthori[sz]ed|service|gateway|internal|too many|gone|오류|에러|페이지).*)?",
            r"(page |file |site )?not found",
            r"(access |permission )?(denied|forbidden)|(internal |server )error|bad gateway|service unavailable",
            r"problem loading page|this (page|site) can.t be (reached|displayed)",
            r"오류|요청하신 페이지를.*",
            *NOT_FOUND_FORMS,
        ),
    ),
    ("loading", _title_pattern(r"one moment", *LOADING_FORMS)),
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
            *CHALLENGE_FORMS,
        ),
    ),
    (
        "inbox",
        _title_pattern(
            r"(\(\d+\)\s*)?(inbox|mail|messages|notifications|받은 ?편지함|메일함?|쪽지함?|알림)\s*(\(\d[\d,+]*\))?",
            r"(네이버|다음|카카오) ?메일",
            r"(posteingang|bo[îi]te de r[ée]ception|bandeja de entrada|caixa de entrada|posta in arrivo|входящие|"
            r"受信トレイ|收件箱|收件匣)\s*(\(\d[\d,+]*\))?",
        ),
    ),
    ("new_tab", _title_pattern(r"new tab|about:blank|blank page|start page|speed dial|새 ?탭|빈 ?페이지|시작 ?페이지")),
)
#: "네이버 : 로그인" is a sign-in page where the address says so too; "윈도우 자동 로그인" is a title like any other.
_ENDS_WITH_LOGIN = re.compile(r"^.{0,40}(로그인|sign ?in|log ?in)\s*$", re.IGNORECASE)
_LOGIN_ADDRESS = re.compile(
    r"^(nid|login|auth|accounts?|sso|id|signin|member|logins)\.|"
    r"/(log-?_?in|sign-?_?in|auth|oauth2?|sso|accounts?|members?|sessions?|nidlogin|loginform)\b",
    re.IGNORECASE,
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


_CJK = re.compile("[\u2e80-\U0010ffff]+")


def latin_equivalent_length(text: str) -> int:
    """The length of `text` in Latin letters, where a CJK character counts as 2.7 letters.

    150 Hangul syllables carry about as much text as 400 Latin letters.
    """
    if text.isascii():
        return len(text)
    num_cjk = sum(map(len, _CJK.findall(text[:2000])))
    return len(text) + int(1.7 * num_cjk)


def search_query(url: str, title: str) -> str | None:
    """The query when `url` is a page of search results ("" when the query is unknown), otherwise None."""
    parts = split_url(url)
    if parts is None:
        return None
    try:
        parameters = dict(parse_qsl(parts.query, max_num_fields=100)) if parts.query else {}
    except ValueError:
        return None
    name = next((name for name in _QUERY_PARAMETERS if parameters.get(name)), None)
    query = parameters[name] if name else None
    host = host_of(url)
    if _SEARCH_HOST.search(host):
        # A search deeper in the path is a service of the engine, such as flights: people compare its results.
        is_results = _ENGINE_SEARCH_PATH.match(parts.path) or (
            query
            and (_RESULTS_PATH.match(parts.path) or _names_results(title, query) or parts.path.startswith("/search"))
        )
        return (query or "") if is_results else None
    if not query:
        return None
    if name not in _AMBIGUOUS_PARAMETERS and (host.startswith("search.") or _SEARCH_PATH.search(parts.path)):
        return query
    return query if _names_results(title, query) else None


def _names_results(title: str, query: str) -> bool:
    """Whether `title` says that the page lists results for `query`: it names both."""
    words = re.findall(r"\w+", query.casefold())
    folded = title.casefold()
    return bool(words) and bool(_SEARCH_TITLE.search(title)) and all(word in folded for word in words)


def is_search_engine(url: str) -> bool:
    """Whether `url` is on the host of a known search engine."""
    return bool(_SEARCH_HOST.search(host_of(url)))


def attention_level(dwell_ms: int) -> int:
    """How long a page was read, as far as it matters for `exclusion_reason`: 0, 1 or 2."""
    return (dwell_ms >= _ATTENTION_MS) + (dwell_ms >= _COMPARISON_MS)


def exclusion_reason(url: str, title: str, text: str, *, dwell_ms: int = 0, num_highlights: int = 0) -> str | None:
    """Why a page is excluded from the map, as a key of `EXCLUSION_REASONS`; None for a page that is placed.

    `title` and `text` must be free of control characters. A title such as "Sign in" excludes a page only when the
    page has little text: an article about signing in stays on the map. A page with a highlight stays, and so does a
    page with substantial text that was read, or one that was read for minutes, except the results of a search engine.
    """
    if url.lower().startswith(_BROWSER_SCHEMES):
        return "new_tab"
    if num_highlights:
        return None
    size = latin_equivalent_length(text)
    was_read = attention_level(dwell_ms) >= 1
    was_compared = attention_level(dwell_ms) >= 2 or (was_read and size >= _SUBSTANTIAL_CHARS)
    if search_query(url, title) is not None and (is_search_engine(url) or not was_compared):
        return "search_results"
    if _ENDS_WITH_LOGIN.match(title) and _is_login_address(url) and size < _max_size("login", was_read=was_read):
        return "login"
    for reason, pattern in _EXCLUDED_TITLES:
        if pattern.match(title) and size < _max_size(reason, was_read=was_read):
            return reason
    if size < 60 and _UNTITLED.match(title):
        for reason, pattern in _EXCLUDED_TITLES:
            if text and pattern.match(text.strip()):
                return reason
        return "empty"
    return None


def _is_login_address(url: str) -> bool:
    parts = split_url(url)
    return parts is not None and bool(_LOGIN_ADDRESS.search(host_of(url)) or _LOGIN_ADDRESS.search(parts.path))


def _max_size(reason: str, *, was_read: bool) -> int:
    """A page with such a title and less text than this has nothing else to it."""
    if reason == "captcha":
        return _SUBSTANTIAL_CHARS if was_read else 700
    if was_read:
        return 150
    return 700 if reason == "inbox" else 300


def url_path_words(url: str) -> str:
    """The words of the URL's path, percent-decoded and without file extension; at most 300 characters.

    Empty for an invalid URL.
    """
    parts = split_url(url)
    if parts is None:
        return ""
    path = unquote(parts.path, errors="ignore")
    path = re.sub(r"\.(html?|php|aspx?|jsp|md|pdf)(\.[a-z]{2})?$", "", path, flags=re.IGNORECASE)
    return re.sub(r"[/_\-+.~%=]+", " ", path)[:300].strip()


def url_folders(url: str) -> tuple[str, ...]:
    """The folders of the URL's path, without the last segment; empty for an invalid URL."""
    parts = split_url(url)
    if parts is None:
        return ()
    return tuple(part for part in parts.path.split("/")[:-1] if part)
