"""Titles of visits: without unread counters and spinners, and which title is a page's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

from models.text import collapse_whitespace
from models.urls import split_url

_MAX_TITLE_CHARS = 2000
#: A challenge or an error page has less text than this.
_SUBSTANTIAL_CHARS = 700
_MAX_HEADING_CHARS = 80
# Spinners, dots of unread messages, and signs of playing media, at the start of a title.
_SIGNS = "\u2800-\u28ff●○•◦◉◎⦿⏺◐◑◒◓◴◵◶◷⏳⌛✱✲✳✴✶✻✽▶►⏵⏸⏹🔊🔇🔈🔉🔴🟢🟠🟡🔵🟣🟤⚫⚪♪♫♬🎵🎶🔔💬🆕✉📩📬🎙◜◝◞◟⁘∙·"
_COUNT = r"(?:\d{1,3}|\d{1,3}(?:[.,]\d{3})+|\d+(?:[.,]\d)?[kKmM]|\d{4,6})\+?"
# What is counted, in languages that name it: "3개", "5条消息", "3件の未読"; "3 new", "3 ungelesene Nachrichten".
_UNREAD = (
    r"(?:new|unread|messages?|notifications?|neue?|ungelesene?n?|Nachrichten?|nouve(?:au|aux|lles?)|non lus?|nuev[oa]s?"
    r"|mensajes?|sin leer|nov[oa]s?|mensagens?|não lidas?|nuov[oiae]|messagg[io]|nieuwe?|ongelezen|nowe|nowych|нов\w{2}"
    r"|непрочитанн\w{2}|сообщени\w|yeni|okunmamış|bildirim|baru|mới|جديدة?|رسائل|नए|नई|ใหม่)"
)
_COUNTED = (
    r"(?:\s?(?:[개건통]|[条條则則封件](?:新?(?:消息|訊息|私信|通知)|の(?:未読|新着|通知))?)"
    rf"|\s(?:[^\W\d_]{{2,14}}\s)?{_UNREAD}(?:\s[^\W\d_]{{3,14}})?|!)?"
)
# A year in parentheses or brackets is part of a title; a count of that size is not written without a separator.
_YEAR = r"(?!(?:18|19|20)\d\d[\])）}>])"
_COUNTER = (
    rf"(?:\({_YEAR}\+?{_COUNT}{_COUNTED}\)|\[{_YEAR}{_COUNT}{_COUNTED}\]|【{_COUNT}{_COUNTED}】"
    rf"|（{_YEAR}{_COUNT}{_COUNTED}）|\([{_SIGNS}*!]\)"
    rf"|(?:\{{{_YEAR}(?!0){_COUNT}\}}|<{_YEAR}(?!0){_COUNT}>|‹{_COUNT}›|「{_COUNT}」|〔{_COUNT}〕|《{_COUNT}》))"
)
_LEADING_MARK = re.compile(rf"^\s*(?:[{_SIGNS}]\ufe0f?\s*|[*|/\\]\s+|{_COUNTER}\s*(?:[\-–—|·:]+\s+)?)")
# White space is matched from its first character, possessively: titles of blanks take linear time.
_TRAILING_COUNTER = re.compile(rf"(?<!\s)\s*+(?:[\-–—|•·:]\s)?{_COUNTER}\s*+$")
# Notices that alternate with the title to draw attention: "New message! | …", "(1) new notification - …".
_NOTICE = re.compile(
    r"^\s*+(?:you have )?(?:\(?\d{0,4}\+?\)?\s*+)?(?:new|unread)\s++"
    r"(?:messages?|notifications?|e?-?mails?|comments?|repl(?:y|ies))\s*+!*+\s*+[|\-–—·:]+\s*",
    re.IGNORECASE,
)
_NOTICE_OTHERS = re.compile(
    r"^\s*+(?:"
    r"(?:새 ?(?:메시지|알림|쪽지|댓글)(?:\s*+\d{0,4}\+?\s*+[개건]?)?|읽지 않은 메시지[^|\-–—·:]{0,12}"
    r"|\d{0,4}\s?(?:neue nachricht(?:en)?|nouve(?:au|aux) messages?|nouvelles? notifications?|nuevos? mensajes?"
    r"|nova(?:s)? mensage(?:m|ns)|nuov[oi] messagg(?:io|i)|nieuwe? bericht(?:en)?|nowa wiadomość|yeni mesaj"
    r"|нов(?:ое|ые|ых) сообщени[еяй]|tin nhắn mới|رسالة جديدة)"
    r"|(?:您有|你有|您收到|你收到)?\d{0,3}[条條则則个個]?新(?:消息|訊息|信息|私信|通知)|(?:新着|未読)(?:メッセージ|通知)(?:\d{0,3}件)?)"
    r"[!！]*+\s*+[|\-–—·:]+\s*"
    r"|【[^】]{0,6}(?:新消息|新訊息|新信息|新通知|新着)[^】]{0,6}】\s*)",
    re.IGNORECASE,
)
# What a page is called while it is not there yet. Each form may be followed by the name of a site.
#: Titles of a challenge: the site looks whether a person visits it.
CHALLENGE_FORMS = (
    r"just a (?:moment|sec(?:ond)?)|one moment(?:,? please)?|one more step|please stand by|hang (?:on|tight).*",
    r"attention required.*|(?:checking|validating|verifying) your browser(?: before.*)?",
    r"checking if the site connection is secure|pardon our interruption",
    r"client challenge|request rejected|sucuri website firewall|ddos-guard|vercel security checkpoint",
    r"verif(?:y|ying) (?:that )?you are (?:a )?human.*|are you (?:a )?(?:human|robot).*|human verification|captcha",
    r"(?:security|robot|bot) (?:check(?:point)?|verification)|making sure you'?re not a bot.*",
    r"performance (?:and|&) security.*",
    r"(?:nur )?(?:einen|ein) moment.*|un instant.*|un momento.*|s[óo] um momento.*|(?:een )?ogenblik.*|een moment.*",
    r"chwileczk[ęe].*|bir dakika.*|(?:ещ[её] немного|один момент).*|لحظة.*|एक क्षण.*|รอสักครู่.*",
    r"로봇이 아닙니다.*|자동 입력 방지.*|보안 ?확인|请稍[候等].*|請稍[候等].*|安全验证|人机验证",
)
#: "Loading …" as applications and browsers say it.
LOADING_FORMS = (
    r"…?loading|almost there|(?:initializing|connecting|starting|preparing)(?=\s*(?:…|\.{3}))",
    r"loading [^|\-–—:]{1,40}(?:…|\.{3})|please wait.*|redirecting|signing (?:you )?in",
    r"wird geladen|(?:laden|lädt|chargement(?: en cours)?|загрузка|завантаження)(?=\s*(?:…|\.{3}|$))|cargando",
    r"carregando|a carregar|caricamento(?: in corso)?|ładowanie|yükleniyor|đang tải|memuat|načítání|laddar|indlæser",
    r"laster|ladataan|betöltés|se încarcă|φόρτωση|กำลังโหลด|لوڈ ہو رہا ہے|جار[ٍي]? التحميل|در حال بارگذاری|טוען",
    r"connexion en cours|正在跳[转轉]|跳[转轉]中|確認中|접속 ?중(?:입니다)?",
    r"लोड हो रहा है|加载中|正在加载|載入中|讀取中|読み込み中|しばらくお待ち.*|少々お待ち.*|お待ちください.*",
    r"bitte warten.*|veuillez patienter.*|l[üu]tfen bekleyin.*|vui lòng chờ.*|подождите.*",
    r"잠시만 기다(?:려|리).*|로딩 ?중?|불러오는 중|로그인 ?중",
)
#: "Page not found" as browsers' and servers' own pages say it.
NOT_FOUND_FORMS = (
    r"(?:die )?seite (?:wurde )?nicht gefunden|page (?:introuvable|non trouvée)|p[áa]gina no encontrada",
    r"p[áa]gina n[ãa]o encontrada|pagina non trovata|pagina niet gevonden|sidan (?:hittades|kunde) inte.*",
    r"nie znaleziono strony|strona nie znaleziona|страница не найдена|сторінку не знайдено|sayfa bulunamadı",
    r"không tìm thấy trang|halaman tidak ditemukan|ไม่พบหน้า.*|הדף לא נמצא|الصفحة غير موجودة",
    r"صفحه (?:پیدا|یافت) نشد|(?:요청하신 )?페이지를 찾을 수 없(?:습니다|어요|음)|ページが見つかりません.*",
    r"お探しのページは.*|(?:找不到|未找到)(?:该|此)?(?:页面|網頁|頁面)|页面(?:不存在|未找到)|頁面不存在",
)
_ERROR_FORMS = (
    r"access (?:to this page has been )?denied|web server is down|(?:site |website )?(?:under|down for) maintenance",
    r"(?:oops[,!]? )?something went wrong(?=\s*[.!]*\s*$)",
    r"error(?=\s*$)|error: the request could not be satisfied|(?:an )?error (?:has )?occurred",
    r"(?:error\s*)?[45]\d\d(?:\s*[-:|–—]?\s*(?:error|not found|forbidden|unauthori[sz]ed|too many requests))?",
    r"(?:[45]\d\d\s*[-:|–—]?\s*)?(?:(?:page |file )?not found|bad gateway|gateway time-?out|forbidden)",
    r"(?:[45]\d\d\s*[-:|–—]?\s*)?(?:internal server error|too many requests|service (?:temporarily )?unavailable)",
    r"error [45]\d\d \(.*|oops(?=\s*!*\s*$)|problem loading page|this (?:site|page) can[’']t be reached",
    r"server not found|bad request(?=\s*$)|we[’']ll be right back|(?:page|document|object) (?:has )?moved",
    r"(?:30[12] )?moved permanently",
    r"(?:please )?enable javascript(?: and cookies)? to continue|please enable javascript|javascript (?:is )?disabled",
    r"untitled(?: document)?|new tab|about:blank|새 탭|新しいタブ|新标签页|новая вкладка",
    r"(?:react app|vite app|document)(?=\s*$)",
)
_INTERIM_FORMS = "|".join((*CHALLENGE_FORMS, *LOADING_FORMS, *NOT_FOUND_FORMS, *_ERROR_FORMS))
_INTERIM = re.compile(rf"^\s*(?:{_INTERIM_FORMS})(?:\s*[|\-–—:·.…!].*)?$", re.IGNORECASE)
# "Atlas | Loading…": the site stands first.
_INTERIM_AFTER_SITE = re.compile(
    rf"^[^|\-–—·:]{{1,60}}\s[|\-–—·:]\s(?:{'|'.join((*LOADING_FORMS, *NOT_FOUND_FORMS, 'page not found'))})\s*[.…!]*$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"^(?:https?://\S+|localhost(?::\d+)?(?:/\S*)?|(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/\S*)?)$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]{2,}")


_NOTICE_STARTS = (
    "you have", "new ", "unread", "새", "읽지", "neue", "nouve", "nuev", "nova", "nuov", "nieuw", "nowa", "yeni", "нов",
    "tin nhắn", "رسالة", "您", "你", "新", "未読",
)  # fmt: skip


class TitledVisit(Protocol):
    """What the choice of a title needs to know about a visit."""

    @property
    def title(self) -> str | None: ...


#: Files that a browser shows and that often have no title of their own.
_DOCUMENT = re.compile(r"[^.]\.(pdf|txt|md|csv|json|xml|log|png|jpe?g|gif|webp|svg)$", re.IGNORECASE)


def clean_title(title: str) -> str:
    """`title` without the unread counters, spinners, signs and notices that applications put into it.

    Unchanged when nothing else would remain.
    """
    text = title[:_MAX_TITLE_CHARS]
    if text[:1].isalpha() and not text.lower().startswith(_NOTICE_STARTS):
        return text.strip()
    for _ in range(6):
        stripped = _LEADING_MARK.sub("", _NOTICE_OTHERS.sub("", _NOTICE.sub("", text, count=1), count=1), count=1)
        if stripped == text:
            break
        text = stripped
    text = text.strip()
    return text if any(char.isalnum() for char in text) else title


def without_counters(title: str) -> str:
    """`title` for a comparison: also without a counter at its end, in one spelling of blanks and case."""
    return collapse_whitespace(_TRAILING_COUNTER.sub("", clean_title(title))).casefold()


def is_interim_title(title: str) -> bool:
    """Whether `title` belongs to a challenge, an error, or a page that is still loading, and not to the page itself."""
    return _is_interim(title[:300])


# A title is asked about in several steps.
@lru_cache(maxsize=1024)
def _is_interim(title: str) -> bool:
    if not title[:1].isalnum() and not any(char.isalnum() for char in title):
        return True
    return bool(_INTERIM.match(title) or _INTERIM_AFTER_SITE.match(title) or _ADDRESS.match(title.strip()))


def share_of_words(title: str, text: str) -> float:
    """The share of the title's words that stand in `text`, 0 to 1."""
    words = {word.casefold() for word in _WORD.findall(title)}
    if not words:
        return 0.0
    found = text[:20_000].casefold()
    return sum(word in found for word in words) / len(words)


def title_of_page(visits: Sequence[TitledVisit], texts: Sequence[str]) -> str:
    """The title of a page from its visits in order; `texts` has the text of each, or an empty string.

    The title that came with the text: of the visits that have most of it, the title whose words it contains. Without
    text the last title. A title of a challenge, an error or a loading page is chosen only if there is no other.
    """
    if len(visits) == 1:
        return _heading_instead(visits[0].title, texts[0]) if visits[0].title else ""
    titled = [(visit.title, text) for visit, text in zip(visits, texts, strict=True) if visit.title]
    if len(titled) == 1:
        return _heading_instead(*titled[0])
    titled = [entry for entry in titled if not is_interim_title(entry[0])] or titled
    longest = max((len(text) for _, text in titled), default=0)
    if not titled or not longest:
        title = titled[-1][0] if titled else ""
    else:
        fullest = [(title, text) for title, text in titled if len(text) >= 0.8 * longest]
        # Of equals the last: a page's title may be corrected.
        title = _heading_instead(*max(reversed(fullest), key=lambda entry: share_of_words(*entry)))
    return _without_changing_counter(title, [other for other, _ in titled])


def _heading_instead(title: str, text: str) -> str:
    """`title`, or the first line of a substantial text whose title is still "Loading …" or an address."""
    if len(text) < _SUBSTANTIAL_CHARS or not is_interim_title(title):
        return title
    heading = text.lstrip().split("\n", 1)[0].strip()
    return heading if 0 < len(heading) <= _MAX_HEADING_CHARS and not is_interim_title(heading) else title


def _without_changing_counter(title: str, titles: Sequence[str]) -> str:
    """`title` without the number at its end, if that number is another one on other visits."""
    bare = _TRAILING_COUNTER.sub("", title)
    others = {other for other in titles if other != title}
    if bare != title and any(_TRAILING_COUNTER.sub("", other) == bare for other in others):
        return bare
    return title


def file_name(url: str) -> str | None:
    """The name of the document at `url`, such as "report 2026.pdf"; None for an address without one."""
    parts = split_url(url)
    name = unquote(parts.path.rpartition("/")[2]).strip() if parts else ""
    return name[:_MAX_TITLE_CHARS] if _DOCUMENT.search(name) else None
