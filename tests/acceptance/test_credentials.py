"""Password reset, e-mail verification, the extension's login, API keys."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from cluster.settings import Settings, with_changes
from tests.support.client import PASSWORD, ApiUser, sign_up
from tests.support.sent_mails import mails_to, send_queued_mails, token_in
from tests.support.server import running_api


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """On a plan that includes API keys."""
    return with_changes(settings, default_plan="enterprise")


NEW = "an even better password"


class Box:
    """The app, a client, and the mails that the app has queued."""

    def __init__(self, app: FastAPI, client: httpx2.AsyncClient, settings: Settings) -> None:
        self.app, self.client, self.settings = app, client, settings

    async def mails(self, person: ApiUser) -> list[EmailMessage]:
        await send_queued_mails(self.app, person.id)
        return mails_to(self.settings.data_dir, person.email)

    async def token(self, person: ApiUser, subject: str) -> str:
        return token_in([m for m in await self.mails(person) if subject in m["Subject"]][-1])

    async def forget(self, person: ApiUser) -> str:
        await self.client.post("/v1/auth/forgot-password", json={"email": person.email})
        return await self.token(person, "재설정")

    async def reset(self, token: str, password: str = NEW) -> httpx2.Response:
        return await self.client.post("/v1/auth/reset-password", json={"token": token, "new_password": password})

    async def log_in(self, address: str, password: str) -> int:
        answer = await self.client.post("/v1/auth/login", json={"email": address, "password": password})
        return answer.status_code


@pytest.fixture
async def box(settings: Settings) -> AsyncIterator[Box]:
    async with running_api(settings) as (app, client):
        yield Box(app, client, settings)


async def test_forgot_password_does_not_reveal_accounts(box: Box) -> None:
    person = await sign_up(box.client)
    known = await box.client.post("/v1/auth/forgot-password", json={"email": f" {person.email.upper()} "})
    unknown = await box.client.post("/v1/auth/forgot-password", json={"email": "nobody@test.local"})
    assert known.status_code == unknown.status_code == 200
    assert known.json() == unknown.json()
    assert "outbox folder" in known.json()["message"]
    assert await box.token(person, "재설정")
    assert mails_to(box.settings.data_dir, "nobody@test.local") == []


async def test_reset_password_and_log_in_with_it(
    box: Box, db: psycopg.AsyncConnection[Any], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    person = await sign_up(box.client)
    token = await box.forget(person)
    rows = await (
        await db.execute("SELECT digest FROM one_time_tokens WHERE user_id = %s AND purpose = 'reset'", [person.id])
    ).fetchall()
    assert rows == [(hashlib.sha256(token.encode()).digest(),)]
    assert (await box.reset(token)).status_code == 200
    assert await box.log_in(person.email, PASSWORD) == 401
    assert await box.log_in(person.email, NEW) == 200
    # Logins with the old password have ended.
    assert (await person.call("GET", "/v1/auth/me")).status_code == 401
    refreshed = await box.client.post(
        "/v1/auth/refresh", headers={"Authorization": f"Bearer {person.reply['refresh_token']}"}
    )
    assert refreshed.status_code == 401
    said = caplog.text + "".join(capsys.readouterr())
    assert token not in said
    assert person.email not in said


async def test_a_reset_token_works_once_and_for_an_hour(box: Box, db: psycopg.AsyncConnection[Any]) -> None:
    person = await sign_up(box.client)
    token = await box.forget(person)
    assert (await box.reset("0" * 64)).status_code == 400
    assert (await box.reset(token, "short")).status_code == 400  # the token stays valid
    assert (await box.reset(token)).status_code == 200
    again = await box.reset(token, "a third password")
    assert again.status_code == 400
    assert again.json()["error"]["message"] == "invalid or expired token"
    late = await box.forget(person)
    await db.execute(
        "UPDATE one_time_tokens SET expires_at = expires_at - interval '1 hour' WHERE user_id = %s", [person.id]
    )
    assert (await box.reset(late)).status_code == 400
    assert await box.log_in(person.email, NEW) == 200


async def test_a_second_reset_request_invalidates_the_first(box: Box) -> None:
    person = await sign_up(box.client)
    first, second = await box.forget(person), await box.forget(person)
    assert first != second
    assert (await box.reset(first)).status_code == 400
    assert (await box.reset(second)).status_code == 200


async def test_a_verification_token_cannot_reset_a_password(box: Box) -> None:
    person = await sign_up(box.client)
    token = await box.token(person, "이메일 확인")
    assert (await box.reset(token)).status_code == 400
    confirmed = await person.ok("POST", "/v1/auth/verify-email", json={"token": token})
    assert confirmed["email_verified"] is True
    assert (await person.ok("GET", "/v1/auth/me"))["user"]["email_verified"] is True
    assert (await person.call("POST", "/v1/auth/verify-email", json={"token": token})).status_code == 400


async def test_the_verification_mail_can_be_sent_again(box: Box) -> None:
    person = await sign_up(box.client)
    first = await box.token(person, "이메일 확인")
    await person.ok("POST", "/v1/auth/send-verification")
    second = await box.token(person, "이메일 확인")
    assert (await person.call("POST", "/v1/auth/verify-email", json={"token": first})).status_code == 400
    assert (await person.call("POST", "/v1/auth/verify-email", json={"token": second})).status_code == 200


async def test_confirming_an_address_without_its_login_hands_the_account_to_the_owner_of_the_address(box: Box) -> None:
    """An attacker signs up with the address of a victim and waits for the victim to open the mail."""
    attacker = await sign_up(box.client)
    _, key = await _key(attacker, "sessions:read")
    verifier = "v" * 64
    challenge = {"code_challenge": _challenge(verifier)}
    code = (await attacker.ok("POST", "/v1/auth/extension/code", json=challenge))["code"]
    token = await box.token(attacker, "이메일 확인")
    answer = await box.client.post("/v1/auth/verify-email", json={"token": token})
    assert (answer.status_code, answer.json()["email_verified"]) == (200, False)

    async def attacker_is_out() -> None:
        assert (await attacker.call("GET", "/v1/auth/me")).status_code == 401
        refresh = {"Authorization": f"Bearer {attacker.reply['refresh_token']}"}
        assert (await box.client.post("/v1/auth/refresh", headers=refresh)).status_code == 401
        assert (await box.client.get("/v1/sessions", headers=key)).status_code == 401
        exchange = {"code": code, "code_verifier": verifier}
        assert (await box.client.post("/v1/auth/extension/exchange", json=exchange)).status_code == 401
        assert await box.log_in(attacker.email, PASSWORD) == 401

    await attacker_is_out()
    # The owner of the address chooses a password by mail, and the address is confirmed by that.
    assert (await box.reset(await box.token(attacker, "비밀번호를 정하세요"))).status_code == 200
    await attacker_is_out()
    reply = await box.client.post("/v1/auth/login", json={"email": attacker.email, "password": NEW})
    assert reply.json()["user"]["email_verified"] is True


async def test_a_login_of_another_account_does_not_confirm_an_address(box: Box) -> None:
    person, other = await sign_up(box.client), await sign_up(box.client)
    token = await box.token(person, "이메일 확인")
    answer = await other.call("POST", "/v1/auth/verify-email", json={"token": token})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "OTHER_ACCOUNT")
    bad = {"Authorization": "Bearer expired.or.forged"}
    answer = await box.client.post("/v1/auth/verify-email", json={"token": token}, headers=bad)
    assert answer.status_code == 401
    # Neither attempt has used up the token or ended a login.
    assert (await person.ok("POST", "/v1/auth/verify-email", json={"token": token}))["email_verified"] is True


@pytest.mark.parametrize("way", ["password", "logout-all", "reset"])
@pytest.mark.parametrize("keeps", [None, False, True])
async def test_api_keys_end_with_the_password_unless_kept(box: Box, way: str, keeps: bool | None) -> None:
    person = await sign_up(box.client)
    await person.ok("POST", "/v1/auth/verify-email", json={"token": await box.token(person, "이메일 확인")})
    _, key = await _key(person, "sessions:read")
    challenge = {"code_challenge": _challenge("v" * 64)}
    code = (await person.ok("POST", "/v1/auth/extension/code", json=challenge))["code"]
    options = {} if keeps is None else {"keep_api_keys": keeps}
    if way == "password":
        body = {"current_password": PASSWORD, "new_password": NEW, **options}
        await person.ok("POST", "/v1/auth/password", json=body)
    elif way == "logout-all":
        await person.ok("POST", "/v1/auth/logout-all", **({} if keeps is None else {"json": options}))
    else:
        body = {"token": await box.forget(person), "new_password": NEW, **options}
        assert (await box.client.post("/v1/auth/reset-password", json=body)).status_code == 200
    assert (await box.client.get("/v1/sessions", headers=key)).status_code == (200 if keeps else 401)
    assert (await person.call("GET", "/v1/auth/me")).status_code == 401
    # A code that links an extension is a login that has not begun yet.
    exchange = {"code": code, "code_verifier": "v" * 64}
    assert (await box.client.post("/v1/auth/extension/exchange", json=exchange)).status_code == 401


async def test_a_reset_revokes_the_api_keys_of_an_unconfirmed_account_always(box: Box) -> None:
    person = await sign_up(box.client)
    _, key = await _key(person, "sessions:read")
    body = {"token": await box.forget(person), "new_password": NEW, "keep_api_keys": True}
    assert (await box.client.post("/v1/auth/reset-password", json=body)).status_code == 200
    assert (await box.client.get("/v1/sessions", headers=key)).status_code == 401


async def test_a_password_change_ends_other_logins(box: Box) -> None:
    person = await sign_up(box.client)
    body = {"current_password": "not it", "new_password": NEW}
    assert (await person.call("POST", "/v1/auth/password", json=body)).status_code == 400
    reply = await person.ok("POST", "/v1/auth/password", json=body | {"current_password": PASSWORD})
    assert (await person.call("GET", "/v1/auth/me")).status_code == 401
    me = await box.client.get("/v1/auth/me", headers={"Authorization": f"Bearer {reply['token']}"})
    assert me.status_code == 200
    assert await box.log_in(person.email, NEW) == 200
    assert any("바뀌었습니다" in m["Subject"] for m in await box.mails(person))


# --- the extension ------------------------------------------------------------------------------------------------


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def test_the_extension_logs_in_with_a_one_time_code(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    verifier = "v" * 64
    code = (await ann.ok("POST", "/v1/auth/extension/code", json={"code_challenge": _challenge(verifier)}))["code"]
    body = {"code": code, "code_verifier": verifier}
    answer = await api.post("/v1/auth/extension/exchange", json=body, headers={"X-Trailmind-Client": "extension"})
    assert answer.status_code == 200
    reply = answer.json()
    assert reply["user"]["id"] == ann.id
    assert reply["refresh_token"]
    me = await api.get("/v1/auth/me", headers={"Authorization": f"Bearer {reply['token']}"})
    assert me.status_code == 200
    assert (await api.post("/v1/auth/extension/exchange", json=body)).status_code == 401


async def test_an_extension_code_is_useless_without_the_verifier(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    verifier = "v" * 64
    code = (await ann.ok("POST", "/v1/auth/extension/code", json={"code_challenge": _challenge(verifier)}))["code"]
    attempt = await api.post("/v1/auth/extension/exchange", json={"code": code, "code_verifier": "x" * 64})
    assert attempt.status_code == 401
    # The code is used up: its owner notices, instead of being logged in besides an attacker.
    owner = await api.post("/v1/auth/extension/exchange", json={"code": code, "code_verifier": verifier})
    assert owner.status_code == 401


# --- API keys -----------------------------------------------------------------------------------------------------


async def _key(person: ApiUser, *scopes: str, **more: Any) -> tuple[str, dict[str, str]]:
    made = await person.ok("POST", "/v1/auth/api-keys", json={"name": "script", "scopes": list(scopes), **more})
    return made["api_key"]["id"], {"Authorization": f"Bearer {made['key']}"}


async def test_an_api_key_can_use_its_scopes(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    key_id, headers = await _key(ann, "sessions:read")
    assert (await api.get("/v1/sessions", headers=headers)).status_code == 200
    refused = await api.post("/v1/sessions/start", headers=headers)
    assert refused.status_code == 403
    assert "sessions:write" in refused.json()["error"]["message"]
    # Keys have no access to account routes.
    for method, path in (("GET", "/v1/auth/me"), ("GET", "/v1/auth/api-keys"), ("POST", "/v1/auth/logout")):
        assert (await api.request(method, path, headers=headers)).status_code == 403
    listed = (await ann.ok("GET", "/v1/auth/api-keys"))["api_keys"]
    assert [k["id"] for k in listed] == [key_id]
    assert listed[0]["last_used_at"]
    assert headers["Authorization"].endswith(listed[0]["hint"])


async def test_an_api_key_is_kept_as_a_digest_and_can_be_revoked(
    api: httpx2.AsyncClient, ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    key_id, headers = await _key(ann, "sessions:read")
    # The secret may contain underscores itself.
    secret = headers["Authorization"].split("_", 2)[2]
    cursor = await db.execute("SELECT api_keys::text FROM api_keys WHERE id = %s", [key_id])
    row = await cursor.fetchone()
    assert row is not None
    assert secret not in row[0]
    wrong = headers["Authorization"][:-1] + ("a" if headers["Authorization"][-1] != "a" else "b")
    assert (await api.get("/v1/sessions", headers=headers)).status_code == 200
    assert (await api.get("/v1/sessions", headers={"Authorization": wrong})).status_code == 401
    assert (await bob.call("DELETE", f"/v1/auth/api-keys/{key_id}")).status_code == 404
    assert (await ann.call("DELETE", f"/v1/auth/api-keys/{key_id}")).status_code == 204
    assert (await api.get("/v1/sessions", headers=headers)).status_code == 401
    for garbage in ("tm_", "tm_x_y", f"tm_{uuid.uuid4().hex}_secret", f"tm_{uuid.uuid4().hex}"):
        answer = await api.get("/v1/sessions", headers={"Authorization": f"Bearer {garbage}"})
        assert answer.status_code == 401


async def test_an_api_key_expires(api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    key_id, headers = await _key(ann, "sessions:read", expires_in_days=1)
    await db.execute("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = %s", [key_id])
    assert (await api.get("/v1/sessions", headers=headers)).status_code == 401


@asynccontextmanager
async def _timed() -> AsyncIterator[list[float]]:
    """The CPU time of this process, the thread that hashes included: other processes do not change it."""
    began = time.process_time()
    took: list[float] = []
    yield took
    took.append(time.process_time() - began)


@pytest.mark.usefixtures("production_hashes")
async def test_login_time_does_not_reveal_accounts(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    async def fastest(email: str) -> float:
        times = []
        for _ in range(5):
            async with _timed() as took:
                await api.post("/v1/auth/login", json={"email": email, "password": "not the password"})
            times += took
        return min(times)

    await fastest("warm-up@test.local")
    known, unknown = await fastest(ann.email), await fastest("nobody@test.local")
    # Skipping the hash for unknown users would make one of them ten times as fast.
    assert 0.4 < known / unknown < 2.5
