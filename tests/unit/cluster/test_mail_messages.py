"""The texts of mails: complete in both languages, escaped in HTML, and the language that a browser prefers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from cluster.mail import messages
from cluster.mail.messages import Language, ReportedPage, SessionReport
from cluster.mail.samples import sample_mails

LINK = 'https://trailmind.example/x#token="a&b"'


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_mail_is_complete_in_both_languages(language: Language) -> None:
    for mail in [*sample_mails(language), messages.verification_mail(language, LINK)]:
        assert mail.subject
        assert mail.text.endswith("\n\nTrailmind\n") or (mail.unsubscribe_url or "") in mail.text.splitlines()[-1]
        assert (max(mail.subject + mail.text) >= "가") == (language == "ko"), mail
        if LINK in mail.text:
            assert 'href="https://trailmind.example/x#token=&#34;a&amp;b&#34;"' in mail.html
        assert "{" not in mail.subject + mail.text
        assert "{{" not in mail.html
        assert "<mj-" not in mail.html
        assert "\n\n\n" not in mail.text


def test_numbers_agree_with_their_nouns() -> None:
    one, two = (messages.retention_mail("en", n, datetime(2026, 11, 30, tzinfo=UTC), LINK) for n in (1, 2))
    assert one.subject == "One session of yours will soon be deleted from Trailmind"
    assert two.subject == "2 sessions of yours will soon be deleted from Trailmind"
    assert "2026-11-30" in one.text
    assert "in 1 day." in messages.account_closed_mail("en", 1).text


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "ko"), ("fr-FR;q=0.9, en-GB, ko;q=0.5", "en"), ("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("de", "ko"), ("EN", "en")],
)
def test_the_first_supported_language_is_taken(header: str, language: Language) -> None:
    assert messages.preferred_language(header) == language


@pytest.mark.parametrize("language", ["ko", "en"])
def test_only_reports_and_usage_warnings_can_be_turned_off(language: Language) -> None:
    mails = sample_mails(language)
    assert {mail.kind for mail in mails if mail.is_optional} == {"session_report", "usage_80", "usage_100"}
    for mail in mails:
        assert ("v1/mail/unsubscribe" in mail.html) == ("v1/mail/unsubscribe" in mail.text) == mail.is_optional


@pytest.mark.parametrize("language", ["ko", "en"])
def test_mails_load_nothing_and_have_dark_colours(language: Language) -> None:
    for mail in sample_mails(language, b"\x89PNG"):
        assert [source for source in re.findall(r'src="([^"]*)"', mail.html) if not source.startswith("cid:")] == []
        assert re.search(r"url\(|<link|<script|@import", mail.html) is None
        assert "prefers-color-scheme: dark" in mail.html
        assert '<meta name="color-scheme" content="light dark"' in mail.html
        assert f'lang="{language}"' in mail.html


def test_a_title_of_a_page_cannot_become_markup_or_a_header() -> None:
    report = SessionReport(
        title="<b>x</b>\r\nBcc: eve@test.local",
        summary="",
        period="",
        active_time="",
        num_pages=1,
        keywords=(),
        pages=(ReportedPage("</td><mj-image src='https://eve.test/p.png'/>{{ 7 * 7 }}", "eve.test", "1 min"),),
        map_png=None,
    )
    mail = messages.session_report_mail("en", report, LINK, "https://trailmind.example/u")
    assert "\n" not in mail.subject
    assert "<b>x</b>" not in mail.html
    assert "<img" not in mail.html
    assert "49" not in mail.text
