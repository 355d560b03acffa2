"""Sentences that say what a topic is: their subject is its label, or the end of it, and they define it.

A true sentence of one page on one product or one detail describes that page, not the topic. Where no page has a
definition, the topic has no description of its own, and the document says what it holds (`document.contents`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import OutlineTopic
from cluster.mindmap.pages.evidence import description_of, label_halves, own_sentence, stands_alone
from cluster.mindmap.pages.features import PageFeatures
from cluster.mindmap.text.language import hangul_share, is_complete_sentence
from cluster.mindmap.text.words import split_words, stem
from models.mindmap.document import Evidence
from models.words import find_words

_MAX_SUBJECT_CHARS = 80
_ASIDE = r"(?:\s*\([^()]{1,60}\)|,[^,]{1,60},)?"
_ENGLISH = re.compile(
    rf"(?P<article>(?:an?|the)\s+)?(?P<subject>\S.{{0,60}}?){_ASIDE}\s+(?:is|are|was|were|means?|refers? to)\s+"
    r"(?P<rest>.+)",
    re.IGNORECASE,
)
#: What follows "is" in a definition: a noun with an article, or one that a clause explains ("cabbage that bacteria …").
_ENGLISH_NOUN = re.compile(
    r"(?:(?:basically|essentially|simply|usually|any|one of|when|what|how|where)\s"
    r"|(?:an?|the)\s+(?!\w+est\b|most\b|least\b)|[a-z][\w-]*(?:\s[\w-]+)?\s(?:that|which|whose|made)\s)",
    re.IGNORECASE,
)
#: Nouns and adjectives of opinions and remarks.
_ENGLISH_REMARK = re.compile(
    r"(?:an?|the|one of the)\s+(?:(?:very|really|pretty|quite)\s+)?(?:good|great|bad|better|nice|big|huge|real|common|"
    r"usual|main|only|same|first|last|next|right|wrong|must|joke|waste|bit|little|lot|few|matter|mistake|problem|reason|"
    r"cause|myth|scam|choice|question|answer|point|key|way|one|thing|pity|shame|fact)\b"
    r"|.*\b(?:I|my|we|our|us|me)\b",
    re.IGNORECASE,
)
_KOREAN = re.compile(
    rf"[\"'“‘「『《<]?(?P<subject>[^,]{{1,40}}?)[\"'”’」』》>]?{_ASIDE}(?:은|는|이란|란)\s+(?P<rest>\S+(?:\s+\S+)*\s+(?P<last>\S+))"
)
_KOREAN_MEANING = re.compile(r".+[을를라]\s*(?:(?:말|뜻|의미)(?:한다|합니다|해요)|가리킨다|가리킵니다|일컫는다)")
_KOREAN_COPULA = re.compile(r"(?P<noun>.+?)(?:이다|입니다|이에요|이예요|예요)|(?P<bare>.*[^\W\d_a-zA-Z])다")
#: A word of one letter before 이다 or 입니다 is mostly a verb: 보입니다, 쓰인다 … and these verbs end so, too.
_KOREAN_VERBS = frozenset(split_words("보 쓰 높 줄 붙 놓 쌓 섞 모 먹 죽 들 끓 녹 속 기울 움직 반짝"))
#: Syllables before 다 of verbs and adjectives without a final consonant: 필요하다, 빠르다, 나쁘다, 크다, 아니다.
_KOREAN_ADJECTIVE_ENDS = frozenset("하되르쁘프크싸쓰니지시")
#: Words of remarks: "무료입니다", "10만원이 보통입니다", "필수다".
_KOREAN_REMARKS = frozenset(
    split_words(
        """
    보통 무료 필수 처음 편 정도 때문 거 차이 이유 문제 중 사실 기본 최고 최악 선택 필요 가능 추천 유리 마찬가지
    그대로 마리 원 개 번 배 제한 금지 별도 대상 수준 예정 전망 상태 쪽 게 만 뿐 법 셈 덕분 탓 정답
    """
    )
)
_KOREAN_REMARK_ENDS = ("부터", "까지", "에서", "요일", "퍼센트")


def says_what_it_is(label: str, text: str) -> bool:
    """Whether `text` defines what `label` names: "An air fryer is a small oven …", "워킹홀리데이는 … 비자다."."""
    last = next(reversed(find_words(label)), "").lower()
    if len(label_halves(label)) > 1 or not last or stem(last)[:-1] not in text[:_MAX_SUBJECT_CHARS].lower():
        return False
    if not is_complete_sentence(text) or text.rstrip("\"'”’)").endswith("?") or not stands_alone(text):
        return False
    is_korean = hangul_share(text) > 0.5
    return _defines_in_korean(label, text) if is_korean else _defines_in_english(label, text)


def _defines_in_english(label: str, text: str) -> bool:
    match = _ENGLISH.fullmatch(text)
    if match is None or not _is_label(match["subject"], label):
        return False
    # "The keyboard is a board with 87 keys" is about one keyboard; "The Silk Road was a network …" names it.
    is_one_thing = (match["article"] or "").strip().lower() == "the" and match["subject"][0].islower()
    rest = match["rest"]
    return not is_one_thing and _ENGLISH_NOUN.match(rest) is not None and _ENGLISH_REMARK.match(rest) is None


def _defines_in_korean(label: str, text: str) -> bool:
    match = _KOREAN.fullmatch(text.rstrip(" .!。"))
    if match is None or not _is_label(match["subject"], label):
        return False
    if _KOREAN_MEANING.fullmatch(match["rest"]):
        return True
    copula = _KOREAN_COPULA.fullmatch(match["last"])
    if copula is None:
        return False
    noun = copula["noun"] or copula["bare"]
    if copula["bare"] is not None:
        # Before 다 the copula is left out behind a vowel only (도구다); with a consonant it is a verb (한다, 였다).
        has_consonant = "가" <= noun[-1] <= "힣" and (ord(noun[-1]) - ord("가")) % 28 != 0
        if has_consonant or noun[-1] in _KOREAN_ADJECTIVE_ENDS:
            return False
    is_remark = noun in _KOREAN_REMARKS or noun.endswith(_KOREAN_REMARK_ENDS) or any(char.isdigit() for char in noun)
    return noun not in _KOREAN_VERBS and not is_remark


def _is_label(subject: str, label: str) -> bool:
    """Whether the subject of a sentence is the label or the end of it, at least half of its words."""
    own, words = ([stem(word.lower()) for word in find_words(text)] for text in (subject, label))
    return bool(own) and 2 * len(own) >= len(words) and own == words[-len(own) :]


def describe_topic(label: str, pages: Sequence[PageFeatures]) -> tuple[str, tuple[Evidence, ...]]:
    """A sentence of `pages` that says what the topic is, with its evidence; empty when no page has one.

    `pages` are in the order in which they are asked. A topic of one page is described as the page is.
    """
    for page in pages:
        for passage in page.passages:
            if says_what_it_is(label, passage.text):
                return description_of(page, passage)
    return own_sentence(pages[0]) if len(pages) == 1 else ("", ())


def relabelled(topic: OutlineTopic, label: str) -> OutlineTopic:
    """`topic` with another label, and without a description that defines the old one and not the new one."""
    if says_what_it_is(topic.label, topic.description) and not says_what_it_is(label, topic.description):
        evidence = tuple(quote for quote in topic.evidence if quote.supports != "description")
        topic = replace(topic, description="", evidence=evidence)
    return replace(topic, label=label)
