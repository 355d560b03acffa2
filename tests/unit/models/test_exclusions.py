"""Which sites are never recorded: one list for server and extension, and the user's own lists."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recording.event_writer import excluded_rows
from models.recording.exclusions import SiteLists, default_exclusion_rule, site_host
from models.recording.ingest import IngestBatch, parse_batch

#: Addresses with the right decision; the extension's tests read the same file.
TABLE: Final[list[list[str]]] = json.loads(Path(__file__).with_name("sites.json").read_text("utf-8"))
REPOSITORY: Final = Path(__file__).resolve().parents[3]
_NAMES: Final = {"allowed": None, "login": "sign-in", "private_network": "private network"}
RULES: Final = json.loads((REPOSITORY / "models/recording/site_rules.json").read_text("utf-8"))


@pytest.mark.parametrize(("url", "decision"), TABLE)
def test_the_default_rules(url: str, decision: str) -> None:
    assert default_exclusion_rule(url) == _NAMES.get(decision, decision)


@pytest.mark.parametrize("host", [host for hosts in RULES["hosts"].values() for host in hosts])
def test_every_listed_site_is_excluded_in_every_spelling(host: str) -> None:
    for url in (
        f"https://{host}/",
        f"http://www.{host}./a?b=c#d",
        f"https://{host.upper()}:8443",
        f"https://a.b.{host}",
    ):
        assert default_exclusion_rule(url) is not None


def test_the_extension_has_the_same_rules() -> None:
    """`make shared-rules` copies them."""
    copy = REPOSITORY / "clients/extension/src/privacy/site-rules.json"
    assert json.loads(copy.read_text("utf-8")) == RULES


@pytest.mark.parametrize("scheme", ["about", "blob", "chrome", "chrome-extension", "file", "view-source", "data"])
def test_pages_of_the_browser(scheme: str) -> None:
    assert default_exclusion_rule(f"{scheme}:https://example.com/") == "browser page"


@given(st.text(max_size=60))
def test_any_host_is_accepted(text: str) -> None:
    site_host("https://" + text)
    default_exclusion_rule("http://" + text)


@pytest.mark.parametrize(
    "url", ["https://" + "a." * 50_000, "https://x/" + "login" * 20_000, "https://" + "é" * 99_999]
)
def test_a_long_address_takes_bounded_time(url: str) -> None:
    began = time.process_time()
    default_exclusion_rule(url)
    assert time.process_time() - began < 2


def _batch(*urls: str) -> IngestBatch:
    events = [{"type": "page_visit", "timestamp": 1_770_000_000_000 + i, "url": url} for i, url in enumerate(urls)]
    return parse_batch(json.dumps({"events": events}).encode(), user_id=uuid.uuid4(), session_id=uuid.uuid4())


def _lists(excluded: str = "", allowed: str = "") -> SiteLists:
    return SiteLists(frozenset(excluded.split()), frozenset(allowed.split()))


BANK, WIKI, LOGIN = "https://www.chase.com/", "http://wiki/a", "https://uni.example/login"


def test_without_lists_the_default_rules_exclude() -> None:
    rules = {0: "default: banking", 1: "default: private network", 2: "default: sign-in"}
    assert excluded_rows(_batch(BANK, WIKI, LOGIN, "https://a.example/"), SiteLists()) == rules


def test_what_the_user_allows_is_recorded() -> None:
    allowed = _lists(allowed="chase.com wiki uni.example")
    assert excluded_rows(_batch(BANK, WIKI, LOGIN), allowed) == {}
    assert 0 in excluded_rows(_batch(BANK), _lists(allowed="secure.chase.com")), "an entry covers its subdomains only"


def test_of_two_entries_the_longer_one_counts() -> None:
    urls = ("https://docs.a.example/", "https://a.example/", "https://x.docs.a.example/")
    assert excluded_rows(_batch(*urls), _lists("a.example", "docs.a.example")) == {1: "yours: a.example"}
    assert set(excluded_rows(_batch(*urls), _lists("docs.a.example", "a.example"))) == {0, 2}
    assert set(excluded_rows(_batch(*urls), _lists("a.example", "a.example"))) == {0, 1, 2}, "excluding wins a tie"


@pytest.mark.parametrize(
    "url", ["https://A.example./", "https://a%2Eexample/", "https://ａ.example/", "http://u:p@a.example:8/"]
)
def test_the_users_list_covers_every_spelling(url: str) -> None:
    assert excluded_rows(_batch(url), _lists("a.example")) == {0: "yours: a.example"}


def test_pages_of_the_browser_cannot_be_allowed() -> None:
    assert _batch("chrome://settings").rows == []


@pytest.mark.parametrize(
    "form", ["https://{}.paypal.com/", "https://{}.paypal.com:443?a#b", "ht\ntps://{}@paypal.com/x"]
)
def test_the_end_of_an_endless_host_decides(form: str) -> None:
    assert default_exclusion_rule(form.format("\u0315\u0300" * 50_000)) == default_exclusion_rule("https://paypal.com/")
    assert default_exclusion_rule("https://paypal.com/") is not None
