"""Access to every route of the API by callers without permission.

The callers: without a login, with an expired or revoked login, with an API key of another scope, another user, and a
user who is not an operator. A route without an access rule fails a test.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest

from cluster.settings import Settings, with_changes
from serve.auth.authorization import ACCESS_RULES, SCOPES, Access
from serve.identity.access_tokens import key_id
from serve.openapi.document import operations
from tests.support.client import PASSWORD, ApiUser, sign_up, visit
from tests.support.completed_session import completed_session
from tests.support.server import SIGNING_KEY, running_api
from tests.support.tokens import signed_token, token_claims

PROTECTED = {Access.LOGIN, Access.USER, Access.ADMIN}
#: Bodies that would be accepted, where an empty object would not: a refusal must be about the caller.
BODIES: dict[str, Any] = {
    "post_events": {"events": [visit("https://example.com/")]},
    "update_session": {"title": "Mine now"},
    "replace_update_session": {"title": "Mine now"},
    "change_password": {"new_password": "a new password"},
    "extension_code": {"code_challenge": "c" * 43},
    "create_api_key": {"name": "key", "scopes": ["sessions:read"]},
    "edit_mindmap": {"operations": [{"op": "undo"}]},
    "edit_map": {"operations": [{"op": "undo"}]},
    "create_map": {"session_ids": [str(uuid.uuid4())]},
    "forget_recorded": {"domain": "nothing.test"},
    "link_topics": {
        "topic": {"session_id": str(uuid.uuid4()), "topic_id": "t"},
        "other": {"session_id": str(uuid.uuid4()), "topic_id": "t"},
    },
    "unlink_topic": {"session_id": str(uuid.uuid4()), "topic_id": "t"},
    "put_ai_config": {"chain": [{"provider": "local", "model": "local"}]},
}


@pytest.fixture
async def walked(settings: Settings) -> AsyncIterator[tuple[dict[str, Any], httpx2.AsyncClient]]:
    """The OpenAPI document and a client."""
    # A plan that includes API keys.
    async with running_api(with_changes(settings, default_plan="enterprise")) as (app, client):
        yield app.openapi(), client


def _fill(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


_ANY = {
    "session_id": str(uuid.uuid4()),
    "token": "token",
    "login_id": str(uuid.uuid4()),
    "key_id": str(uuid.uuid4()),
    "checkout_id": str(uuid.uuid4()),
    "share_id": str(uuid.uuid4()),
    "user_id": str(uuid.uuid4()),
    "job_id": "1",
    "task_type": "describe",
    "map_id": str(uuid.uuid4()),
    "receipt_id": str(uuid.uuid4()),
    "number": "1",
    "other": "1",
}


async def _ask(
    client: httpx2.AsyncClient, path: str, method: str, operation: dict[str, Any], headers: dict[str, str], **ids: str
) -> httpx2.Response:
    body = BODIES.get(operation["operationId"], {})
    arguments: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": body}
    if any(p["name"] == "q" and p.get("required") for p in operation.get("parameters", [])):
        arguments["params"] = {"q": "x"}
    return await client.request(method, _fill(path, _ANY | ids), headers=headers, **arguments)


def test_every_route_has_an_access_rule_and_every_rule_a_route(settings: Settings) -> None:
    from serve.app import create_api

    document = create_api(settings, lambda index: None).openapi()
    routes = {(method, path) for path, method, _ in operations(document)}
    assert routes - ACCESS_RULES.keys() == set(), "add these to serve.auth.authorization.ACCESS_RULES"
    assert ACCESS_RULES.keys() - routes == set(), "these rules are for routes that are gone"


async def test_invalid_credentials_are_unauthorized_on_every_route(
    walked: tuple[dict[str, Any], httpx2.AsyncClient],
) -> None:
    document, client = walked
    person, logged_out = await sign_up(client), await sign_up(client)
    await logged_out.ok("POST", "/v1/auth/logout")
    claims = token_claims(person.reply["token"])
    over = claims | {"exp": int(time.time()) - 1}
    token = person.reply["token"]
    head, payload, signature = token.split(".")
    flipped = f"{head}.{payload}.{('A' if signature[0] != 'A' else 'B') + signature[1:]}"
    bearers = {
        "expired": signed_token(over, SIGNING_KEY, kid=key_id(SIGNING_KEY)),
        "signed by another key": signed_token(claims, "another key " * 4, kid=key_id(SIGNING_KEY)),
        "flipped signature": flipped,
        "no signature": f"{head}.{payload}.",
        "refresh token": person.reply["refresh_token"],
        "unknown API key": f"tm_{uuid.uuid4().hex}_secret",
        "garbage": "x",
    }
    callers: dict[str, dict[str, str]] = {
        "no login": {},
        "another scheme": {"Authorization": f"Basic {token}"},
        "logged out": logged_out.headers,
        **{name: {"Authorization": f"Bearer {bearer}"} for name, bearer in bearers.items()},
        **await _callers_of_gone_accounts(client),
    }
    walked_routes = 0
    for path, method, operation in operations(document):
        if ACCESS_RULES[method, path].access not in PROTECTED:
            continue
        walked_routes += 1
        for name, headers in callers.items():
            answer = await _ask(client, path, method, operation, headers)
            assert answer.status_code == 401, f"{method} {path} as {name}: {answer.status_code}"
            assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    assert walked_routes > 40


async def _callers_of_gone_accounts(client: httpx2.AsyncClient) -> dict[str, dict[str, str]]:
    """Access tokens, refresh tokens and API keys of accounts that were erased, closed, or got another password."""
    callers: dict[str, dict[str, str]] = {}
    endings: dict[str, tuple[str, dict[str, Any]]] = {
        "erased": ("/v1/users/me/deletion", {"password": PASSWORD, "now": True}),
        "closed": ("/v1/users/me/deletion", {"password": PASSWORD}),
        "another password": ("/v1/auth/password", {"current_password": PASSWORD, "new_password": "a new password"}),
        "logged out everywhere": ("/v1/auth/logout-all", {}),
    }
    for name, (path, body) in endings.items():
        person = await sign_up(client)
        made = await person.ok("POST", "/v1/auth/api-keys", json={"name": "key", "scopes": list(SCOPES)})
        # The replica has cached both as valid.
        by_key = {"Authorization": f"Bearer {made['key']}"}
        assert (await client.get("/v1/sessions", headers=by_key)).status_code == 200
        await person.ok("POST", path, json=body)
        callers |= {
            name: person.headers,
            f"{name}, API key": by_key,
            f"{name}, refresh token": {"Authorization": f"Bearer {person.reply['refresh_token']}"},
        }
    return callers


async def test_no_token_of_an_erased_account_begins_a_login(
    walked: tuple[dict[str, Any], httpx2.AsyncClient], db: psycopg.AsyncConnection[Any]
) -> None:
    _, client = walked
    person = await sign_up(client)
    code = await person.ok("POST", "/v1/auth/extension/code", json={"code_challenge": "c" * 43})
    await person.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD, "now": True})
    cursor = await db.execute("SELECT count(*) FROM users WHERE id = %s", [person.id])
    assert await cursor.fetchone() == (0,)
    refresh = {"Authorization": f"Bearer {person.reply['refresh_token']}"}
    for path, body, headers in (
        ("/v1/auth/refresh", {}, refresh),
        ("/v1/auth/login", {"email": person.email, "password": PASSWORD}, {}),
        ("/v1/auth/extension/exchange", {"code": code["code"], "code_verifier": "v" * 43}, {}),
    ):
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == 401, path
    # A new account with the same address is another account.
    again = await sign_up(client, person.email)
    assert again.id != person.id
    assert (await person.call("GET", "/v1/auth/me")).status_code == 401


async def test_an_api_key_is_limited_to_its_scopes(walked: tuple[dict[str, Any], httpx2.AsyncClient]) -> None:
    document, client = walked
    person = await sign_up(client)

    async def key(*scopes: str) -> dict[str, str]:
        made = await person.ok("POST", "/v1/auth/api-keys", json={"name": "key", "scopes": list(scopes)})
        return {"Authorization": f"Bearer {made['key']}"}

    of_all = await key(*SCOPES)
    without = {scope: await key(*(SCOPES.keys() - {scope})) for scope in SCOPES}
    for path, method, operation in operations(document):
        rule = ACCESS_RULES[method, path]
        if rule.access not in PROTECTED:
            continue
        headers = without[rule.scope] if rule.access is Access.USER and rule.scope else of_all
        answer = await _ask(client, path, method, operation, headers)
        assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
        if rule.access is Access.USER and method == "GET" and not path.endswith("/stream"):
            opened = await _ask(client, path, method, operation, of_all)
            assert opened.status_code in {200, 402, 404}, f"{method} {path}: {opened.status_code}"


async def test_another_user_reaches_no_resource_of_the_owner(
    walked: tuple[dict[str, Any], httpx2.AsyncClient], db: psycopg.AsyncConnection[Any]
) -> None:
    document, client = walked
    owner, other_user = await sign_up(client), await sign_up(client)
    session_id = await completed_session(owner, db)
    share = (await owner.ok("POST", f"/v1/sessions/{session_id}/shares"))["share"]
    key = await owner.ok("POST", "/v1/auth/api-keys", json={"name": "key", "scopes": ["sessions:read"]})
    logins = (await owner.ok("GET", "/v1/auth/logins"))["logins"]
    ids = {
        "session_id": session_id,
        "share_id": share["id"],
        "key_id": key["api_key"]["id"],
        "login_id": logins[0]["id"],
    }
    before = await _rows(db, owner)
    tried = 0
    for path, method, operation in operations(document):
        if ACCESS_RULES[method, path].access not in {Access.LOGIN, Access.USER} or "{" not in path:
            continue
        tried += 1
        answer = await _ask(client, path, method, operation, other_user.headers, **ids)
        # Like an unknown id: the answer does not tell that the resource exists.
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        unknown = await _ask(client, path, method, operation, other_user.headers)
        assert (unknown.status_code, unknown.json()) == (answer.status_code, answer.json()), f"{method} {path}"
        assert session_id not in answer.text
        assert "Sourdough" not in answer.text
    assert tried > 20
    assert await _rows(db, owner) == before
    # Routes without an id return only resources of the caller.
    assert await other_user.ok("GET", "/v1/sessions") == {"sessions": [], "total": 0}
    assert (await other_user.ok("GET", "/v1/search", params={"q": "sourdough"}))["results"] == []


async def _rows(db: psycopg.AsyncConnection[Any], owner: ApiUser) -> list[Any]:
    rows: list[Any] = []
    for query in (
        "SELECT id, title, status, deleted_at, num_events FROM browsing_sessions WHERE user_id = %s",
        "SELECT id, revoked_at FROM share_links WHERE user_id = %s",
        "SELECT id, revoked_at FROM api_keys WHERE user_id = %s",
        "SELECT id, revoked_at FROM login_families WHERE user_id = %s",
    ):
        rows += await (await db.execute(query, [owner.id])).fetchall()
    return rows


async def test_operator_routes_require_an_operator(
    walked: tuple[dict[str, Any], httpx2.AsyncClient], db: psycopg.AsyncConnection[Any]
) -> None:
    document, client = walked
    person = await sign_up(client)
    for path, method, operation in operations(document):
        if ACCESS_RULES[method, path].access is Access.ADMIN:
            answer = await _ask(client, path, method, operation, person.headers)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
            assert answer.json()["error"]["message"] == "only operators may do this"
