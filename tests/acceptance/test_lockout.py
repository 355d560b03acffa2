"""Attempts to log in are limited by address and by account, and the owner still gets in."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from cluster.settings import Settings, with_changes
from tests.support.client import PASSWORD, sign_up
from tests.support.sent_mails import mails_to, send_queued_mails, token_in
from tests.support.server import running_api

NEW_PASSWORD = "another horse battery"


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """The app with rate limits behind a trusted proxy, and a client whose cookies a test may clear."""
    limited = with_changes(settings, rate_limits=True, trusted_proxies=("127.0.0.1",))
    async with running_api(limited) as running:
        yield running


def new_address() -> str:
    number = uuid.uuid4().int
    return f"2001:db8:{number % 0xFFFF:x}:{number // 0xFFFF % 0xFFFF:x}::1"


async def log_in(
    client: httpx2.AsyncClient, email: str, password: str, *, cookie: str = "", address: str = ""
) -> httpx2.Response:
    """One attempt; without an `address` from one that made no attempt before."""
    headers = {"X-Forwarded-For": address or new_address()}
    client.cookies.clear()
    if cookie:
        headers["Cookie"] = f"trailmind_device={cookie}"
    return await client.post("/v1/auth/login", json={"email": email, "password": password}, headers=headers)


async def lock(client: httpx2.AsyncClient, email: str) -> httpx2.Response:
    """Guess passwords from many addresses until the account is locked; the refusal."""
    for _ in range(31):
        answer = await log_in(client, email, "wrong password")
        if answer.status_code != 401:
            break
    return answer


async def test_guesses_from_many_addresses_lock_unknown_devices_out(
    service: tuple[FastAPI, httpx2.AsyncClient],
) -> None:
    _, client = service
    ann = await sign_up(client)
    refused = await lock(client, ann.email)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "LOGIN_LOCKED")
    assert "set a new password" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    # Even the right password, and however the address is written.
    assert (await log_in(client, ann.email.upper(), PASSWORD)).status_code == 429
    # Other accounts are not affected.
    bob = await sign_up(client)
    assert (await log_in(client, bob.email, PASSWORD)).status_code == 200


async def test_a_known_browser_gets_in_while_the_account_is_locked(
    service: tuple[FastAPI, httpx2.AsyncClient],
) -> None:
    _, client = service
    ann = await sign_up(client)
    cookie = client.cookies["trailmind_device"]
    address = new_address()
    # The attacker is at the same address, as behind a NAT.
    for _ in range(10):
        assert (await log_in(client, ann.email, "wrong password", address=address)).status_code == 401
    assert (await log_in(client, ann.email, PASSWORD, address=address)).status_code == 429
    await lock(client, ann.email)
    answer = await log_in(client, ann.email, PASSWORD, cookie=cookie, address=address)
    assert answer.status_code == 200
    # The cookie alone does not log in, and has a limit of its own.
    codes = [
        (await log_in(client, ann.email, "wrong password", cookie=cookie, address=new_address())).status_code
        for _ in range(10)
    ]
    assert codes == [401] * 9 + [429]


@pytest.mark.parametrize("kind", ["of another account", "forged", "garbage"])
async def test_a_cookie_that_does_not_prove_the_account_changes_nothing(
    service: tuple[FastAPI, httpx2.AsyncClient], kind: str
) -> None:
    _, client = service
    ann = await sign_up(client)
    own = client.cookies["trailmind_device"]
    client.cookies.clear()
    await sign_up(client)
    cookie = {"of another account": client.cookies["trailmind_device"], "forged": own[:-4] + "AAAA"}.get(kind, "x.y.z")
    await lock(client, ann.email)
    assert (await log_in(client, ann.email, PASSWORD, cookie=cookie)).status_code == 429


async def test_the_mail_link_lets_the_owner_in_while_the_account_is_locked(
    service: tuple[FastAPI, httpx2.AsyncClient], settings: Settings
) -> None:
    app, client = service
    ann = await sign_up(client)
    await lock(client, ann.email)
    client.cookies.clear()
    headers = {"X-Forwarded-For": new_address()}
    await client.post("/v1/auth/forgot-password", json={"email": ann.email}, headers=headers)
    await send_queued_mails(app, ann.id)
    mail = mails_to(settings.data_dir, ann.email)[-1]
    body = {"token": token_in(mail), "new_password": NEW_PASSWORD}
    answer = await client.post("/v1/auth/reset-password", json=body, headers=headers)
    assert answer.status_code == 200
    cookie = client.cookies["trailmind_device"]
    assert (await log_in(client, ann.email, NEW_PASSWORD)).status_code == 429
    assert (await log_in(client, ann.email, NEW_PASSWORD, cookie=cookie)).status_code == 200


async def test_the_cookie_of_a_known_device_is_for_logins_only(settings: Settings) -> None:
    secure = with_changes(settings, public_url="https://trailmind.example")
    async with running_api(secure) as (_, client):
        answer = await client.post(
            "/v1/auth/signup", json={"email": f"{uuid.uuid4().hex}@t.local", "password": PASSWORD}
        )
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("trailmind_device=")]
    for attribute in ("HttpOnly", "Secure", "SameSite=strict", "Path=/v1/auth", "Max-Age=34560000"):
        assert attribute in cookie
