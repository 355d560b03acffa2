"""Addresses, titles, words and sites as they are met on the web: one table for each kind of fault.

Each row is a situation in which another program lost a page, merged two, or named one wrongly. All texts are invented.
"""

from __future__ import annotations

import pytest

from cluster.mindmap.pages.page_filter import exclusion_reason
from cluster.mindmap.text.language import split_sentences
from models.recording.exclusions import default_exclusion_rule
from models.recording.page_titles import clean_title, is_interim_title
from models.text import strip_markup
from models.url_secrets import redact_url
from models.urls import page_id
from models.words import find_words

ARTICLE = "The reranker reads each of the first hundred results and puts them in a better order. " * 12


@pytest.mark.parametrize(
    "addresses",
    [
        "https://docs.x.example/#!/guide/install https://docs.x.example/#!/guide/upgrade",
        "https://app.example/#/users/12?tab=a https://app.example/#/users/13?tab=a",
        "https://papago.example/?sk=en&tk=ko&st=hello https://papago.example/?sk=en&tk=ko&st=bye",
        "https://www.hankyung.example/market?code=A005930 https://www.hankyung.example/market?code=A000660",
        "https://conf.example/program?session_id=ab-12 https://conf.example/program?session_id=ab-13",
        "https://piano.example/songs?key=Cm https://piano.example/songs?key=Am",
        "https://issues.example.org/view?ticket=OPS-12 https://issues.example.org/view?ticket=OPS-13",
        "https://atlas.example/compare?cmp=ibm https://atlas.example/compare?cmp=sap",
        "https://radio.example/play?trk=12 https://radio.example/play?trk=13",
        "https://nft.example/item?token_id=11 https://nft.example/item?token_id=12",
        "https://bahn.example/x?from=Berlin&to=Bonn https://bahn.example/x?from=Kiel&to=Bonn",
        "https://bible.example/x?source=kjv https://bible.example/x?source=esv",
        "https://blog.naver.com/PostList.naver?blogId=a&categoryNo=3 https://blog.naver.com/PostList.naver?blogId=a&categoryNo=4",
        "https://forum.example/viewtopic.php?t=17 https://forum.example/viewtopic.php?t=18",
        "https://docs.google.com/document/d/1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789/edit"
        " https://docs.google.com/document/d/2AbCdEfGhIjKlMnOpQrStUvWxYz0123456789/edit",
        "https://x.example/services/hosting/plans/a8Kx03LmPq91ZtRw https://x.example/services/hosting/plans/b8Kx03LmPq91ZtRw",
    ],
)
def test_pages_of_their_own(addresses: str) -> None:
    urls = addresses.split()
    assert len({page_id(redact_url(url)) for url in urls}) == len(urls)


@pytest.mark.parametrize(
    "addresses",
    [
        "https://x.example/a https://x.example/a?cjevent=9b1 https://x.example/a?ns_campaign=1&ns_mchannel=email",
        "https://x.example/a https://x.example/a?sfmc_id=1&sfmc_activityid=2 https://x.example/a?ICID=ref_fark",
        "https://x.example/a https://x.example/a?__cf_chl_tk=a8Kx.03-1770000000-0-gaNy https://x.example/a?_=1770000000000",
        "https://www.tiktok.com/@a/video/1 https://www.tiktok.com/@a/video/1?is_from_webapp=1&sender_device=pc"
        " https://www.tiktok.com/@a/video/1?_r=1&_t=8abc",
        "https://zhuanlan.zhihu.com/p/1 https://zhuanlan.zhihu.com/p/1?utm_psn=2&share_code=abcd",
        "https://mp.weixin.qq.com/s/aBcD https://mp.weixin.qq.com/s/aBcD?scene=1&chksm=8f&srcid=1&key=77a&pass_ticket=x",
        "https://www.xiaohongshu.com/explore/64 https://www.xiaohongshu.com/explore/64?xsec_token=ABq1&xsec_source=pc_feed",
        "https://item.taobao.com/item.htm?id=1 https://item.taobao.com/item.htm?ns=1&abbucket=8&id=1&skuId=5&spm=a21",
        "https://a.substack.com/p/reef https://a.substack.com/p/reef?r=1ab&utm_medium=web&showWelcomeOnShare=true",
        "https://www.ft.com/content/1 https://www.ft.com/content/1?shareType=nongift",
        "https://v.daum.net/v/2026 https://v.daum.net/v/2026?f=p",
        "https://a.tistory.com/12 https://a.tistory.com/12?category=881",
        "https://gall.dcinside.com/board/view/?id=p&no=27 https://gall.dcinside.com/board/view/?id=p&no=27&page=3",
        "https://cafe.naver.com/ca-fe/cafes/1/articles/2 https://cafe.naver.com/ca-fe/cafes/1/articles/2?boardtype=L&menuid=9",
        "https://shopee.co.id/reef-i.1.2 https://shopee.co.id/reef-i.1.2?sp_atk=7f&xptdk=7f",
        "https://x.example/a https://x.example/a?cmp=share_btn_tw https://x.example/a?trk=public_post",
        "https://www.spiegel.de/a https://www.spiegel.de/a?sara_ref=re-so-app-sh",
        "https://www.lemonde.fr/a.html https://www.lemonde.fr/a.html?lmd_medium=email&lmd_campaign=x",
        "https://www.airbnb.co.uk/rooms/7 https://www.airbnb.co.uk/rooms/7?source_impression_id=p3_1&photo_id=8",
    ],
)
def test_one_page_with_marks(addresses: str) -> None:
    assert len({page_id(redact_url(url)) for url in addresses.split()}) == 1


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://hooks.chat.example/services/T0A1/B0C2/aB3dE5fG7hI9jK1lMnOp", "aB3dE5fG7hI9jK1lMnOp"),
        ("https://talk.example/api/webhooks/123456789012345678/aB3dE5fG7hI9jK1lMn-pqRsTuV", "aB3dE5fG7hI9"),
        ("https://api.bots.example/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", "AAHdqTcv"),
        ("https://x.example/?X-API-KEY=12345", "12345"),
        ("https://x.example/?url=https%3A%2F%2Fy.example%2F%3Faccess_token%3Dq1w2", "q1w2"),
    ],
)
def test_secrets(url: str, secret: str) -> None:
    assert secret not in redact_url(url)


@pytest.mark.parametrize(
    ("title", "clean"),
    [
        ("(3개) 산호초 이야기", "산호초 이야기"),
        ("（5条消息）珊瑚礁的生长", "珊瑚礁的生长"),
        ("(5条新消息) 珊瑚礁", "珊瑚礁"),
        ("【3件の未読】珊瑚の話", "珊瑚の話"),
        ("(3 new) Reef talk", "Reef talk"),
        ("✉ Reef talk", "Reef talk"),
        ("（2024）珊瑚报告", "（2024）珊瑚报告"),
        ("(2024) Reef report", "(2024) Reef report"),
        ("‼️ Reef", "‼️ Reef"),
    ],
)
def test_titles_without_counters(title: str, clean: str) -> None:
    assert clean_title(title) == clean


@pytest.mark.parametrize(
    "title",
    [
        "One more step", "Pardon Our Interruption", "Client Challenge", "Just a second", "Loading your library…",
        "503 Service Temporarily Unavailable", "ERROR: The request could not be satisfied", "Error",
        "Seite nicht gefunden | Atlas", "Página no encontrada", "Page introuvable", "Страница не найдена",
        "ページが見つかりません", "找不到页面", "페이지를 찾을 수 없습니다", "Chargement…", "Загрузка…", "加载中…",
        "Đang tải…", "กำลังโหลด", "جار التحميل…", "로그인 중...",
    ],
)  # fmt: skip
def test_titles_of_pages_that_are_not_there_yet(title: str) -> None:
    assert is_interim_title(title)


@pytest.mark.parametrize(
    "title",
    [
        "Loading docks of Hamburg", "Error handling in Go", "Checking your browser history", "Forbidden City",
        "Just a minute — radio show history", "Laden | Käsehandwerk", "Загрузка судов в порту", "500 Days of Summer",
        "One more step into the cave", "Security check lists for pilots",
    ],
)  # fmt: skip
def test_titles_that_only_sound_like_it(title: str) -> None:
    assert not is_interim_title(title)


@pytest.mark.parametrize(
    ("url", "title", "text", "reason"),
    [
        ("https://www.sogou.com/web?query=a", "a - 搜狗搜索", ARTICLE, "search_results"),
        ("https://m.so.com/s?q=a", "a_360搜索", ARTICLE, "search_results"),
        ("https://x.example/a", "Seite nicht gefunden", "Die Seite fehlt.", "error"),
        ("https://x.example/a", "お探しのページは見つかりません", "", "error"),
        ("https://x.example/a", "Anmelden | Atlas", "Passwort", "login"),
        ("https://x.example/a", "ログイン", "パスワード", "login"),
        ("https://x.example/a", "Вход", "Пароль", "login"),
        ("https://x.example/a", "请稍候…", "", "captcha"),
        ("https://x.example/a", "Wird geladen…", "", "loading"),
        ("https://x.example/a", "Posteingang (3)", "", "inbox"),
        ("https://x.example/a", "Anmelden", ARTICLE, None),
        ("https://blog.example/?p=813", "A better order of results", ARTICLE, None),
    ],
)
def test_pages_that_are_left_out(url: str, title: str, text: str, reason: str | None) -> None:
    assert exclusion_reason(url, title, text, dwell_ms=30_000) == reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ਪੰਜਾਬੀ ਭਾਸ਼ਾ", ["ਪੰਜਾਬੀ", "ਭਾਸ਼ਾ"]),
        ("ދިވެހި ބަސް", ["ދިވެހި", "ބަސް"]),
        ("ئۇيغۇرچە تىل", ["ئۇيغۇرچە", "تىل"]),
        ("ꦧꦱꦗꦮ", ["ꦧꦱꦗꦮ"]),
        ("עִבְרִית קַלָּה", ["עִבְרִית", "קַלָּה"]),
        ("Tiếng Việt có dấu", ["Tiếng", "Việt", "có", "dấu"]),
        ("ພາສາລາວ", ["ພາສາ", "ລາວ"]),
    ],
)
def test_words_of_further_scripts(text: str, words: list[str]) -> None:
    assert find_words(text) == words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ይህ አንድ ነው። ይህ ሁለት ነው።", 2),
        ("「本当？」と彼は言った。次へ。", 2),
        ("هذا أول؟ هذا ثان.", 2),
        ("ეს ერთია. ეს ორია.", 2),
        ("See example.com for more. Then go.", 2),
        ("Dr. Smith went. He left.", 2),
        ("See Fig. 3 and Eq. 2 for more. Next.", 2),
        ("Use a chart, e.g. this one. That helps.", 2),
        ("Nehmen Sie z.B. das hier. Und dann.", 2),
        ("Течение, т.е. это. И то.", 2),
        ("El Sr. López vino. Se fue.", 2),
        ("U.S. policy changed. Then it did not.", 2),
        ("He lives in the U.S. She does not.", 2),
        ("It is plan B. Then comes C.", 2),
        ("The answer is no. Next.", 2),
    ],
)
def test_sentences_of_further_scripts(text: str, count: int) -> None:
    assert len(list(split_sentences(text))) == count


@pytest.mark.parametrize(
    "title",
    [
        "Map<String, List<Integer>>",
        "<T> generics",
        "p<0.001",
        "{{ template }}",
        "<!DOCTYPE html> explained",
        "A -> B => C",
    ],
)
def test_signs_with_a_meaning_stay(title: str) -> None:
    assert strip_markup(title) == title


@pytest.mark.parametrize(
    "url",
    [
        "http://nas.fritz.box/", "http://build.team.ts.net/", "http://host.docker.internal/",
        "http://100.64.0.1/", "http://0x7f000001/", "https://e.mail.ru/inbox", "https://webmail.example.org/",
    ],
)  # fmt: skip
def test_sites_that_are_not_recorded(url: str) -> None:
    assert default_exclusion_rule(url) is not None
