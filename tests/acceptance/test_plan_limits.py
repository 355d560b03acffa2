"""Limits of plans other than tokens: concurrent recordings, and the retention of sessions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import purge_session
from cluster.jobs.retention import RetentionEnforcer
from cluster.mail.queue import MailQueue
from cluster.settings import Settings, with_changes
from serve.routes.sessions import MAX_UNNAMED_RECORDINGS
from tests.support.client import ApiUser, sign_up, visit
from tests.support.sent_mails import mails_to, send_queued_mails
from tests.support.server import running_api

SUBSCRIBE = (
    "INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end)"
    " VALUES (gen_random_uuid(), %s, 'pro', 'active', now(), now() + interval '30 days')"
)
NOW = datetime.now(UTC).replace(microsecond=0)
Db = psycopg.AsyncConnection[Any]


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    async with running_api(with_changes(settings, session_limits=True)) as running:
        yield running


@pytest.fixture
async def person(app: tuple[FastAPI, httpx2.AsyncClient]) -> ApiUser:
    return await sign_up(app[1])


# --- concurrent recordings --------------------------------------------------------------------------------------------


async def start(person: ApiUser, client_session_id: str) -> httpx2.Response:
    """Start a recording as the extension does: with an id of its own, so that it can repeat the request."""
    return await person.call("POST", "/v1/sessions/start", json={"client_session_id": client_session_id})


async def test_the_free_plan_allows_one_recording_at_a_time(person: ApiUser, db: Db) -> None:
    first = await person.start(client_session_id="a")
    rejected = await start(person, "b")
    assert (rejected.status_code, rejected.json()["error"]["code"]) == (409, "CONCURRENT_SESSION_LIMIT")
    assert "stop one" in rejected.json()["error"]["message"]
    assert rejected.headers["retry-after"] == "30"
    web = await person.call("POST", "/v1/sessions/start", headers={"X-Trailmind-Client": "web"})
    assert web.status_code == 409
    # A repeated start is the same recording, and a paused one still counts.
    assert await person.start(client_session_id="a") == first
    await person.ok("PATCH", f"/v1/sessions/{first}/pause")
    assert (await start(person, "b")).status_code == 409
    await person.ok("POST", f"/v1/sessions/{first}/stop")
    assert (await start(person, "b")).status_code == 201
    await db.execute(SUBSCRIBE, [person.id])
    for each in "cdef":
        assert (await start(person, each)).status_code == 201
    assert (await start(person, "g")).status_code == 409
    cursor = await db.execute("SELECT count(*) FROM browsing_sessions WHERE user_id = %s", [person.id])
    assert await cursor.fetchone() == (6,)


async def test_one_of_many_concurrent_starts_succeeds(person: ApiUser) -> None:
    responses = await asyncio.gather(*(start(person, each) for each in "abcde"))
    assert sorted(a.status_code for a in responses) == [201, 409, 409, 409, 409]


async def test_a_second_start_by_a_v1_program_does_not_trap_the_first(person: ApiUser) -> None:
    """It sends no body and handles no error: a recording that the server ended would lose its events permanently."""
    first, second = await person.start(), await person.start()
    for number, session in enumerate((first, second, first)):
        await person.send(session, [visit(f"https://example.com/{number}")])
    # A client that names itself still has the limit of the plan.
    assert (await start(person, "named")).status_code == 409
    for session, num_events in ((first, 2), (second, 1)):
        assert (await person.ok("GET", f"/v1/sessions/{session}/events/stats"))["total_events"] == num_events
        stopped = await person.ok("POST", f"/v1/sessions/{session}/stop")
        assert stopped["session"]["session_status"] == "processing"


async def test_recordings_of_v1_programs_are_bounded(person: ApiUser) -> None:
    first, *others = [await person.start() for _ in range(MAX_UNNAMED_RECORDINGS)]
    await person.send(first, [visit("https://example.com/")])
    others.append(await person.start())
    listed = {s["id"]: s["session_status"] for s in (await person.ok("GET", "/v1/sessions"))["sessions"]}
    assert listed == {first: "processing", **dict.fromkeys(others, "recording")}
    assert (await person.ok("GET", f"/v1/sessions/{first}/mindmap"))["mindmap"]["status"] == "generating"


async def test_the_test_environment_has_no_rate_limits(settings: Settings) -> None:
    """As docs/compatibility.md says: the tests of v1 clients log in more often than people do."""
    variables = {"environment": "test", "rate_limits": None}
    async with running_api(with_changes(settings, **variables)) as (_, client):
        for _ in range(12):
            answer = await client.post("/v1/auth/login", json={"email": "a@test.local", "password": "wrong password"})
            assert answer.status_code == 401
    assert with_changes(settings, environment="development", rate_limits=None).rate_limits_enabled
    assert with_changes(settings, environment="test", rate_limits=True).rate_limits_enabled


async def test_a_recording_without_a_client_does_not_block_a_new_one(person: ApiUser, db: Db) -> None:
    lost = await person.start(client_session_id="lost")
    await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '31 minutes' WHERE id = %s", [lost])
    assert (await start(person, "found")).status_code == 201


# --- retention of sessions -------------------------------------------------------------------------------------


class RetentionDriver:
    """Runs the periodic retention job on any day."""

    def __init__(self, pool: AsyncConnectionPool[Any], settings: Settings, db: Db) -> None:
        self.pool, self.db = pool, db
        self.enforcer = RetentionEnforcer(MailQueue(settings), "free", settings.server.origin)

    async def on_day(self, day: float) -> None:
        await self.enforcer.enforce(self.pool, NOW + timedelta(days=day))

    async def session(self, person: ApiUser, age_days: float = 0) -> str:
        """A stopped session that began `age_days` before day 0."""
        session_id = await person.start()
        await self.db.execute(
            "UPDATE browsing_sessions SET status = 'completed', created_at = %s WHERE id = %s",
            [NOW - timedelta(days=age_days), session_id],
        )
        return session_id

    async def state(self, session_id: str) -> tuple[datetime | None, bool]:
        """Its deletion date, and whether it is deleted."""
        cursor = await self.db.execute(
            "SELECT deletes_at, deleted_at IS NOT NULL FROM browsing_sessions WHERE id = %s", [session_id]
        )
        row = await cursor.fetchone()
        assert row is not None
        return row[0], row[1]


@pytest.fixture
async def retention(settings: Settings, db: Db) -> AsyncIterator[RetentionDriver]:
    # On day 30 the job would delete the sessions of other tests too.
    await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE deleted_at IS NULL")
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}
    ) as pool:
        yield RetentionDriver(pool, settings, db)


async def test_a_session_is_announced_and_then_deleted_on_day_30(
    app: tuple[FastAPI, httpx2.AsyncClient], person: ApiUser, retention: RetentionDriver, settings: Settings
) -> None:
    old = await retention.session(person)
    await retention.on_day(22.9)
    assert await retention.state(old) == (None, False)
    await retention.on_day(23.1)
    await retention.on_day(24)  # no second notice
    due = NOW + timedelta(days=30.1)
    assert (await retention.state(old))[0] == due
    reply = (await person.ok("GET", f"/v1/sessions/{old}"))["session"]
    assert datetime.fromisoformat(reply["deletes_at"]) == due
    await send_queued_mails(app[0], person.id)
    notices = [m for m in mails_to(settings.data_dir, person.email) if "삭제" in m["Subject"]]
    assert len(notices) == 1
    assert f"{due:%Y-%m-%d}" in notices[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    await retention.on_day(30)
    assert (await retention.state(old))[1] is False
    await retention.on_day(30.2)
    assert (await person.call("GET", f"/v1/sessions/{old}")).status_code == 404
    cursor = await retention.db.execute(
        "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'sessions.purge' AND args ->> 'session_id' = %s",
        [old],
    )
    assert await cursor.fetchone() == (1,)
    assert (await purge_session(retention.pool, uuid.UUID(old)))["browsing_sessions"] == 1


async def test_a_subscription_before_the_deletion_date_keeps_all_sessions(
    person: ApiUser, retention: RetentionDriver
) -> None:
    old = await retention.session(person)
    await retention.on_day(24)
    await retention.db.execute(SUBSCRIBE, [person.id])
    await retention.on_day(40)
    assert await retention.state(old) == (None, False)
    # After a change to a smaller plan: another notice, and another week.
    await retention.db.execute("UPDATE subscriptions SET status = 'canceled' WHERE user_id = %s", [person.id])
    await retention.on_day(50)
    await retention.on_day(56.9)
    assert await retention.state(old) == (NOW + timedelta(days=57), False)
    await retention.on_day(57.1)
    assert (await retention.state(old))[1] is True


ENDED_PLANS = {
    "paid": "INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end, ended_at)"
    " VALUES (gen_random_uuid(), %(user)s, 'pro', 'canceled', %(ended)s::timestamptz - interval '30 days', %(ended)s,"
    " %(ended)s)",
    "given by an operator": "INSERT INTO plan_overrides (user_id, plan, reason, until)"
    " VALUES (%(user)s, 'pro', 'a test', %(ended)s)",
}


@pytest.mark.parametrize("plan", ENDED_PLANS)
async def test_after_the_end_of_a_plan_old_sessions_stay_for_thirty_days(
    person: ApiUser, retention: RetentionDriver, plan: str
) -> None:
    old = await retention.session(person, age_days=400)
    await retention.db.execute(ENDED_PLANS[plan], {"user": person.id, "ended": NOW})
    # Announced at the end of the plan, for thirty days later.
    await retention.on_day(0.1)
    assert await retention.state(old) == (NOW + timedelta(days=30), False)
    await retention.on_day(29.9)
    assert (await retention.state(old))[1] is False
    await retention.on_day(30.1)
    assert (await retention.state(old))[1] is True


async def test_a_recording_is_never_deleted_and_each_user_gets_their_own_notice(
    app: tuple[FastAPI, httpx2.AsyncClient], person: ApiUser, retention: RetentionDriver, settings: Settings
) -> None:
    recording = await retention.session(person, age_days=90)
    await retention.db.execute("UPDATE browsing_sessions SET status = 'recording' WHERE id = %s", [recording])
    other = await sign_up(app[1])
    await retention.session(other, 40)
    await retention.session(other, 50)
    await retention.on_day(0)
    assert (await retention.state(recording))[0] is None
    await send_queued_mails(app[0], other.id)
    [notice] = [m for m in mails_to(settings.data_dir, other.email) if "삭제" in m["Subject"]]
    assert "2개" in notice["Subject"]


@pytest.mark.parametrize(
    ("changes", "limits", "retention"),
    [
        ({"environment": "test"}, False, False),
        ({"environment": "development"}, True, False),
        ({"environment": "production", "smtp_url": "none"}, True, False),  # no mail server for the notices
        ({"environment": "production", "smtp_url": "smtp://mail.example"}, True, True),
        ({"environment": "test", "session_limits": True, "session_retention": True}, True, True),
    ],
)
def test_which_environments_enforce_limits_by_default(
    settings: Settings, changes: dict[str, Any], limits: bool, retention: bool
) -> None:
    production = {"rate_limits": True, "extension_ids": ("abc",), "trusted_proxies": ("none",)}
    completed = with_changes(settings, **{**production, **changes})
    assert (completed.session_limits_enabled, completed.retention_enabled) == (limits, retention)
