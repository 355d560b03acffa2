"""Sentences that a site says about itself and not about the subject of a page: counts of results, cookies, buttons."""

from __future__ import annotations

import re

_COUNT = r"(?:약\s*)?\d[\d,.\s]*(?:[KkMm万만억])?\+?"


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_BEGINNINGS = _any_of(
    # How many results a search found, and which of them are shown.
    r"(?:about|approximately|over|more than|page \d+ of about|ungefähr|environ|cerca de|aproximadamente|circa)"
    rf"\s+{_COUNT}\s*(?:search\s+)?(?:results?|ergebnisse|résultats|resultados|risultati|wyników)\b",
    rf"{_COUNT}\s*(?:search\s+)?(?:results?|items?|products?|matches|hits)\b"
    r"(?=\s*$|\s*[(.:]|\s+(?:for|found|in)\b)",
    rf"(?:showing|displaying|viewing)?\s*{_COUNT}\s*(?:-|–|—|to)\s*{_COUNT}\s*(?:of|/)\s*(?:about |over )?{_COUNT}",
    rf"(?:전체|총|약|검색\s?결과)[^.]{{0,12}}?{_COUNT}\s*(?:개|건)(?=\s*(?:$|[(.)]|의\s*(?:검색\s?)?결과|중))",
    rf"{_COUNT}\s*(?:개|건)의?\s*(?:검색\s?)?결과",
    rf"約?\s*{_COUNT}\s*件",
    rf"(?:找到|共)?约?約?\s*{_COUNT}\s*(?:条|個|个|項|项)(?:搜索|相关)?结果",
    r"no results found|did you mean\b.{0,60}$|검색\s?결과가 없습니다|이것을 찾으셨나요",
    # Consent, and who may read on.
    r"(?:see |read |view )?(?:our )?cookie (?:policy|settings|preferences)\b",
    r"쿠키 (?:정책|설정)|개인정보 ?(?:수집|처리방침)",
    r"(?:please )?(?:log ?in|sign ?in|sign ?up|register|subscribe)(?: or \w+(?: ?(?:in|up))?)? (?:for (?:our|free)|to "
    r"(?:continue|read|view|see|comment|reply|vote|join|follow|leave|our|post|access|unlock))\b",
    r"(?:로그인|회원\s?가입)(?:이|을|후| 후|하시면|하면|하고|해야)\s?.{0,24}"
    r"(?:필요|이용|가능|볼 수|작성|하세요|하십시오)",
    r"already have an account|not a member yet|create (?:a|your) free account|forgot (?:your )?password\b",
    # Buttons and notices.
    r"(?:skip to (?:main )?(?:content|navigation)|back to top|read more|show more|load more|add to cart|buy now)\b",
    r"본문 ?바로 ?가기|맨 위로|더 ?보기|펼쳐 ?보기|댓글을? (?:입력|작성|남겨)",
    r"앱(?:에서|으로) (?:열기|보기)|장바구니 담기",
    r"add a comment\b|sort(?:ed)? by:? ?(?:best|top|new|newest|oldest|relevance|date|\s*$|add\b)",
    r"(?:copyright )?(?:©|\(c\)) ?\d{4}",
    r"클린봇이 악성|이 글에 공감한 블로거|질문자가 채택한 답변입니다",
)
_ANYWHERE = _any_of(
    r"\bresults? \(\d+[.,]\d+ (?:seconds?|sec)\)|\(\d+[.,]\d+초\)",
    r"\b(?:we|(?:this|our|the) (?:web)?site|we and our partners) (?:also )?uses? (?:\w+ )?cookies\b",
    r"\bwe(?:,| and) our (?:\d+ )?partners\b|\bwe value your privacy\b",
    r"\b(?:accept|reject|allow|manage) (?:all )?(?:the )?cookies\b",
    r"\bby (?:continuing to (?:use|browse)|using) (?:this|our) (?:web)?site\b",
    r"(?:사이트|페이지|서비스|당사|저희)(?:는|은|에서|에서는)?\s?.{0,20}쿠키를 (?:사용|이용)|쿠키 사용에 동의",
    r"\b(?:diese|unsere) (?:website|webseite|seite) (?:verwendet|nutzt) cookies\b|\bwir verwenden cookies\b",
    r"\b(?:nous|ce site) utilis\w+ des cookies\b|\b(?:utilizamos|usamos|usa|utiliza) cookies\b",
    r"(?:当サイト|このサイト).{0,12}(?:cookie|クッキー)|(?:本网站|我们)使用.{0,6}cookie",
    r"\b(?:javascript|cookies) (?:is|are|must be) (?:disabled|required|enabled|turned off)\b",
    r"\b(?:enable|turn on|activate) (?:javascript|cookies)\b|자바스크립트(?:를|가) .{0,12}(?:활성|사용|허용)",
    r"\b(?:your|this) browser (?:is (?:not|no longer) supported|does not support|is out of date)\b",
    r"\bunsupported browser\b|지원(?:하지|되지) 않는 브라우저",
    r"\b(?:sign up for|subscribe to) (?:our|the) (?:\w+ )?(?:newsletter|mailing list|channel)\b",
    r"구독(?:과|,)?\s?(?:및 )?좋아요|뉴스레터를? 구독|알림 설정(?:을|도)? (?:부탁|꼭)",
    r"\ball rights reserved\b|무단 ?전재|재배포(?:를)? ?(?:및 .{0,8})?금지",
    r"\b(?:ad ?blocker|adblock)\b.{0,30}\b(?:disable|detected|turn off|whitelist)|광고 차단.{0,16}(?:해제|감지)",
)
#: One of these is in every text that `_ANYWHERE` finds; looking for them first takes a fraction of the time.
_SIGNS = re.compile(
    r"cookie|쿠키|partners|privacy|\(\d|site|クッキー|javascript|자바스크립트|browser|브라우저|newsletter|mailing|channel|"
    r"구독|뉴스레터|알림|rights|전재|재배포|ad ?block|광고"
)
_MAX_CHARS = 300


def is_interface_sentence(sentence: str) -> bool:
    """Whether `sentence` is what a site says to any visitor, in English, Korean or another common language.

    An article about cookies or about search is none: only sentences about "this site" or "our newsletter" are.
    """
    start = sentence[:_MAX_CHARS].strip()
    if _BEGINNINGS.match(start):
        return True
    return _SIGNS.search(start.lower()) is not None and _ANYWHERE.search(start) is not None
