"""The texts of mails: complete in both languages, escaped in HTML, and the language that a browser prefers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster.mail import messages
from cluster.mail.messages import Language, Mail

LINK = 'https://trailmind.example/x#token="a&b"'


def all_mails(language: Language) -> list[Mail]:
    return [
        messages.password_reset_mail(language, LINK),
        messages.verification_mail(language, LINK),
        messages.password_changed_mail(language),
        messages.retention_mail(language, 1, datetime(2026, 11, 30, tzinfo=UTC), LINK),
        messages.retention_mail(language, 2, datetime(2026, 11, 30, tzinfo=UTC), LINK),
        messages.account_closed_mail(language, 7),
    ]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_mail_is_complete_in_both_languages(language: Language) -> None:
    for mail in all_mails(language):
        assert mail.subject
        assert mail.text.endswith("\n\nTrailmind\n")
        assert (max(mail.subject + mail.text) >= "가") == (language == "ko"), mail
        if LINK in mail.text:
            assert 'href="https://trailmind.example/x#token=&#34;a&amp;b&#34;"' in mail.html
        assert "{" not in mail.subject + mail.text + mail.html
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
