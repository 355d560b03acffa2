"""Word lists for English and Korean (stop words, generic words, platform names), and an English plural stemmer."""

from __future__ import annotations

import re


def split_words(text: str) -> tuple[str, ...]:
    """The words of a list that is written as running text."""
    return tuple(text.split())


# prose: off
_ENGLISH = split_words(
    """
    a about above according across actually after again against all allow allows almost along already also
    although always am among an and another any anyone anything apart appear appears are aren around as aside
    ask at available away back be became because become becomes been before beforehand behind being believe
    below beside besides best better between beyond both brief but by came can cannot cause causes certain
    certainly changes clearly come comes concerning consequently consider considering contain containing
    contains corresponding could couldn course currently described despite did didn different do does doesn
    doing don done down downwards during each either else elsewhere enough entirely especially etc even ever
    every everybody everyone everything everywhere exactly example except far few fifth first five followed
    following follows for former formerly forth four from further furthermore gave get gets getting give given
    gives go goes going gone got gotten greetings had hadn happens hardly has hasn have haven having he hello
    help hence her here hereafter hereby herein hereupon hers herself hi him himself his how however ie if
    ignored immediate in inasmuch inc indeed indicate indicated indicates inner insofar instead into inward is
    isn it its itself just keep keeps kept know known knows last lately later latter latterly least less lest
    let like liked likely little ll look looking looks ltd made mainly make makes making many may maybe me mean
    means meanwhile merely might more moreover most mostly much must my myself namely near nearly necessary need
    needs neither never nevertheless new next no nobody non none noone nor normally not nothing now nowhere
    obviously of off often oh ok okay old on once one ones only onto or other others otherwise ought our ours
    ourselves out outside over overall own particular particularly per perhaps placed please plus possible
    presumably probably provides quite rather re really reasonably regarding regardless regards relatively
    respectively right said same saw say saying says second secondly see seeing seem seemed seeming seems seen
    self selves sensible sent serious seriously seven several shall she should shouldn since six so some
    somebody somehow someone something sometime sometimes somewhat somewhere soon sorry specified specify
    specifying still sub such sup sure take taken tell tends than that thats the their theirs them themselves
    then thence there thereafter thereby therefore therein theres thereupon these they thing things think third
    this thorough thoroughly those though three through throughout thru thus to together too took toward towards
    tried tries truly try trying twice two un under unfortunately unless unlikely until unto up upon us use used
    useful uses using usually various ve very via want wants was wasn way we well went were weren what whatever
    when whence whenever where whereafter whereas whereby wherein whereupon wherever whether which while whither
    who whoever whole whom whose why will willing wish with within without won wonder would wouldn yes yet you
    your yours yourself yourselves zero able add added adds already allowed called calls case cases change
    changed choose chosen click clicked clicking contains create created creates creating default defined
    defines displayed displays does enter etc find found general given gives happen here include included
    includes including instead know left let list listed lot matter means multiple must need number numbers open
    opens order part parts place point press provide provided return returned returns right run runs select
    selected selecting set sets setting show shown shows similar simple simply single something start starts
    still support supported supports tab take takes thing time times turn type types used user users value
    values want whether work works prev previous next home up top contents index toc chapter section sections
    table figure appendix copyright rights reserved license http https www com org net html htm php aspx page
    pages site website web click menu navigation skip main content sidebar footer header login logout signin
    signup sign log cookie cookies privacy policy terms search edit share print download subscribe newsletter
    advertisement loading read comment comments reply replies ago min posted updated published author tags
    category categories related view views see also back permalink source note notes tip warning important usage
    synopsis description options arguments examples overview introduction
    """
)

STOP_WORDS = frozenset(_ENGLISH)

#: Words of titles about anything; a sub-topic is never called by them alone.
FILLER_WORDS = frozenset(
    split_words(
        """
    day days week weeks hour hours minute minutes month months year years late big small good bad new old cheap cheapest
    first last long short thing things way ways tip tips review reviews comparison difference
    추천 비교 후기 정리 만에 개월 이유 차이 방법 순서 종류 가격 기록 처음 입문 질문 하루 이틀 사용기 총정리
    """
    )
)

#: Numerals, units and measures: "Twelve weeks" or "다섯" names no subject.
MEASURE_WORDS = frozenset(
    split_words(
        """
    day days week weeks hour hours minute minutes second seconds month months year years half kilowatt kilowatts watt
    watts inch inches metre metres meter meters kilometre kilometres kilometer kilometers kilo kilos percent degree
    degrees litre litres liter liters euro euros dollar dollars pound pounds one two three four five six seven
    eight nine ten eleven twelve fifteen twenty thirty forty fifty hundred thousand first second third fourth fifth
    주 년 시간 분 개월 만에 만원 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 가지 번 평
    """
    )
)

#: "Apache HTTP Server Version 2.4": what stands between a name and its number belongs to neither.
VERSION_WORDS = frozenset(split_words("version versions ver release releases 버전 버젼"))

#: Words that may be part of a label but are too general to be one.
GENERIC_WORDS = frozenset(
    split_words(
        """
    version manual documentation docs doc guide reference tutorial book article post blog news forum wiki faq
    welcome getting started learn learning lesson basics concept concepts detail details feature features
    function functions method methods option parameter parameters argument property properties object objects
    item items element elements name names file files data information text string line lines example option
    result results command commands system program application app tool tools software window windows button
    dialog box field key keys mode level issue issues problem problems question questions answer answers topic
    topics group groups name process thing kind sort form format area size current official free full online
    world year day today people module modules package packages class classes library project user setting
    settings support service services chapter glossary appendix introduction overview summary review top best
    new story part 사용 방법 기능 정보 설명 예제 예시 도움말 문서 안내 소개 내용 항목 목록 이름 부분 형식 유형
    종류 옵션 설정 값 문제 페이지 사이트 버전 사용자 시스템 프로그램 파일 결과 상태 시작 추가 변경 삭제 적용
    작업 명령 도구 대화상자 메뉴 글 뉴스 블로그 카페 정리 후기 추천 질문 답변 기본 관련 개요 모듈 클래스 함수
    데이터
    """
    )
)
# prose: on

#: Verbs and adjectives of manuals and user interfaces: they describe an action or state, not the subject of a page.
WEAK_VERBS = frozenset(
    split_words(
        """
    configure enable disable insert define customize customise delete remove install uninstall open close save
    copy paste undo redo require follow apply assign allow avoid build check convert display edit execute export
    extend fix generate handle hide implement import improve increase join load locate make manage merge modify
    move prevent protect replace represent reset resize restore retrieve return rename send set specify split
    start stop store submit switch transform try update upgrade verify view write written activate deactivate
    attempt separate lower upper visible original access long short large small big high low true false null
    empty main same different available active common 삽입 입력 지정 사용 적용 설정 선택 변경 삭제 추가 이동
    전환 실행 열기 닫기 보기 찾기 만들기 바꾸기 편집 표시 확인 지원 제거 복사 저장
    """
    )
)

#: Words removed from a site's name before the name becomes a label.
SITE_NAME_STOP_WORDS = frozenset(
    split_words(
        """
    documentation docs doc manual manuals handbook guide reference wiki official site website home homepage blog
    forum help version release latest stable users user the a of for and online center centre community portal
    문서 도움말 설명서 공식 사이트 홈페이지 블로그 카페 위키 커뮤니티 안내
    """
    )
)

#: Platforms that host pages about anything: their names identify the source of a page, not its topic.
PLATFORM_NAMES = frozenset(
    split_words(
        """
    wikipedia wiktionary wikimedia fandom youtube vimeo reddit twitter facebook instagram tiktok linkedin pinterest
    quora medium substack tumblr blogger wordpress stackoverflow stackexchange overflow github gitlab bitbucket
    amazon ebay aliexpress google bing yahoo naver daum kakao tistory velog brunch coupang danawa namuwiki dcinside
    유튜브 위키백과 나무위키 네이버 다음 카카오 티스토리 벨로그 브런치 쿠팡 다나와 구글 인스타그램 페이스북 트위터
    지식인 클리앙 디시인사이드
    """
    )
)

#: Terms of one to three characters that are not discarded for their length.
SHORT_TERMS = frozenset(
    split_words(
        """
    c r go ai ml ux ui os tv db js ts c++ c# f# 3d 2d vr ar ip pc ssh sql git api css gtk qt
    """
    )
)

_KOREAN = split_words(
    """
    가 각 각각 간 같은 같이 것 것은 것을 것이 게 겁니다 결과적으로 경우 경우에 계속 관한 관해 관련하여 그 그것
    그냥 그대로 그래서 그러나 그러면 그런 그렇게 그리고 근데 기타 까지 나 나서 내 너무 네 누구 다 다른 다시 다음
    다음과 단 달리 당신 대로 대부분 대하여 대한 대해 더 더욱 덜 동시에 동안 되어 된 될 두 둘 뒤 등 등등 등의
    따라 따라서 따른 때 때까지 때는 때문 때문에 또 또는 또한 라는 로 를 마다 마찬가지 마치 만 만약 만일 많은
    많이 매우 먼저 모두 모든 몇 무슨 무엇 및 바 바로 반드시 밖에 보다 보통 부터 분 뿐 사이 사이에 서로 세 수
    수도 수는 스스로 아 아니 아니라 아래 아래의 아마 아무 아주 아직 안 않고 않는 않은 않음 앞 앞의 약 어느 어떤
    어떻게 어디 언제 언제나 얼마나 에 여기 여기서 여러 여러분 여전히 역시 예 예를 오늘 오른쪽 온 완전히 왜 왼쪽
    외 외에 요 우리 위 위에 위의 위치 위한 위해 위해서 으로 은 을 의 이 이것 이건 이나 이는 이라는 이러한 이런
    이렇게 이를 이미 이번 이상 이에 이와 이전 이제 이후 이하 인 일 일반적으로 일부 임의의 있 있고 있는 있다 있어
    있으며 있을 자기 자세한 자신 자신의 자주 잘 저 전 전체 점 정도 제 조금 좀 주로 줄 중 중에 즉 지금 지정한
    직접 쪽 참고 참조 처럼 처음 첫 첫번째 최소 최대 컴퓨터에서 클릭 클릭하고 클릭하여 통해 통하여 특정 특정한
    특히 편 하거나 하게 하고 하기 하나 하나의 하는 하다 하면 하지만 한 한다 한번 할 함께 합니다 항상 해 해당
    해도 해야 해서 했다 향후 혹은 후 후에 없는 없다 없이 없습니다 있습니다 누르고 눌러 눌러서 누르면 누르십시오
    누릅니다 선택 선택하고 선택하면 선택합니다 버튼 버튼을 단추 두번 마우스 이용 이용한 이용하여 가지 가능
    가능한 필요 필요한 경우는 의해 의하여 의한 대신 대신에 통한 새 새로 새로운 열고 열어 엽니다 닫기 닫습니다
    확인 취소 여부 모양 현재 활동 사용할 사용하는 사용하여 사용해 사용한 사용합니다 보기 보려면 하려면 다음은
    다음을 그림 표시 표시되는 표시됩니다 상자 탭 로그인 로그아웃 회원가입 검색 메뉴 바로가기 본문 이전글 다음글
    목록으로 공유 댓글 조회 조회수 작성 작성자 추천수 스크랩 신고 구독 알림 더보기 접기 펼치기
    """
)

KOREAN_STOP_WORDS = frozenset(_KOREAN)

#: Korean nouns of one syllable; other single syllables are treated as particles or fragments.
ONE_SYLLABLE_NOUNS = frozenset(
    split_words(
        """
    셀 표 창 책 돈 집 차 물 불 빛 별 달 해 산 강 꽃 색 선 면 점 값 행 열 글 말 춤 곡 음 절 장 앱 웹
    """
    )
)

_VOWEL = re.compile(r"[aeiouy]")


def stem(word: str) -> str:
    """`word` (lower-case English) without a plural or possessive ending; other words unchanged.

    A variant of the S-stemmer (Harman 1991, "How effective is suffixing?"): it keeps words readable as labels, which
    stronger stemmers (Porter) do not.
    """
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is", "ous", "ics", "news", "'s")):
        return word[:-2] if word.endswith("'s") and len(word) > 4 else word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if not _VOWEL.search(word[:-1]):
        return word
    return word[:-1]


_VERB_OR_ADVERB_ENDING = re.compile(r"(?:ly|ed|ize|ise|izes|ises|ing)$")
_ING_NOUNS = frozenset(split_words(
        """
    string thing ring spring king wing painting drawing building meeting setting engineering programming
    networking banking accounting marketing camping cooking hiking gardening knitting parsing rendering logging
    testing hosting caching scripting typing training housing clothing shopping pricing trading investing
    cycling climbing swimming running fishing baking brewing clustering routing scheduling indexing monitoring
    deep-learning mixing recording lighting budgeting invoicing bookkeeping spelling handling
    """
))  # fmt: skip


def is_unlikely_noun(word: str) -> bool:
    """Whether an English word ends like a verb or adverb, and so would make a weak label."""
    return len(word) > 4 and bool(_VERB_OR_ADVERB_ENDING.search(word)) and word not in _ING_NOUNS
