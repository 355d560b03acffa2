"""Redaction: secrets are replaced, similar text is unchanged."""

from __future__ import annotations

import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from cluster.providers.privacy.outline_redaction import secret_fragments, strip_secrets
from cluster.providers.privacy.redaction import redact
from cluster.providers.prompting.page_payload import page_payload
from models.recording.pages import CapturedPage

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
    ("on 2024 4111 1111 1111 1111 was charged", "1111 1111"),
    ("no. 5 4111 1111 1111 1111, 12", "4111"),
    ("No.4111111111111111", "4111"),
    ("4111.1111.1111.1111", "1111"),
    ("4111\u00a01111\u00a01111\u00a01111", "1111"),
    ("4111 \u2013 1111 \u2013 1111 \u2013 1111", "1111"),
    ("4111\n1111\n1111\n1111", "1111"),
    ("41\u200b11 1111 1111 11\u200b11", "1111"),
    ("\uff14\uff11\uff11\uff11 1111 1111 1111", "1111"),
    ("two: 4111 1111 1111 1111 5500 0055 5555 5559 end", "5555"),
    ("jane.doe\uff20mail.example", "jane.doe"),
    ("mailto:jane.doe%40mail.example", "jane.doe"),
    ("주민번호 900101 1234567", "1234567"),
    ("주민등록번호: 2101014123450", "123450"),
    ("외국인등록번호 901231\u20105678901", "5678901"),
    ("go to mail.example/reset?token=abc123 now", "abc123"),
    ("/cb?x=1&access_token=tok123", "tok123"),
    ("https://a.example/login?next=https%3A%2F%2Fb.example%2F%3Ftoken%3Dabc123", "abc123"),
    ("https://hooks.slack.com/services/T0001/B0001/XXxx1yy2ZZ3aa4bb5cc6dd7", "XXxx1yy2"),
    ("https://a.example/reset/5f2b9c7d1e3a4f6b8c9d0e1f/now", "5f2b9c7d"),
    ("https://a.example/share/550e8400-e29b-41d4-a716-446655440000", "550e8400"),
    ("https://api.telegram.org/bot123456789:AAE1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q/x", "AAE1b2"),
    ("the key 3f786850e387550fdab836ed7e6dc881de23001b works", "3f786850"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"),
    ("token: a1b2c3d4", "a1b2c3d4"),
    ("Set-Cookie: sid=38afes7a8; Path=/", "38afes7a8"),
    ("인증번호는 [482913] 입니다", "482913"),
    ("Your verification code is 482913.", "482913"),
    ("パスワード：himitsu99", "himitsu99"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secret_is_redacted(text: str, secret: str) -> None:
    clean, count = redact(text)
    assert secret not in clean
    assert count >= 1


@pytest.mark.parametrize(
    "text",
    [
        "In 2026 there were 1234567890123456 stars, give or take.",  # fails the check of Luhn
        "Order 900101 of 1234567 parts",
        "Version 1.2.3, ISBN 978-3-16-148410-0, phone +82 2 123 4567",
        "The password is the weakest link? No: habits are.".replace("is the", "was the"),
        "See https://docs.example/guide?page=2&lang=ko#section-3",
        "The sky-high sk-8 board and the eyJ prefix",
        "0000 0000 0000 0000",
        "In 2019 2020 2021 2022 and pi 3.14159265358979",
        "https://blog.example/2026/how-to-bake-bread-in-2-hours-without-a-dutch-oven",
        "An ERC-20 token is worth what people pay; token: none",
        "See example.com/x?page=2&lang=ko and Beyond-The-Sea-Of-Green-2024-Remastered-Edition",
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == (text, 0)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_redaction_is_idempotent(text: str, secret: str) -> None:
    clean, _ = redact(text)
    assert redact(clean)[0] == clean


def card_number(begin: str, style: int) -> str:
    """A card number with its check digit in a common notation."""
    digits = begin + luhn.calc_check_digit("".join(str(int(digit)) for digit in begin))
    separator = ["", " ", "-", "\u00a0", " - ", "\u2013"][style]
    return separator.join(digits[n : n + 4] for n in range(0, len(digits), 4))


@given(
    before=st.text(string.ascii_letters + " .,\n한국어", max_size=60),
    after=st.text(string.ascii_letters + " .,\n한국어", max_size=60),
    secret=st.one_of(
        st.from_regex(r"[a-z]{3,8}\.[a-z]{3,8}@[a-z]{3,9}\.(com|co\.kr|example)", fullmatch=True),
        st.from_regex(r"\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d)-[1-8]\d{6}", fullmatch=True),
        st.from_regex(r"(sk-proj-|ghp_|xoxb-|AKIA)[A-Z0-9]{20,24}", fullmatch=True).filter(lambda t: len(t) > 23),
        st.builds(card_number, st.from_regex(r"(4\d|5[1-5]|37|62)\d{11,13}", fullmatch=True), st.integers(0, 5)),
        st.from_regex(r"https://[a-z]{3,9}\.example/p\?(token|access_token|key|sig)=[A-Za-z0-9]{6,30}", fullmatch=True),
        st.from_regex(r"(password|비밀번호|api_key|DB_SECRET) ?[:=] ?[A-Za-z0-9!#%]{6,20}", fullmatch=True),
    ),
)
def test_generated_secret_is_redacted_in_any_text(before: str, after: str, secret: str) -> None:
    kept = re.split(r"[=:] ?", secret)[-1] if "example/p?" in secret or secret[0] in "pa비D" else secret
    clean, _ = redact(f"{before} {secret} {after}")
    assert secret not in clean
    if len(kept) >= 6 and kept not in before + after + secret[: -len(kept)]:
        assert kept not in clean


@given(numbers=st.lists(st.from_regex(r"\d{1,5}", fullmatch=True), max_size=6), place=st.integers(0, 6))
def test_card_number_is_redacted_among_other_numbers(numbers: list[str], place: int) -> None:
    numbers.insert(min(place, len(numbers)), "4111 1111 1111 1111")
    assert "4111 1111 1111 1111" not in redact(" ".join(numbers))[0]


@given(text=st.text(max_size=400))
def test_redaction_accepts_any_text(text: str) -> None:
    redact(text)


def test_truncation_never_exposes_a_secret() -> None:
    """Redaction precedes truncation, at every length of the text before the secret."""
    for length in range(0, 2000, 37):
        text = "word. " * (length // 6) + "x" * (length % 6) + " pay with 4111 1111 1111 1111 now. " + "tail. " * 300
        payload = page_payload(CapturedPage("p_1", "https://a.example/", "jane.doe@private.example wrote", text))
        assert "4111 1111" not in payload.text
        assert "jane.doe" not in payload.title


def test_hostile_text_does_not_slow_the_patterns() -> None:
    """No text causes catastrophic backtracking."""
    for text in (
        "1 " * 8000, "1-" * 8000, "a." * 8000 + "@", "=" * 16000, "?a=" * 5000, "password " * 1800, "0" * 16000,
        "https://" * 2000, "http://a.b/?" + "%25" * 5000, "eyJ" * 5000, "-----BEGIN PRIVATE KEY" * 700, "A1" * 8000,
        "a@" * 8000, "900101 " * 2200, "4111 " * 3200, "token" * 3200, "Bearer " * 2200,
    ):  # fmt: skip
        began = time.process_time()
        redact(text)
        assert time.process_time() - began < 2.0, text[:20]


def test_fragments_of_secrets_are_removed_from_labels() -> None:
    found: set[str] = set()
    redact(
        "Mail jane.doe@private.example, pay 4111 1111 1111 1111, password: hunter2hunter2, password: string,"
        " see https://a.example/x?token=s3cr3tt0k3n or bread@shop.example, key sk-proj-abcdefghijklmnopqrstuv",
        found,
    )
    words = secret_fragments(found)
    for label in (
        "hunter2hunter2",
        "Jane.Doe at work",
        "paid 4111 1111",
        "s3cr3tt0k3n",
        "About hunter2hun",
        "sk-proj-abcdefghij",
    ):
        clean = strip_secrets(label, words)
        assert clean != label, label
        assert not any(piece in clean.casefold() for piece in words)
    for label in (
        "String formatting",
        "Support for private shops",
        "Jane and a doe",
        "A guide to bread",
        "Example of keys",
    ):
        assert strip_secrets(label, words) == label
