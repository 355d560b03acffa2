"""Secrets are taken out, and what only looks like one stays readable."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.providers.cards import page_card
from cluster.providers.redaction import redact
from models.pages import CapturedPage

SECRETS = [
    ("Mail jane.doe+news@mail.example.co.kr today", "jane.doe"),
    ("card 4111 1111 1111 1111 exp", "4111"),
    ("card 4111-1111-1111-1111.", "4111"),
    ("378282246310005 is Amex", "378282246310005"),
    ("주민등록번호 900101-1234567 입니다", "1234567"),
    ("900101 - 2******", "2******"),
    ("SSN 123-45-6789", "123-45-6789"),
    ("key sk-ant-api03-AbCdEfGhIjKlMnOp", "AbCdEfGh"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_"),
    ("AKIAIOSFODNN7EXAMPLE", "AKIA"),
    ("AIzaSyA1234567890abcdefghijklmnopqrstuvw", "AIza"),
    ("Authorization: Bearer abcdef0123456789abcdef", "abcdef0123"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-nature", "eyJ"),
    ('password = "correct horse"', "correct"),
    ("DB_PASSWORD=hunter2hunter2", "hunter2"),
    ("비밀번호는 abcd1234!! 입니다", "abcd1234"),
    ("client_secret: 'GOCSPX-abcdef'", "GOCSPX"),
    ("https://user:pa55word@host.example/x", "pa55word"),
    ("https://a.example/cb?code=abc123&state=ok#access_token=tok123", "tok123"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEow and then the page was cut", "MIIEow"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_goes(text: str, secret: str) -> None:
    clean, count = redact(text)
    assert secret not in clean
    assert count >= 1


@pytest.mark.parametrize(
    "text",
    [
        "In 2026 there were 1234567890123456 stars, give or take.",  # no card by its check digit
        "Order 900101 of 1234567 parts",
        "Version 1.2.3, ISBN 978-3-16-148410-0, phone +82 2 123 4567",
        "The password is the weakest link? No: habits are.".replace("is the", "was the"),
        "See https://docs.example/guide?page=2&lang=ko#section-3",
        "The sky-high sk-8 board and the eyJ prefix",
        "0000 0000 0000 0000",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == (text, 0)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_twice_is_once(text: str, secret: str) -> None:
    clean, _ = redact(text)
    assert redact(clean)[0] == clean


@given(
    before=st.text(string.ascii_letters + " .,\n한국어", max_size=60),
    after=st.text(string.ascii_letters + " .,\n한국어", max_size=60),
    secret=st.sampled_from(
        ["jane.doe@private.example", "4111 1111 1111 1111", "900101-1234567", "sk-proj-abcdefghijklmnopqrstuv"]
    ),
)
def test_a_secret_goes_wherever_it_stands(before: str, after: str, secret: str) -> None:
    clean, _ = redact(f"{before} {secret} {after}")
    assert secret not in clean


@given(text=st.text(max_size=400))
def test_any_text_is_survived(text: str) -> None:
    redact(text)


def test_a_cut_never_uncovers_a_secret() -> None:
    """The text is redacted before it is cut to size: at every length of what stands before."""
    for length in range(0, 2000, 37):
        text = "word. " * (length // 6) + "x" * (length % 6) + " pay with 4111 1111 1111 1111 now. " + "tail. " * 300
        card = page_card(CapturedPage("p_1", "https://a.example/", "jane.doe@private.example wrote", text))
        assert "4111 1111" not in card.text
        assert "jane.doe" not in card.title
