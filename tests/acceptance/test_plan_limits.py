"""What plans promise beyond tokens: how many recordings at once, and how long sessions are kept."""

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


# --- recordings at once --------------------------------------------------------------------------------------------


async def start(person: ApiUser, client_session_id: str) -> httpx2.Response:
    """As our extension starts: it has an id of its own for the recording, and asks again later."""
    return await person.call("POST", "/v1/sessions/start", json={"client_session_id": client_session_id})


async def test_the_free_plan_allows_one_recording_at_a_time(person: ApiUser, db: Db) -> None:
    first = await person.start(client_session_id="a")
    refused = await start(person, "b")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONCURRENT_SESSION_LIMIT")
    assert "stop one" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "30"
    web = await person.call("POST", "/v1/sessions/start", headers={"X-Trailmind-Client": "web"})
    assert web.status_code == 409
    # A repeated start is no second recording, and a pause is no end of the first.
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


async def test_of_many_starts_at_once_one_succeeds(person: ApiUser) -> None:
    answers = await asyncio.gather(*(start(person, each) for each in "abcde"))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409]


async def test_the_references_extension_is_never_refused(person: ApiUser) -> None:
    """It sends a start without a body and knows no error: the older recording is stopped, and its map ordered."""
    first = await person.start()
    await person.send(first, [visit("https://example.com/")])
    second = await person.start()
    listed = {s["id"]: s["session_status"] for s in (await person.ok("GET", "/v1/sessions"))["sessions"]}
    assert listed == {first: "processing", second: "recording"}
    assert (await person.ok("GET", f"/v1/sessions/{first}/mindmap"))["mindmap"]["status"] == "generating"


async def test_a_browser_that_is_gone_locks_nobody_out(person: ApiUser, db: Db) -> None:
    lost = await person.start(client_session_id="lost")
    await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '31 minutes' WHERE id = %s", [lost])
    assert (await start(person, "found")).status_code == 201


# --- how long sessions are kept -------------------------------------------------------------------------------------


class Keeper:
    """The periodic job, on any day."""

    def __init__(self, pool: AsyncConnectionPool[Any], settings: Settings, db: Db) -> None:
        self.pool, self.db = pool, db
        self.retention = RetentionEnforcer(MailQueue(settings), "free", settings.server.origin)

    async def on_day(self, day: float) -> None:
        await self.retention.enforce(self.pool, NOW + timedelta(days=day))

    async def session(self, person: ApiUser, age_days: float = 0) -> str:
        """A stopped session that began `age_days` before day 0."""
        found = await person.start()
        await self.db.execute(
            "UPDATE browsing_sessions SET status = 'completed', created_at = %s WHERE id = %s",
            [NOW - timedelta(days=age_days), found],
        )
        return found

    async def state(self, session_id: str) -> tuple[datetime | None, bool]:
        """When it will go, and whether it is deleted."""
        cursor = await self.db.execute(
            "SELECT deletes_at, deleted_at IS NOT NULL FROM browsing_sessions WHERE id = %s", [session_id]
        )
        row = await cursor.fetchone()
        assert row is not None
        return row[0], row[1]


@pytest.fixture
async def keeper(settings: Settings, db: Db) -> AsyncIterator[Keeper]:
    # Sessions of other tests are nobody's business on day 30.
    await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE deleted_at IS NULL")
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}
    ) as pool:
        yield Keeper(pool, settings, db)


async def test_a_session_is_warned_about_and_goes_on_day_30(
    app: tuple[FastAPI, httpx2.AsyncClient], person: ApiUser, keeper: Keeper, settings: Settings
) -> None:
    old = await keeper.session(person)
    await keeper.on_day(22.9)
    assert await keeper.state(old) == (None, False)
    await keeper.on_day(23.1)
    await keeper.on_day(24)  # one notice is enough
    due = NOW + timedelta(days=30.1)
    assert (await keeper.state(old))[0] == due
    shown = (await person.ok("GET", f"/v1/sessions/{old}"))["session"]
    assert datetime.fromisoformat(shown["deletes_at"]) == due
    await send_queued_mails(app[0], person.id)
    told = [m for m in mails_to(settings.data_dir, person.email) if "삭제" in m["Subject"]]
    assert len(told) == 1
    assert f"{due:%Y-%m-%d}" in told[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    await keeper.on_day(30)
    assert (await keeper.state(old))[1] is False
    await keeper.on_day(30.2)
    assert (await person.call("GET", f"/v1/sessions/{old}")).status_code == 404
    cursor = await keeper.db.execute(
        "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'sessions.purge' AND args ->> 'session_id' = %s",
        [old],
    )
    assert await cursor.fetchone() == (1,)
    assert (await purge_session(keeper.pool, uuid.UUID(old)))["browsing_sessions"] == 1


async def test_who_pays_in_time_keeps_everything(person: ApiUser, keeper: Keeper) -> None:
    old = await keeper.session(person)
    await keeper.on_day(24)
    await keeper.db.execute(SUBSCRIBE, [person.id])
    await keeper.on_day(40)
    assert await keeper.state(old) == (None, False)
    # A smaller plan later on: again a notice, and a week.
    await keeper.db.execute("UPDATE subscriptions SET status = 'canceled' WHERE user_id = %s", [person.id])
    await keeper.on_day(50)
    await keeper.on_day(56.9)
    assert await keeper.state(old) == (NOW + timedelta(days=57), False)
    await keeper.on_day(57.1)
    assert (await keeper.state(old))[1] is True


async def test_what_records_is_never_let_go_and_two_users_are_told_apart(
    app: tuple[FastAPI, httpx2.AsyncClient], person: ApiUser, keeper: Keeper, settings: Settings
) -> None:
    recording = await keeper.session(person, age_days=90)
    await keeper.db.execute("UPDATE browsing_sessions SET status = 'recording' WHERE id = %s", [recording])
    other = await sign_up(app[1])
    await keeper.session(other, 40)
    await keeper.session(other, 50)
    await keeper.on_day(0)
    assert (await keeper.state(recording))[0] is None
    await send_queued_mails(app[0], other.id)
    [told] = [m for m in mails_to(settings.data_dir, other.email) if "삭제" in m["Subject"]]
    assert "2개" in told["Subject"]


@pytest.mark.parametrize(
    ("changes", "limits", "retention"),
    [
        ({"environment": "test"}, False, False),
        ({"environment": "development"}, True, False),
        ({"environment": "production"}, True, False),  # nobody could be told
        ({"environment": "production", "smtp_url": "smtp://mail.example"}, True, True),
        ({"environment": "test", "session_limits": True, "session_retention": True}, True, True),
    ],
)
def test_where_limits_hold_unless_said(
    settings: Settings, changes: dict[str, Any], limits: bool, retention: bool
) -> None:
    found = with_changes(settings, rate_limits=True, extension_ids=("abc",), **changes)
    assert (found.session_limits_enabled, found.retention_enabled) == (limits, retention)
