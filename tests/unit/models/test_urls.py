"""URLs: normalization, page ids, redaction, excluded domains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recording.exclusions import default_exclusion_rule, matching_domain, normalize_domain
from models.urls import host_of, normalize_url, page_id, page_url, redact_url, redact_urls, url_hash


@pytest.mark.parametrize(
    ("given_url", "stored"),
    [
        ("https://Example.COM/a/", "https://example.com/a"),
        ("https://example.com/a#x", "https://example.com/a"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/", "https://example.com/"),
        ("HTTPS://example.com/A", "https://example.com/A"),
        ("https://example.com/a//", "https://example.com/a/"),
        ("https://example.com/?b=2&a=1", "https://example.com/?b=2&a=1"),
        ("https://www.example.com:443/%7Ea", "https://www.example.com:443/%7Ea"),
        ("https://[broken", "https://[broken"),
    ],
)
def test_normalization_vectors(given_url: str, stored: str) -> None:
    assert normalize_url(given_url) == stored


def test_url_hashes() -> None:
    assert url_hash("https://Example.com/a/#x") == url_hash("https://example.com/a")
    assert url_hash("https://example.com/a") != url_hash("https://example.com/A")
    assert len(url_hash("")) == 64
    assert set(url_hash("x")) <= set("0123456789abcdef")


def test_campaign_parameters_do_not_change_the_page() -> None:
    plain = "https://example.com/a?id=7"
    assert page_url(plain + "&utm_source=mail&fbclid=1#top") == plain
    assert page_id(plain + "&utm_source=mail") == page_id(plain)
    assert page_id(plain) != page_id("https://example.com/a?id=8")


@given(st.text(max_size=80))
def test_any_string_is_accepted(text: str) -> None:
    for function in (
        normalize_url,
        page_url,
        page_id,
        host_of,
        redact_url,
        redact_urls,
        url_hash,
        default_exclusion_rule,
    ):
        function(text)
    assert normalize_url(normalize_url("https://e.com/" + text)) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://e.com/?token=sesame",
        "https://e.com/?access_token=sesame&x=1",
        "https://e.com/?x=1&api-key=sesame",
        "https://e.com/cb#id_token=sesame",
        "https://e.com/cb?code=sesame&state=1",
        "https://u:sesame@e.com/",
        "https://e.com/?X-Amz-Signature=sesame",
        "https://e.com/?password=sesame",
        "https://e.com/?v=eyJhbGciOi.sesame.x",
        "https://e.com/?JSESSIONID=1&sessionid=sesame",
    ],
)
def test_credentials_are_redacted(url: str) -> None:
    assert "sesame" not in redact_url(url)
    assert "sesame" not in redact_urls(f"could not load {url} today")


@pytest.mark.parametrize("url", ["https://e.com/?q=tokens+and+keys", "https://e.com/a?page=2#part", "about:blank", ""])
def test_urls_without_credentials_are_unchanged(url: str) -> None:
    assert redact_url(url) == url


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://www.shinhan.com/x", "banking"),
        ("https://mail.google.com/", "mail"),
        ("https://accounts.google.com/signin", "sign-in"),
        ("http://localhost:3000/", "private network"),
        ("http://10.0.0.5/", "private network"),
        ("http://[fd00::1]/", "private network"),
        ("http://printer.local/", "private network"),
        ("chrome://settings", "browser page"),
        ("file:///home/ann/diary.txt", "browser page"),
        ("https://notshinhan.com/", None),
        ("https://example.com/mail.google.com", None),
    ],
)
def test_sensitive_sites(url: str, rule: str | None) -> None:
    assert default_exclusion_rule(url) == rule


def test_private_networks_can_be_allowed() -> None:
    assert default_exclusion_rule("http://10.0.0.5/", allow_private_networks=True) is None
    assert default_exclusion_rule("https://mail.google.com/", allow_private_networks=True) == "mail"


def test_a_domain_covers_its_subdomains_only() -> None:
    assert matching_domain("a.b.example.com", ["example.com"]) == "example.com"
    assert matching_domain("badexample.com", ["example.com"]) is None


@pytest.mark.parametrize(
    ("entry", "host"),
    [("Example.com", "example.com"), ("https://example.com/x", "example.com"), ("*.example.com", "example.com"),
     ("한국.kr", "xn--3e0b707e.kr"), ("example.com:8080", "example.com")],
)  # fmt: skip
def test_excluded_domain_entries(entry: str, host: str) -> None:
    assert normalize_domain(entry) == host


@pytest.mark.parametrize("entry", ["", "  ", "a b", "-x.com", "x" * 300, "http://", "a..b"])
def test_invalid_domains_are_rejected(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a domain"):
        normalize_domain(entry)
