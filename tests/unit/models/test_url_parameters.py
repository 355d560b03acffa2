"""What parameters of addresses mean, measured on a table of real ones that the extension's tests share.

`url_parameters.json` has one row per parameter: an address as sites write it, the name, and the right meaning.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from models.recording.ingest import parse_batch
from models.url_secrets import redact_url
from models.urls import page_url

TABLE: Final[list[dict[str, str]]] = json.loads(Path(__file__).with_name("url_parameters.json").read_text("utf-8"))
REPOSITORY: Final = Path(__file__).resolve().parents[3]


def _rows(*meanings: str) -> list[pytest.param]:  # type: ignore[valid-type]
    return [pytest.param(r["url"], r["name"], id=r["url"][8:70]) for r in TABLE if r["meaning"] in meanings]


def _values(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    pairs = [
        pair.partition("=") for text in (parts.query, parts.fragment.rpartition("?")[2]) for pair in text.split("&")
    ]
    return {name: value for name, equals, value in pairs if equals}


def _stored(url: str) -> str:
    event = {"type": "page_visit", "timestamp": 1_770_000_000_000, "url": url}
    body = json.dumps({"events": [event]}, ensure_ascii=False).encode()
    (row,) = parse_batch(body, user_id=uuid.uuid4(), session_id=uuid.uuid4()).rows
    return json.loads(row.payload)["url"]  # type: ignore[no-any-return]


def test_the_table_is_large_enough_for_a_figure() -> None:
    counted = Counter(row["meaning"] for row in TABLE)
    assert counted["secret"] >= 50
    assert counted["identity"] >= 50
    assert counted["campaign"] + counted["position"] >= 50


@pytest.mark.parametrize(("url", "name"), _rows("secret"))
def test_a_secret_is_redacted(url: str, name: str) -> None:
    value = _values(url)[name]
    assert _values(redact_url(url))[name] == "REDACTED"
    assert f"={value}" not in page_url(url)


@pytest.mark.parametrize(("url", "name"), _rows("secret"))
def test_a_secret_is_not_stored(url: str, name: str) -> None:
    try:
        stored = _stored(url)
    except ValueError:  # The page is excluded as a whole: nothing of it is stored.
        return
    assert _values(stored)[name] == "REDACTED"


@pytest.mark.parametrize(("url", "name"), _rows("identity"))
def test_what_identifies_a_page_is_kept(url: str, name: str) -> None:
    assert _values(redact_url(url))[name] == _values(url)[name]
    assert name in _values(page_url(url))
    assert page_url(url) != page_url(url.replace(f"{name}={_values(url)[name]}", f"{name}=another"))


@pytest.mark.parametrize(("url", "name"), _rows("identity"))
def test_what_identifies_a_page_is_stored(url: str, name: str) -> None:
    assert _values(_stored(url))[name] == _values(url)[name]


@pytest.mark.parametrize(("url", "name"), _rows("campaign", "position"))
def test_campaign_marks_and_positions_do_not_change_the_page(url: str, name: str) -> None:
    assert name not in _values(page_url(url))


def test_the_extension_has_the_same_rules() -> None:
    """`make shared-rules` copies them."""
    copies = REPOSITORY / "clients/extension/src/privacy"
    assert (copies / "url-rules.json").read_text("utf-8") == (REPOSITORY / "models/url_rules.json").read_text("utf-8")
