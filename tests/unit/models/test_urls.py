"""URLs: normalization, page ids, redaction, excluded domains."""

from __future__ import annotations

import time
import uuid
from hashlib import sha256
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recording.exclusions import default_exclusion_rule, matching_domain, normalize_domain
from models.recording.ingest import parse_batch
from models.url_secrets import may_contain_secret, redact_url, redact_urls
from models.urls import former_page_id, host_of, normalize_url, page_id, page_url, split_url, url_hash


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


@pytest.mark.parametrize(
    "url",
    [
        "https://e.com/?tok%65n=sesame",
        "https://e.com/?a=1&amp;token=sesame",
        "https://e.com/?a=1;token=sesame",
        "https://e.com/page;jsessionid=sesame?a=1",
        "https://e.com/?next=https%3A%2F%2Fother.com%2F%3Ftoken%3Dsesame",
        "https://e.com/?next=%2Fa%3Fnext%3D%252Fb%253Ftoken%253Dsesame",
        "https://e.com/#/route?token=sesame",
        "https://e.com/#/a/b;token=sesame",
        "https://[broken/?token=sesame",
        "/callback?code=sesame",
        "?token=sesame",
        "//u:sesame@e.com/",
        "https://e.com/?invite=sesame1A2b3C4d5E6f7G8h",
        "https://e.com/?access=sesame9f8e7d6c5b4a3f2e",
        "https://e.com/reset/sesame1A2b3C4d5E6f7G8h",
        "https://e.com/account/reset-password/sesame1A2b3C4d5E6f7G8h/form",
        "https://e.com/invite/sesame1A-2b3C-4d5E-6f7G-8h9i0j1k",
        "https://e.com/a/eyJhbGciOi.sesame.x",
        "https://e.com/?" + "a=b&" * 3_000 + "token=sesame",
    ],
)
def test_credentials_are_redacted_in_any_spelling_and_place(url: str) -> None:
    assert "sesame" not in redact_url(url)
    assert "sesame" not in redact_urls(url)
    assert may_contain_secret(url), "the fast check misses nothing"


@pytest.mark.parametrize(
    "url",
    [
        "https://e.com/?hash=3fa85f6457174562&access=public&invite=yes&k=wireless+mouse",
        "https://e.com/reset/how-to-reset-your-phone-15-pro",
        "https://e.com/invite/team-members-to-a-project",
        "https://e.com/watch?v=dQw4w9WgXcQ&t=12",
        "https://e.com/commit/3fa85f6457174562b3fc2c963f66afa6",
        "https://e.com/?next=https%3A%2F%2Fother.com%2F%3Fpage%3D2",
    ],
)
def test_harmless_values_of_ambiguous_names_stay(url: str) -> None:
    assert redact_url(url) is url


@given(st.text(alphabet="ab?&#;=/:@.%tokencd123-_", max_size=60))
def test_the_fast_check_misses_nothing_that_is_redacted(text: str) -> None:
    for value in (text, f"https://e.com/{text}", f"https://e.com/?{text}"):
        if redact_urls(value) != value or redact_url(value) != value:
            assert may_contain_secret(value)


def test_a_final_dot_does_not_hide_a_host() -> None:
    assert default_exclusion_rule("https://mail.google.com./") == "mail"
    assert host_of("https://Example.com.:443/") == "example.com"


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


def test_a_parameter_in_a_fragment_that_is_no_route_is_redacted_by_its_name() -> None:
    assert redact_url("https://e.com/#session_id=keynote") == "https://e.com/#session_id=REDACTED"
    assert redact_url("https://e.com/#/talks?session=keynote") == "https://e.com/#/talks?session=keynote"


@pytest.mark.parametrize(
    "spelling",
    [
        b'{"type":"page_visit","timestamp":1770000000000,"url":"https://e.com/\xc3\xa9","metadata":{"a":1,"b":[2.0]}}',
        b'{"timestamp":1770000000000,"type":"page_visit","metadata":{"b":[2],"a":1},"url":"https://e.com/\xc3\xa9"}',
        b'{ "type":"page_visit","timestamp":1.77e12,"url":"https:\\/\\/e.com\\/\\u00e9", "metadata":{"a":1e0,"b":[2]}}',
    ],
)
def test_the_key_of_an_event_without_id_is_that_of_its_content(spelling: bytes) -> None:
    user, session = uuid.uuid4(), uuid.uuid4()
    plain = b'{"type":"page_visit","timestamp":1770000000000,"url":"https://e.com/\xc3\xa9","metadata":{"a":1,"b":[2]}}'
    (expected,) = parse_batch(b'{"events":[' + plain + b"]}", user_id=user, session_id=session).rows
    (row,) = parse_batch(b'{"events":[' + spelling + b"]}", user_id=user, session_id=session).rows
    assert row.event_key == expected.event_key
    other = plain.replace(b'"a":1', b'"a":true')
    (different,) = parse_batch(b'{"events":[' + other + b"]}", user_id=user, session_id=session).rows
    assert different.event_key != expected.event_key


DOCS = "https://docs.example.com/"


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        (DOCS + "#/guide/install", DOCS + "#/guide/install"),
        (DOCS + "#!/guide/install", DOCS + "#!/guide/install"),
        (DOCS + "#!inbox", DOCS + "#!inbox"),
        (DOCS + "#users/12", DOCS + "#users/12"),
        (DOCS + "#/items?page=2&utm_source=mail", DOCS + "#/items?page=2"),
        (DOCS + "#/items?utm_source=mail", DOCS + "#/items"),
        (DOCS + "#/guide:~:text=reef", DOCS + "#/guide"),
        (DOCS + "#/", DOCS),
        (DOCS + "#!", DOCS),
        (DOCS + "#!/", DOCS),
        (DOCS + "#install", DOCS),
        (DOCS + "#:~:text=a/b", DOCS),
        (DOCS + "#access_token=sesame/x", DOCS),
        ("https://ko.example.org/%ec%84%b8", "https://ko.example.org/%EC%84%B8"),
        ("https://ko.example.org/세", "https://ko.example.org/%EC%84%B8"),
        ("https://ko.example.org/?q=세", "https://ko.example.org/?q=%EC%84%B8"),
        ("https://example.org/%7Eann/%41", "https://example.org/~ann/A"),
        ("https://en.example.org/Reef_%28film%29", "https://en.example.org/Reef_(film)"),
        ("https://example.org/a%2fb", "https://example.org/a%2Fb"),
        ("https://example.org/?q=a%26b%3dc", "https://example.org/?q=a%26b%3Dc"),
        ("https://example.org/100%", "https://example.org/100%"),
        ("https://example.org/%zz%e", "https://example.org/%zz%e"),
        ("https://example.org/%c1%d6", "https://example.org/%C1%D6"),
        ("https://example.org/?token=sesame&a=1", "https://example.org/?token=REDACTED&a=1"),
    ],
)
def test_page_identity(url: str, identity: str) -> None:
    assert page_url(url) == identity
    assert page_url(identity) == identity, "the form is stable"
    assert page_id(url) == page_id(identity)


@given(st.text(max_size=80))
def test_page_identity_is_stable(text: str) -> None:
    once = page_url("https://e.com/" + text)
    assert page_url(once) == once


@pytest.mark.parametrize(
    "url",
    [
        "https://e.com/" + "%zz" * 33_000,
        "https://e.com/?" + "code=1&" * 15_000,
        "https://e.com/?key=" + "aB3" * 33_000,
        "https://e.com/#/" + "a/" * 50_000,
        "https://e.com/#" + "a/=" * 33_000,
        "https://e.com/?" + "ref=" + "a." * 50_000,
        "https://" + "a." * 50_000 + "com/",
        "https://e.com/#" + ":~:" * 33_000,
        "https://e.com/" + "é" * 100_000,
        "https://e.com/?" + "_" * 100_000 + "=1",
    ],
    ids=lambda url: url[:24],
)
def test_an_address_of_100_kb_takes_bounded_time(url: str) -> None:
    began = time.process_time()
    for function in (page_url, page_id, redact_url, normalize_url, former_page_id, default_exclusion_rule):
        function(url)
    assert time.process_time() - began < 3


def test_the_former_id_of_a_page() -> None:
    """Ids of maps that were made before routes, positions and spellings counted, fixed here as they were."""
    assert former_page_id("https://example.com/a") == page_id("https://example.com/a")
    assert former_page_id("https://e.com/x#/guide") == page_id("https://e.com/x")
    assert (
        former_page_id("https://e.com/w?v=1&t=754s&utm_source=a")
        == "p_" + sha256(b"https://e.com/w?v=1&t=754s").hexdigest()[:16]
    )


_ADDRESS_PIECES = [
    "http", "https", "://", "//", ":", "/", "?", "#", "@", "%", "[", "]", ".", "a.example", "A.B", ":80", ":99999",
    "=", "&", "é", "\\", '"', "x1", "..", "-", " ", "\t",
]  # fmt: skip


@given(st.lists(st.sampled_from(_ADDRESS_PIECES), max_size=12).map("".join))
def test_an_address_has_the_parts_that_the_standard_library_finds(url: str) -> None:
    try:
        expected = urlsplit(url)
        _ = expected.port
    except ValueError:
        assert split_url(url) is None
    else:
        assert split_url(url) == expected
