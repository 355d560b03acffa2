"""Whose request it is."""

from __future__ import annotations

import pytest
from fastapi import Request
from pydantic import SecretStr

from cluster.front_door import KEY_HEADER, front_door_key
from cluster.settings import load_settings
from serve.http.client_address import ClientAddresses

SIGNING_KEY, FORMER_KEY = "s" * 40, "f" * 40
DOOR = (KEY_HEADER, front_door_key(SIGNING_KEY))


def key(peer: str, *headers: tuple[str, str], proxies: str = "10.0.0.0/8") -> str:
    settings = load_settings(
        secret_key=SecretStr(SIGNING_KEY), previous_secret_keys=SecretStr(FORMER_KEY), trusted_proxies=proxies
    )
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "client": (peer, 1234), "headers": raw}
    return ClientAddresses(settings).key_of(Request(scope))


def forwarded(*chain: str) -> tuple[str, str]:
    return ("X-Forwarded-For", ", ".join(chain))


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (("198.51.100.7",), "198.51.100.7"),
        (("203.0.113.1", "198.51.100.7"), "198.51.100.7"),
        (("198.51.100.7", "10.0.0.1"), "198.51.100.7"),
        (("203.0.113.1", "198.51.100.7", "10.0.0.2", "10.0.0.1"), "198.51.100.7"),
        (("198.51.100.7:52011", "10.0.0.1"), "198.51.100.7"),
        (("[2001:db8:1:2::5]:443", "10.0.0.1"), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::5",), "2001:db8:1:2::/64"),
        (("::ffff:198.51.100.7", "::ffff:10.0.0.1"), "198.51.100.7"),
        (("10.0.0.9", "10.0.0.1"), "10.0.0.9"),
        (("198.51.100.7", "unknown", "10.0.0.1"), "unknown"),
    ],
)
def test_the_front_door_is_believed_and_proxies_are_passed(chain: tuple[str, ...], client: str) -> None:
    assert key("127.0.0.1", DOOR, forwarded(*chain)) == client


def test_a_former_signing_key_is_believed() -> None:
    assert key("127.0.0.1", (KEY_HEADER, front_door_key(FORMER_KEY)), forwarded("198.51.100.7")) == "198.51.100.7"


@pytest.mark.parametrize("sent", ["", "wrong", SIGNING_KEY])
def test_without_the_key_only_the_peer_counts(sent: str) -> None:
    for peer in ("127.0.0.1", "192.0.2.8"):
        assert key(peer, (KEY_HEADER, sent), forwarded("203.0.113.1")) == peer


def test_without_a_front_door_a_trusted_proxy_is_believed() -> None:
    assert key("10.0.0.1", forwarded("203.0.113.1", "198.51.100.7")) == "198.51.100.7"
    assert key("10.0.0.1", forwarded("203.0.113.1"), proxies="none") == "10.0.0.1"


def test_several_header_lines_are_one_chain() -> None:
    assert key("127.0.0.1", DOOR, forwarded("198.51.100.7"), forwarded("10.0.0.1")) == "198.51.100.7"
