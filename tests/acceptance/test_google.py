"""Sign-in with Google, against a local OpenID provider."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import psycopg
import pytest
import redis

from cluster.settings import Settings, with_changes
from tests.support.client import PASSWORD, sign_up
from tests.support.openid import openid_provider
from tests.support.openid_with_pkce import s256
from tests.support.server import running_api

CLIENT_ID, REDIRECT = "trailmind-client", "https://extension.example/callback"


class Provider:
    """The provider, with a user who grants access."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    async def allow(self, subject: str, *, client_id: str = CLIENT_ID, **parameters: str) -> str:
        """The authorization code of `subject`."""
        query = {
            "client_id": client_id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid email profile",
            "state": "s",
            **parameters,
        }
        async with httpx2.AsyncClient() as browser:
            answer = await browser.post(f"{self.issuer}/oauth2/authorize", params=query, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    async def set_user(self, subject: str, **claims: Any) -> None:
        async with httpx2.AsyncClient() as browser:
            (await browser.put(f"{self.issuer}/users/{subject}", json=claims)).raise_for_status()

    async def id_token(self, subject: str, *, client_id: str = CLIENT_ID) -> str:
        """The ID token of Google's button for `client_id`."""
        code = await self.allow(subject, client_id=client_id)
        async with httpx2.AsyncClient() as browser:
            answer = await browser.post(
                f"{self.issuer}/oauth2/token",
                data={
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": REDIRECT,
                    "client_id": client_id,
                    "client_secret": "secret",
                },
            )
        return str(answer.json()["id_token"])


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with openid_provider() as issuer:
        yield Provider(issuer)


@pytest.fixture
async def google(settings: Settings, provider: Provider) -> AsyncIterator[httpx2.AsyncClient]:
    configured = with_changes(
        settings, google_issuer=provider.issuer, google_client_id=CLIENT_ID, google_client_secret="secret"
    )
    async with running_api(configured) as (_, client):
        yield client


@pytest.fixture
async def person(provider: Provider) -> dict[str, str]:
    """The claims of a Google user."""
    claims = {"sub": uuid.uuid4().hex, "email": f"{uuid.uuid4().hex[:10]}@gmail.example"}
    await provider.set_user(claims["sub"], email=claims["email"], email_verified=True)
    return claims


async def test_missing_and_invalid_google_credentials(google: httpx2.AsyncClient, api: httpx2.AsyncClient) -> None:
    for client in (google, api):  # sign-in with Google is off in the second
        for credential in ("", "garbage", "a.b.c"):
            answer = await client.post("/v1/auth/google", json={"credential": credential})
            assert answer.status_code == 401
            assert answer.json()["error"]["message"] == "Invalid Google credentials"


async def test_a_new_google_user_gets_one_account(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    first = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    assert first.status_code == 200, first.text
    assert first.json()["user"]["email"] == person["email"]
    assert first.json()["user"]["email_verified"] is True
    second = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    assert second.json()["user"]["id"] == first.json()["user"]["id"]
    # An account without a password rejects every password.
    answer = await google.post("/v1/auth/login", json={"email": person["email"], "password": PASSWORD})
    assert answer.status_code == 401


async def test_a_verified_account_is_linked(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str], db: psycopg.AsyncConnection[Any]
) -> None:
    owner = await sign_up(google, person["email"].upper())
    await db.execute("UPDATE users SET email_verified_at = now() WHERE id = %s", [owner.id])
    answer = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == owner.id
    again = await google.post("/v1/auth/login", json={"email": person["email"], "password": PASSWORD})
    assert again.status_code == 200
    # Another Google account with the same address does not replace the linked one.
    await provider.set_user(other := uuid.uuid4().hex, email=person["email"], email_verified=True)
    answer = await google.post("/v1/auth/google", json={"credential": await provider.id_token(other)})
    assert answer.status_code == 409


async def test_an_unverified_account_is_not_linked(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    await sign_up(google, person["email"])  # by a user who does not own the address
    answer = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "EMAIL_NOT_VERIFIED"


async def test_google_does_not_reopen_a_closed_account(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str], db: psycopg.AsyncConnection[Any]
) -> None:
    made = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    await db.execute("UPDATE users SET status = 'inactive' WHERE id = %s", [made.json()["user"]["id"]])
    answer = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    assert answer.status_code == 401


async def test_an_unverified_google_address_is_rejected(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    await provider.set_user(person["sub"], email=person["email"], email_verified=False)
    answer = await google.post("/v1/auth/google", json={"credential": await provider.id_token(person["sub"])})
    assert answer.status_code == 401


async def test_a_token_for_another_audience_is_rejected(
    google: httpx2.AsyncClient, settings: Settings, provider: Provider, person: dict[str, str]
) -> None:
    stolen = await provider.id_token(person["sub"], client_id="another-app")
    assert (await google.post("/v1/auth/google", json={"credential": stolen})).status_code == 401
    # Without a client id no audience can be verified: every token is rejected.
    async with running_api(with_changes(settings, google_issuer=provider.issuer, google_client_id=None)) as (_, client):
        assert (await client.post("/v1/auth/google", json={"credential": stolen})).status_code == 401
        assert (await client.get("/v1/auth/google/config")).json() == {"enabled": False}


async def _begin(google: httpx2.AsyncClient, challenge: str | None = None) -> dict[str, str]:
    """`state`, `nonce` and challenge method of a sign-in that begins."""
    body = {"redirect_uri": REDIRECT} | ({"code_challenge": challenge} if challenge else {})
    flow = (await google.post("/v1/auth/google/begin", json=body)).json()
    query = parse_qs(urlsplit(flow["authorization_url"]).query)
    assert query.get("code_challenge") == ([challenge] if challenge else None)
    method = query.get("code_challenge_method", [""])[0]
    return {"state": flow["state"], "nonce": query["nonce"][0], "method": method}


async def test_authorization_codes(google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]) -> None:
    flow = await _begin(google)
    body = {"code": "invalid", "redirect_uri": REDIRECT, "state": flow["state"]}
    answer = await google.post("/v1/auth/google/code", json=body)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Invalid authorization code"
    flow = await _begin(google)
    body |= {"state": flow["state"], "code": await provider.allow(person["sub"], nonce=flow["nonce"])}
    answer = await google.post("/v1/auth/google/code", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == person["email"]


async def test_a_code_needs_the_state_of_a_sign_in_that_was_begun_here(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    """Without it, an attacker's code would log a victim in to the attacker's account."""
    body = {"code": await provider.allow(person["sub"]), "redirect_uri": REDIRECT}
    assert (await google.post("/v1/auth/google/code", json=body)).status_code == 400
    assert (await google.post("/v1/auth/google/code", json=body | {"state": None})).status_code == 400
    assert (await google.post("/v1/auth/google/code", json=body | {"state": "s"})).status_code == 401


async def test_the_verifier_fits_the_challenge(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    """The provider, like Google, exchanges a code only with the verifier of its challenge."""
    verifier = "v" * 43

    async def sign_in(*, challenge: str | None, sent: str | None) -> int:
        flow = await _begin(google, challenge)
        parameters = {"nonce": flow["nonce"]} | (
            {"code_challenge": challenge, "code_challenge_method": flow["method"]} if challenge else {}
        )
        code = await provider.allow(person["sub"], **parameters)
        body = {"code": code, "redirect_uri": REDIRECT, "state": flow["state"]}
        answer = await google.post("/v1/auth/google/code", json=body | ({"code_verifier": sent} if sent else {}))
        return answer.status_code

    assert await sign_in(challenge=s256(verifier), sent=verifier) == 200
    assert await sign_in(challenge=s256(verifier), sent="w" * 43) == 401
    assert await sign_in(challenge=s256(verifier), sent=None) == 401
    # A verifier for a code without a challenge: the attacker's code would otherwise pass (PKCE downgrade).
    assert await sign_in(challenge=None, sent=verifier) == 401
    assert await sign_in(challenge=None, sent=None) == 200


async def test_state_and_nonce_are_valid_once(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    challenge = hashlib.sha256(b"x").hexdigest()[:43]
    flow = (
        await google.post("/v1/auth/google/begin", json={"redirect_uri": REDIRECT, "code_challenge": challenge})
    ).json()
    query = parse_qs(urlsplit(flow["authorization_url"]).query)
    assert query["state"] == [flow["state"]]
    assert query["code_challenge"] == [challenge]
    code = await provider.allow(person["sub"], nonce=query["nonce"][0])
    body = {"code": code, "redirect_uri": REDIRECT, "state": flow["state"]}
    # A flow begun with PKCE requires the verifier; a rejected attempt uses up the state.
    assert (await google.post("/v1/auth/google/code", json=body)).status_code == 401
    flow = (await google.post("/v1/auth/google/begin", json={"redirect_uri": REDIRECT})).json()
    nonce = parse_qs(urlsplit(flow["authorization_url"]).query)["nonce"][0]
    body = {"redirect_uri": REDIRECT, "state": flow["state"], "code": await provider.allow(person["sub"], nonce=nonce)}
    assert (await google.post("/v1/auth/google/code", json=body)).status_code == 200
    body["code"] = await provider.allow(person["sub"], nonce=nonce)
    assert (await google.post("/v1/auth/google/code", json=body)).status_code == 401


async def test_a_code_with_another_nonce_is_rejected(
    google: httpx2.AsyncClient, provider: Provider, person: dict[str, str]
) -> None:
    flow = (await google.post("/v1/auth/google/begin", json={"redirect_uri": REDIRECT})).json()
    code = await provider.allow(person["sub"], nonce="another")
    body = {"code": code, "redirect_uri": REDIRECT, "state": flow["state"]}
    assert (await google.post("/v1/auth/google/code", json=body)).status_code == 401


async def test_an_unreachable_provider_is_a_503(settings: Settings) -> None:
    away = with_changes(settings, google_issuer="http://127.0.0.1:1", google_client_id=CLIENT_ID)
    async with running_api(away) as (_, client):
        assert (await client.post("/v1/auth/google/begin", json={"redirect_uri": REDIRECT})).status_code == 503
        # The provider became unreachable after the sign-in had begun.
        sign_in = json.dumps({"nonce": "n", "redirect_uri": REDIRECT, "uses_pkce": False})
        with redis.Redis.from_url(settings.valkey.connection_url) as valkey:
            valkey.set("google-state:begun", sign_in, ex=60)
        body = {"code": "x", "redirect_uri": REDIRECT, "state": "begun"}
        answer = await client.post("/v1/auth/google/code", json=body)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
