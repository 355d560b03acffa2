"""Accounts: deletion, settings, data export."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import erase_due_accounts
from cluster.settings import Settings, with_changes
from models.accounts.erasure import owned_tables
from tests.support.client import PASSWORD, ApiUser, sign_up, visit
from tests.support.completed_session import completed_session
from tests.support.sent_mails import mails_to, send_queued_mails
from tests.support.server import running_api


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """On a plan that includes API keys."""
    return with_changes(settings, default_plan="enterprise")


async def _log_in(client: httpx2.AsyncClient, person: ApiUser) -> int:
    answer = await client.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    return answer.status_code


async def _rows_of(db: psycopg.AsyncConnection[Any], user_id: str) -> dict[str, int]:
    """Table → rows with the id of the user or of their sessions; does not use the code under test."""
    sessions = await (await db.execute("SELECT id FROM browsing_sessions WHERE user_id = %s", [user_id])).fetchall()
    ids = [user_id, *(str(row[0]) for row in sessions)]
    tables = await (
        await db.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname NOT IN ('audit_log')"
        )
    ).fetchall()
    row_counts = {}
    for (table,) in tables:
        cursor = await db.execute(
            f"SELECT count(*) FROM {table} t WHERE t::text ~ %s",
            ["|".join(ids)],
        )
        row = await cursor.fetchone()
        if row and row[0]:
            row_counts[table] = row[0]
    return row_counts


async def test_hard_delete_erases_every_row(
    api: httpx2.AsyncClient, ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    for person in (ann, bob):
        session_id = await completed_session(person, db)
        await person.ok("POST", f"/v1/sessions/{session_id}/shares")
        await person.ok("GET", "/v1/search", params={"q": "bread"})
        await person.ok("PATCH", "/v1/users/me/settings", json={"theme": "dark"})
        await person.ok("POST", "/v1/auth/api-keys", json={"name": "key", "scopes": ["sessions:read"]})
    before = await _rows_of(db, bob.id)
    mine = await _rows_of(db, ann.id)
    assert {"users", "browsing_sessions", "events", "page_contents", "search_pages", "mindmaps"} <= mine.keys()
    answer = await ann.call("DELETE", "/v1/auth/me", params={"hard": "true"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await _log_in(api, ann) == 401
    assert (await ann.call("GET", "/v1/sessions")).status_code == 401
    left = await (await db.execute("SELECT count(*) FROM page_contents WHERE user_id = %s", [ann.id])).fetchone()
    assert left == (0,)
    assert await _rows_of(db, ann.id) == {}
    assert await _rows_of(db, bob.id) == before
    # The address can be used again.
    again = await api.post("/v1/auth/signup", json={"email": ann.email, "password": PASSWORD})
    assert again.status_code == 201


async def test_hard_delete_is_for_the_test_environment(settings: Settings) -> None:
    async with running_api(with_changes(settings, environment="development")) as (_, client):
        person = await sign_up(client)
        assert (await person.call("DELETE", "/v1/auth/me", params={"hard": "true"})).status_code == 403
        assert (await person.call("GET", "/v1/auth/me")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("DELETE", "/v1/auth/me", "password"),
        ("POST", "/v1/users/me/deletion", "password"),
        ("POST", "/v1/auth/password", "current_password"),
    ],
)
async def test_an_access_token_alone_neither_closes_an_account_nor_sets_its_password(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any], method: str, path: str, field: str
) -> None:
    rest = {"new_password": "an even better password"} if path.endswith("/password") else {}
    for wrong in ({}, {field: ""}, {field: "wrong"}, {"hard": True}, {"now": True}):
        answer = await ann.call(method, path, json=wrong | rest)
        assert answer.status_code == 400, answer.text
    if not rest:
        assert (await ann.call(method, path)).status_code == 400
        assert (await ann.call(method, path, json=None)).status_code == 400
    assert await _log_in(api, ann) == 200
    # An account that only signs in with Google has no password: the login has to be recent.
    await db.execute("UPDATE users SET password_hash = NULL WHERE id = %s", [ann.id])
    await db.execute(
        "UPDATE login_families SET authenticated_at = now() - interval '11 minutes' WHERE user_id = %s", [ann.id]
    )
    answer = await ann.call(method, path, json=rest)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "LOGIN_TOO_OLD")
    # A login that was opened with the old one proves nothing.
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = (await ann.ok("POST", "/v1/auth/extension/code", json={"code_challenge": challenge}))["code"]
    exchanged = await api.post("/v1/auth/extension/exchange", json={"code": code, "code_verifier": verifier})
    derived = ApiUser(api, exchanged.json())
    assert (await derived.call(method, path, json=rest)).status_code == 400
    await db.execute("UPDATE login_families SET authenticated_at = now() WHERE user_id = %s", [ann.id])
    assert (await ann.call(method, path, json=rest)).is_success


async def test_soft_delete_ends_every_login(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await ann.start()
    made = await ann.ok("POST", "/v1/auth/api-keys", json={"name": "key", "scopes": ["sessions:read"]})
    answer = await ann.call("DELETE", "/v1/auth/me", json={"password": PASSWORD})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await _log_in(api, ann) == 401
    for method, path in (("GET", "/v1/auth/me"), ("GET", "/v1/sessions"), ("GET", "/v1/usage")):
        assert (await ann.call(method, path)).status_code == 401
    events = await ann.call("POST", f"/v1/sessions/{session_id}/events", json={"events": [visit("https://a.example/")]})
    assert events.status_code == 401
    refreshed = await api.post("/v1/auth/refresh", headers={"Authorization": f"Bearer {ann.reply['refresh_token']}"})
    assert refreshed.status_code == 401
    with_key = await api.get("/v1/sessions", headers={"Authorization": f"Bearer {made['key']}"})
    assert with_key.status_code == 401
    # Signing up with the address of a closed account that is not erased yet is a conflict.
    again = await api.post("/v1/auth/signup", json={"email": ann.email, "password": PASSWORD})
    assert again.status_code == 409


async def test_the_deletion_receipt_counts_all_rows(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    await completed_session(ann, db)
    assert (await ann.call("POST", "/v1/users/me/deletion", json={"password": "wrong"})).status_code == 400
    receipt = await ann.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD, "now": True})
    assert receipt["status"] == "erased"
    assert receipt["counts"]["events"] == 11
    assert receipt["counts"]["sessions"] == 1
    assert receipt["counts"]["page_texts"] == 5
    assert receipt["total"] == sum(receipt["counts"].values())
    assert await _rows_of(db, ann.id) == {}
    cursor = await db.execute("SELECT facts FROM audit_log WHERE subject = %s", [ann.id])
    assert (await cursor.fetchone()) == (receipt["counts"],)


async def test_a_closed_account_is_erased_after_the_grace_period(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any], settings: Settings
) -> None:
    receipt = await ann.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD})
    assert receipt["status"] == "scheduled"
    # Who knows the password learns what has become of the account; others do not learn that there is one.
    logins = [await api.post("/v1/auth/login", json={"email": ann.email, "password": p}) for p in (PASSWORD, "wrong")]
    closed, unknown = (answer.json()["error"] for answer in logins)
    assert [answer.status_code for answer in logins] == [401, 401]
    assert (closed["code"], unknown["code"]) == ("ACCOUNT_CLOSED", "UNAUTHORIZED")
    assert closed["values"]["erased_at"][:10] == receipt["erased_at"][:10]
    assert "the operator of the server can open it again" in closed["message"]
    cursor = await db.execute("SELECT status, deleted_at IS NOT NULL FROM users WHERE id = %s", [ann.id])
    assert await cursor.fetchone() == ("inactive", True)
    async with AsyncConnectionPool(settings.database.postgres_dsn, min_size=1, max_size=2, open=False) as pool:
        await erase_due_accounts(pool, settings.privacy.account_deletion_delay_s)
        assert (await _rows_of(db, ann.id)).get("users") == 1  # not yet
        await db.execute("UPDATE users SET deleted_at = deleted_at - interval '8 days' WHERE id = %s", [ann.id])
        assert await erase_due_accounts(pool, settings.privacy.account_deletion_delay_s) >= 1
    assert await _rows_of(db, ann.id) == {}


@pytest.mark.parametrize("at_once", [True, False])
async def test_erasure_includes_the_mails_in_the_outbox(
    settings: Settings, db: psycopg.AsyncConnection[Any], at_once: bool
) -> None:
    async with running_api(settings) as (app, client):
        ann, bob = await sign_up(client), await sign_up(client)
        for person in (ann, bob):
            await send_queued_mails(app, person.id)
            assert mails_to(settings.data_dir, person.email)
        await ann.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD, "now": at_once})
        if not at_once:
            await send_queued_mails(app, ann.id)
            assert len(mails_to(settings.data_dir, ann.email)) == 2
            await db.execute("UPDATE users SET deleted_at = deleted_at - interval '8 days' WHERE id = %s", [ann.id])
            mail_queue = app.state.parts.mail_queue
            async with AsyncConnectionPool(settings.database.postgres_dsn, min_size=1, open=False) as pool:
                await erase_due_accounts(pool, settings.privacy.account_deletion_delay_s, mail_queue)
        assert mails_to(settings.data_dir, ann.email) == []
        assert mails_to(settings.data_dir, bob.email)


async def test_erasure_covers_every_table_of_a_user(db: psycopg.AsyncConnection[Any]) -> None:
    tables = await owned_tables(db)
    cursor = await db.execute(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND column_name IN ('user_id', 'session_id') AND table_name NOT LIKE 'procrastinate%%'"
    )
    assert {row[0] for row in await cursor.fetchall()} - tables.keys() == set()


async def test_the_export_contains_all_data(ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await completed_session(ann, db, title="내 세션")
    await completed_session(bob, db)
    await ann.ok("PATCH", "/v1/users/me/settings", json={"excluded_domains": ["example.org"]})
    answer = await ann.call("GET", "/v1/users/me/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        rows = {
            name.removesuffix(".jsonl"): [json.loads(line) for line in packed.read(name).decode().splitlines()]
            for name in packed.namelist()
            if name.endswith(".jsonl")
        }
    assert [u["email"] for u in rows["users"]] == [ann.email]
    assert [s["title"] for s in rows["browsing_sessions"]] == ["내 세션"]
    assert len(rows["events"]) == 11
    assert {e["session_id"] for e in rows["events"]} == {session_id}
    assert len(rows["page_contents"]) == 5
    assert rows["user_settings"][0]["excluded_domains"] == ["example.org"]
    assert rows["mindmap_versions"][0]["data"]["nodes"]
    whole = json.dumps(rows)
    assert bob.id not in whole
    assert "argon2" not in whole
    assert "digest" not in rows["users"][0]


# --- settings -----------------------------------------------------------------------------------------------------


async def test_settings_have_defaults_and_absent_fields_stay(ann: ApiUser) -> None:
    first = (await ann.ok("GET", "/v1/users/me/settings"))["settings"]
    assert first == {
        "language": "ko",
        "is_language_chosen": False,
        "theme": "system",
        "email_notifications": True,
        "excluded_domains": [],
        "allowed_domains": [],
        "when_out_of_tokens": "local",
        "model_use": "ask",
        "allows_datasets": False,
    }
    # Another setting does not make the default language a choice, by which maps and mails would be worded.
    dark = (await ann.ok("PATCH", "/v1/users/me/settings", json={"theme": "dark"}))["settings"]
    assert dark["is_language_chosen"] is False
    chosen = await ann.ok("PATCH", "/v1/users/me/settings", json={"language": "en", "model_use": "local"})
    assert chosen["settings"]["is_language_chosen"] is True
    after = (await ann.ok("PATCH", "/v1/users/me/settings", json={"theme": "light"}))["settings"]
    assert (after["language"], after["theme"]) == ("en", "light")
    assert after["model_use"] == "local"


async def test_the_consent_to_datasets_is_dated_and_can_be_withdrawn(
    ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    async def patched(**changes: Any) -> bool:
        allows: bool = (await ann.ok("PATCH", "/v1/users/me/settings", json=changes))["settings"]["allows_datasets"]
        return allows

    async def agreed_at() -> Any:
        cursor = await db.execute("SELECT datasets_agreed_at FROM user_settings WHERE user_id = %s", [ann.id])
        return (await cursor.fetchone() or [None])[0]

    assert await patched(theme="dark") is False
    assert await patched(allows_datasets=True) is True
    first = await agreed_at()
    assert first is not None
    assert await patched(allows_datasets=True) is await patched(theme="light") is True
    assert await agreed_at() == first, "the day of the consent stays"
    assert await patched(allows_datasets=False) is False
    assert await agreed_at() is None


async def test_excluded_domains_apply_at_once(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await ann.start()
    assert (await ann.send(session_id, [visit("https://news.example.org/a")]))["stored"] == 1
    given = ["https://www.Example.ORG/path", "*.bücher.example", "example.org", "example.org"]
    row_counts = (await ann.ok("PATCH", "/v1/users/me/settings", json={"excluded_domains": given}))["settings"]
    assert row_counts["excluded_domains"] == ["www.example.org", "xn--bcher-kva.example", "example.org"]
    reply = await ann.send(session_id, [visit("https://news.example.org/b"), visit("https://fine.example/")])
    assert [v["verdict"] for v in reply["verdicts"]] == ["excluded", "stored"]
    assert reply["verdicts"][0]["reason"] == "yours: example.org"
    cursor = await db.execute("SELECT count(*) FROM events WHERE session_id = %s AND payload ~ 'org/b'", [session_id])
    assert await cursor.fetchone() == (0,)


async def test_sites_that_the_user_allows_are_recorded_at_once(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await ann.start()
    private = visit("http://wiki/plan", content="The plan of team 8127", title="Plan")
    excluded = await ann.send(session_id, [private, visit("https://example.com/login")])
    assert [v["reason"] for v in excluded["verdicts"]] == ["default: private network", "default: sign-in"]
    for table in ("events", "event_rejections"):
        query = f"SELECT count(*) FROM {table} t WHERE session_id = %s AND t::text ~ 'wiki|plan'"
        cursor = await db.execute(query, [session_id])
        assert await cursor.fetchone() == (0,), "of an excluded event only the rule is stored"
    cursor = await db.execute("SELECT count(*) FROM page_contents WHERE text ~ 'The plan of team 8127'")
    assert await cursor.fetchone() == (0,)
    allowed = (await ann.ok("PATCH", "/v1/users/me/settings", json={"allowed_domains": ["wiki"]}))["settings"]
    assert allowed["allowed_domains"] == ["wiki"]
    reply = await ann.send(session_id, [visit("http://wiki/team"), visit("http://router.local./")])
    assert [v["verdict"] for v in reply["verdicts"]] == ["stored", "excluded"]


@pytest.mark.parametrize(
    "body",
    [
        {"language": "fr"},
        {"allowed_domains": ["not a domain"]},
        {"theme": "pink"},
        {"excluded_domains": ["not a domain"]},
        {"excluded_domains": "example.org"},
        {"excluded_domains": [f"d{i}.example" for i in range(501)]},
        {"model_use": "everything"},
        {"allows_datasets": "perhaps"},
        {"when_out_of_tokens": "pay"},
    ],
)
async def test_unknown_setting_values_are_rejected(ann: ApiUser, body: dict[str, Any]) -> None:
    assert (await ann.call("PATCH", "/v1/users/me/settings", json=body)).status_code == 400


async def test_the_first_changes_of_settings_may_arrive_at_the_same_time(api: httpx2.AsyncClient) -> None:
    # A browser stores the language and the time zone of a new user with two requests.
    changes = ({"language": "en"}, {"time_zone": "Asia/Seoul"}, {"theme": "dark"}, {"email_notifications": False})
    for _ in range(5):
        person = await sign_up(api)
        answers = await asyncio.gather(*(person.call("PATCH", "/v1/users/me/settings", json=c) for c in changes))
        assert [answer.status_code for answer in answers] == [200] * len(changes)
        stored = (await person.ok("GET", "/v1/users/me/settings"))["settings"]
        assert all(stored[name] == value for change in changes for name, value in change.items())
