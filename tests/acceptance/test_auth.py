"""Sign-up, login, refresh and logout, and attacks on them."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx2
import psycopg
import pytest

from cluster.settings import Settings, with_changes
from serve.auth.login import REFRESH_COOKIE
from serve.identity.access_tokens import key_id
from tests.support.client import PASSWORD, ApiUser, sign_up
from tests.support.server import SIGNING_KEY, running_api
from tests.support.tokens import signed_token, token_claims, token_header

WEB = {"X-Trailmind-Client": "web"}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _log_in(api: httpx2.AsyncClient, email: str, **headers: str) -> dict[str, Any]:
    answer = await api.post("/v1/auth/login", json={"email": email, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _refresh(api: httpx2.AsyncClient, token: str, **headers: str) -> httpx2.Response:
    return await api.post("/v1/auth/refresh", headers=_bearer(token) | headers)


async def test_sign_up(api: httpx2.AsyncClient) -> None:
    email = f"{uuid.uuid4().hex}@test.local"
    answer = await api.post("/v1/auth/signup", json={"email": f"  {email} ", "password": PASSWORD})
    assert answer.status_code == 201
    user = answer.json()["user"]
    assert user["email"] == email
    assert uuid.UUID(user["id"])
    assert user["created_at"].endswith("Z")
    assert user["updated_at"].endswith("Z")
    assert answer.json()["token"]
    assert "hash" not in answer.text
    assert PASSWORD not in answer.text


async def test_addresses_are_unique_in_any_case(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    for email in (ann.email, ann.email.upper(), f" {ann.email}"):
        answer = await api.post("/v1/auth/signup", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 409
        assert answer.json()["error"]["message"] == "email already exists"


@pytest.mark.parametrize(
    "body",
    [
        {"email": "invalid-email", "password": PASSWORD},
        {"email": "", "password": PASSWORD},
        {"email": "a@b\x00.local", "password": PASSWORD},
        {"email": "ann@test.local", "password": "1234567"},
        {"email": "ann@test.local", "password": "x" * 1025},
        {"email": "ann@test.local", "password": "12345678\x00"},
        {"email": "ann@test.local"},
        {"email": 5, "password": PASSWORD},
        [],
    ],
)
async def test_invalid_sign_ups_are_rejected(api: httpx2.AsyncClient, body: Any) -> None:
    answer = await api.post("/v1/auth/signup", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_log_in(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    reply = await _log_in(api, ann.email.upper())
    assert reply["user"]["id"] == ann.id
    assert reply["token"] != ann.reply["token"]
    assert reply["refresh_token"]


@pytest.mark.parametrize("where", ["{}admin@x.example", "ad{}min@x.example", "admin@x.ex{}ample", "admin@x.example{}"])
@pytest.mark.parametrize(
    "character",
    "\u200b\u200c\u200d\u200e\u202e\u2060\u2063\ufeff\u00ad\u034f\u115f\u1160\u3164\uffa0\u17b4\u180e\ufe0f\u2800\u00a0\u2003\u3000"
    "\ue000\ufff9\U000e0041\U000e0100\u0085",
)
async def test_addresses_with_characters_that_are_not_seen_are_rejected(
    api: httpx2.AsyncClient, where: str, character: str
) -> None:
    """Such an address looks like another one, an operator's for example, in every list."""
    body = {"email": where.format(character), "password": PASSWORD}
    is_trimmed = character.isspace() and where.strip("{}") != where
    answer = await api.post("/v1/auth/signup", json=body | ({"password": "short"} if is_trimmed else {}))
    assert answer.status_code == 400
    assert ("email" in answer.text) != is_trimmed


async def test_a_password_longer_than_72_bytes(api: httpx2.AsyncClient) -> None:
    email, password = f"{uuid.uuid4().hex}@test.local", "긴 비밀번호 " * 100
    assert (await api.post("/v1/auth/signup", json={"email": email, "password": password})).status_code == 201
    answer = await api.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200
    answer = await api.post("/v1/auth/login", json={"email": email, "password": password[:-2] + "x"})
    assert answer.status_code == 401


async def test_wrong_password_and_unknown_address_get_the_same_error(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    wrong = await api.post("/v1/auth/login", json={"email": ann.email, "password": "not the password"})
    unknown = await api.post("/v1/auth/login", json={"email": "nobody@test.local", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["error"]["message"] == "invalid email or password"


async def test_current_user(ann: ApiUser) -> None:
    user = (await ann.ok("GET", "/v1/auth/me"))["user"]
    assert (user["id"], user["email"]) == (ann.id, ann.email)


async def test_invalid_access_tokens_are_rejected(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    token = ann.reply["token"]
    for header in (
        None,
        "",
        "Bearer garbage",
        "Bearer",
        "Basic x",
        f"bearer {token}",
        f"Bearer  {token}",
        f"Bearer {token} more",
        f"Bearer {ann.reply['refresh_token']}",
    ):
        answer = await api.get("/v1/auth/me", headers={} if header is None else {"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.json()["error"]["message"]
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody"},
        {"aud": "another-api"},
        {"exp": 1},
        {"token_type": "refresh"},
        {"sub": "not a uuid"},
        {"fam": None},
        {"jti": None},
    ],
)
async def test_every_claim_is_verified(api: httpx2.AsyncClient, ann: ApiUser, change: dict[str, Any]) -> None:
    claims = token_claims(ann.reply["token"])
    claims = {k: v for k, v in (claims | change).items() if v is not None}
    forged = signed_token(claims, SIGNING_KEY, kid=key_id(SIGNING_KEY))
    assert (await api.get("/v1/auth/me", headers=_bearer(forged))).status_code == 401


async def test_only_our_algorithm_and_our_keys_are_accepted(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    claims = token_claims(ann.reply["token"])
    kid = key_id(SIGNING_KEY)
    for forged in (
        signed_token(claims, "", algorithm="none", kid=kid),
        signed_token(claims, "x" * 64, kid=kid),
        signed_token(claims, SIGNING_KEY, algorithm="HS512", kid=kid),
        signed_token(claims, SIGNING_KEY),
        signed_token(claims, SIGNING_KEY, kid="../../etc/passwd"),
    ):
        assert (await api.get("/v1/auth/me", headers=_bearer(forged))).status_code == 401


async def test_refresh(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    answer = await _refresh(api, ann.reply["refresh_token"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (await api.get("/v1/auth/me", headers=_bearer(answer.json()["token"]))).status_code == 200
    assert (await _refresh(api, answer.json()["refresh_token"])).status_code == 200


async def test_refresh_accepts_refresh_tokens_only(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    for header in (f"Bearer {ann.reply['token']}", "Bearer garbage", "Basic x", "Bearer"):
        answer = await api.post("/v1/auth/refresh", headers={"Authorization": header})
        assert answer.status_code == 401
    assert (await api.post("/v1/auth/refresh")).status_code == 401


async def test_logout_revokes_the_tokens(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    answer = await ann.call("POST", "/v1/auth/logout")
    assert answer.status_code == 200
    assert answer.json() == {"message": "successfully logged out"}
    for method, path in (("GET", "/v1/auth/me"), ("GET", "/v1/sessions"), ("POST", "/v1/auth/logout")):
        assert (await ann.call(method, path)).status_code == 401
    assert (await _refresh(api, ann.reply["refresh_token"])).status_code == 401


async def test_logout_ends_one_login_and_logout_all_ends_all(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    phone, laptop = await _log_in(api, ann.email), await _log_in(api, ann.email)
    assert (await api.post("/v1/auth/logout", headers=_bearer(phone["token"]))).status_code == 200
    assert (await api.get("/v1/auth/me", headers=_bearer(laptop["token"]))).status_code == 200
    assert len((await ann.ok("GET", "/v1/auth/logins"))["logins"]) == 2
    await ann.ok("POST", "/v1/auth/logout-all")
    for token in (ann.reply["token"], laptop["token"]):
        assert (await api.get("/v1/auth/me", headers=_bearer(token))).status_code == 401
    assert (await _refresh(api, laptop["refresh_token"])).status_code == 401
    assert await _log_in(api, ann.email)


async def test_logout_reaches_another_replica(settings: Settings, api: httpx2.AsyncClient, ann: ApiUser) -> None:
    async with running_api(settings) as (app, other):
        assert (await other.get("/v1/auth/me", headers=ann.headers)).status_code == 200
        await ann.ok("POST", "/v1/auth/logout")
        # This replica caches a status for two seconds; the clock moves past that.
        app.state.parts.login_cache._clock = lambda: time.monotonic() + 2.1
        assert (await other.get("/v1/auth/me", headers=ann.headers)).status_code == 401


async def test_logout_works_without_valkey(settings: Settings) -> None:
    away = with_changes(settings, redis_url="redis://127.0.0.1:1/0")
    async with running_api(away) as (_, client), running_api(away) as (_, other):
        person = await sign_up(client)
        assert (await other.get("/v1/sessions", headers=person.headers)).status_code == 200
        await person.ok("POST", "/v1/auth/logout")
        assert (await person.call("GET", "/v1/sessions")).status_code == 401
    async with running_api(away) as (_, restarted):
        assert (await restarted.get("/v1/sessions", headers=person.headers)).status_code == 401


async def test_logout_requires_a_login(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/v1/auth/logout")).status_code == 401
    assert (await api.post("/v1/auth/logout", headers=_bearer("bad"))).status_code == 401


async def test_two_logins_in_one_second_have_different_tokens(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    first, second = await _log_in(api, ann.email), await _log_in(api, ann.email)
    assert first["token"] != second["token"]


async def test_reuse_of_a_refresh_token_ends_the_login(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    stolen = ann.reply["refresh_token"]
    renewed = (await _refresh(api, stolen)).json()
    assert (await _refresh(api, stolen)).status_code == 401
    assert (await _refresh(api, renewed["refresh_token"])).status_code == 401
    for token in (ann.reply["token"], renewed["token"]):
        assert (await api.get("/v1/auth/me", headers=_bearer(token))).status_code == 401
    rows = await (await db.execute("SELECT revoked_reason FROM login_families WHERE user_id = %s", [ann.id])).fetchall()
    assert rows == [("reuse",)]


async def test_a_retry_after_a_lost_reply_is_accepted(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    first = await _refresh(api, ann.reply["refresh_token"], **{"Idempotency-Key": "attempt 1"})
    again = await _refresh(api, ann.reply["refresh_token"], **{"Idempotency-Key": "attempt 1"})
    assert first.status_code == again.status_code == 200
    assert (await _refresh(api, again.json()["refresh_token"])).status_code == 200
    late = await _refresh(api, ann.reply["refresh_token"], **{"Idempotency-Key": "attempt 1"})
    assert late.status_code == 401


async def test_web_clients_get_the_refresh_token_as_a_cookie(settings: Settings, ann: ApiUser) -> None:
    async with running_api(settings) as (_, browser):
        answer = await browser.post("/v1/auth/login", json={"email": ann.email, "password": PASSWORD}, headers=WEB)
        assert "refresh_token" not in answer.json()
        cookie = answer.headers["set-cookie"].lower()
        for part in (REFRESH_COOKIE, "httponly", "samesite=strict", "path=/v1/auth"):
            assert part in cookie
        assert "secure" not in cookie  # the test's origin is http://
        # Without the header the cookie is rejected: a form on another site cannot set it.
        assert (await browser.post("/v1/auth/refresh")).status_code == 401
        first = await browser.post("/v1/auth/refresh", headers=WEB)
        assert first.status_code == 200
        assert "refresh_token" not in first.json()
        token = first.json()["token"]
        assert (await browser.get("/v1/auth/me", headers=_bearer(token))).status_code == 200
        assert (await browser.post("/v1/auth/logout", headers=_bearer(token) | WEB)).status_code == 200
        assert REFRESH_COOKIE not in browser.cookies
        assert (await browser.post("/v1/auth/refresh", headers=WEB)).status_code == 401


async def test_https_sets_hsts_and_a_secure_cookie(settings: Settings, api: httpx2.AsyncClient, ann: ApiUser) -> None:
    assert "strict-transport-security" not in (await api.get("/health")).headers
    async with running_api(with_changes(settings, public_url="https://trailmind.example")) as (_, browser):
        answer = await browser.post("/v1/auth/login", json={"email": ann.email, "password": PASSWORD}, headers=WEB)
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_two_tabs_can_refresh_at_once(settings: Settings, ann: ApiUser) -> None:
    async with running_api(settings) as (_, browser):
        await browser.post("/v1/auth/login", json={"email": ann.email, "password": PASSWORD}, headers=WEB)
        before = browser.cookies[REFRESH_COOKIE]
        for _ in range(2):
            browser.cookies.clear()
            answer = await browser.post("/v1/auth/refresh", headers=WEB | {"Cookie": f"{REFRESH_COOKIE}={before}"})
            assert answer.status_code == 200
        assert (await browser.post("/v1/auth/refresh", headers=WEB)).status_code == 200


async def test_key_rotation_ends_no_login(settings: Settings, ann: ApiUser) -> None:
    rotated = with_changes(settings, secret_key="a new key that is long enough too", previous_secret_keys=SIGNING_KEY)
    async with running_api(rotated) as (_, client):
        assert (await client.get("/v1/auth/me", headers=ann.headers)).status_code == 200
        renewed = (await _refresh(client, ann.reply["refresh_token"])).json()
        assert token_header(renewed["token"])["kid"] == key_id("a new key that is long enough too")
    async with running_api(with_changes(rotated, previous_secret_keys=None)) as (_, client):
        assert (await client.get("/v1/auth/me", headers=ann.headers)).status_code == 401
        assert (await client.get("/v1/auth/me", headers=_bearer(renewed["token"]))).status_code == 200


async def test_clients_without_refresh_get_long_lived_tokens(settings: Settings, ann: ApiUser) -> None:
    claims = token_claims(ann.reply["token"])
    assert claims["exp"] - claims["iat"] == ann.reply["expires_in"] == settings.auth.long_lived_token_ttl_s >= 24 * 3600


async def test_one_login_can_be_revoked(api: httpx2.AsyncClient, ann: ApiUser, bob: ApiUser) -> None:
    phone = await _log_in(api, ann.email, **{"X-Trailmind-Client": "extension"})
    logins = (await ann.ok("GET", "/v1/auth/logins"))["logins"]
    assert [(x["client"], x["is_current"]) for x in logins] == [("extension", False), ("other", True)]
    path = f"/v1/auth/logins/{logins[0]['id']}"
    assert (await bob.call("DELETE", path)).status_code == 404
    assert (await ann.call("DELETE", path)).status_code == 204
    assert (await api.get("/v1/auth/me", headers=_bearer(phone["token"]))).status_code == 401
    assert (await ann.call("GET", "/v1/auth/me")).status_code == 200
