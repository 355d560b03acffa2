"""Status changes on a real database: the row, its history in `session_transitions`, and what is refused."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import close_abandoned_sessions
from models.errors import IllegalTransition, NotFound
from models.lifecycle import state
from models.lifecycle.close_session import close_session
from models.recording.browsing_sessions import has_open_recording
from tests.conftest import Stores

Db = psycopg.AsyncConnection[Any]


async def new_session(db: Db) -> uuid.UUID:
    user, session = uuid.uuid4(), uuid.uuid4()
    await db.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user, f"{user}@t.local"])
    await db.execute("INSERT INTO browsing_sessions (id, user_id) VALUES (%s, %s)", [session, user])
    await state.start_session(db, session)
    return session


async def history(db: Db, session: uuid.UUID) -> list[str]:
    cursor = await db.execute("SELECT status FROM session_transitions WHERE session_id = %s ORDER BY at", [session])
    return [row[0] for row in await cursor.fetchall()]


async def session_row(db: Db, session: uuid.UUID) -> tuple[str, str | None, bool]:
    cursor = await db.execute(
        "SELECT status, failure_reason, ended_at IS NOT NULL FROM browsing_sessions WHERE id = %s", [session]
    )
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1], row[2]


async def map_row(db: Db, session: uuid.UUID) -> tuple[str, str | None, int, str | None]:
    cursor = await db.execute(
        "SELECT status, stage, percent, error_message FROM mindmaps WHERE session_id = %s", [session]
    )
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1], row[2], row[3]


async def stopped_session(db: Db) -> uuid.UUID:
    session = await new_session(db)
    await state.stop_session(db, session)
    await state.begin_map(db, session)
    return session


async def test_pause_resume_and_stop_are_in_the_history(db: Db) -> None:
    session = await new_session(db)
    await state.pause_session(db, session)
    await state.resume_session(db, session)
    assert await session_row(db, session) == ("recording", None, False)
    await state.stop_session(db, session)
    assert await session_row(db, session) == ("processing", None, True)
    assert await history(db, session) == ["recording", "paused", "recording", "processing"]


async def test_an_expired_session_is_in_the_history(db: Db) -> None:
    session = await new_session(db)
    await state.expire_session(db, session)
    assert await session_row(db, session) == ("processing", None, True)
    assert await history(db, session) == ["recording", "processing"]


async def test_an_empty_abandoned_session_fails_and_is_in_the_history(db: Db, stores: Stores) -> None:
    session = await new_session(db)
    await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '2 days' WHERE id = %s", [session])

    async with AsyncConnectionPool(stores.libpq, open=False, kwargs={"autocommit": True}) as pool:
        assert await close_abandoned_sessions(pool, 86_400.0) >= 1
    assert await session_row(db, session) == ("failed", "nothing was recorded", True)
    assert await history(db, session) == ["recording", "failed"]


async def test_a_completed_map_completes_its_session_once(db: Db) -> None:
    session = await stopped_session(db)
    await state.advance_map(db, session, "drawing", 80)
    assert await map_row(db, session) == ("generating", "drawing", 80, None)
    await state.complete_map(db, session)
    await state.complete_map(db, session)
    assert await session_row(db, session) == ("completed", None, True)
    assert await map_row(db, session) == ("completed", None, 100, None)
    assert await history(db, session) == ["recording", "processing", "completed"]


async def test_failed_and_retried_are_in_the_history(db: Db) -> None:
    session = await stopped_session(db)
    await state.fail_map(db, session, "no tokens")
    assert await session_row(db, session) == ("failed", "no tokens", True)
    assert (await map_row(db, session))[::3] == ("failed", "no tokens")
    await state.retry_map(db, session)
    assert await session_row(db, session) == ("processing", None, True)
    assert await map_row(db, session) == ("generating", "queued", 0, None)
    await state.retry_map(db, session)
    await state.complete_map(db, session)
    assert await history(db, session) == ["recording", "processing", "failed", "processing", "completed"]


async def test_a_late_failure_does_not_hide_a_completed_map(db: Db) -> None:
    session = await stopped_session(db)
    await state.complete_map(db, session)
    with pytest.raises(IllegalTransition, match="map cannot be failed"):
        await state.fail_map(db, session, "too late")
    with pytest.raises(IllegalTransition):
        await state.advance_map(db, session, "drawing", 80)
    assert await map_row(db, session) == ("completed", None, 100, None)
    assert await session_row(db, session) == ("completed", None, True)


async def test_a_failed_regeneration_leaves_the_session_completed(db: Db) -> None:
    session = await stopped_session(db)
    await state.complete_map(db, session)
    await state.begin_map(db, session, stage="reading", percent=5)
    await state.fail_map(db, session, "broken")
    assert await session_row(db, session) == ("completed", None, True)
    assert (await map_row(db, session))[0] == "failed"
    assert await history(db, session) == ["recording", "processing", "completed"]


@pytest.mark.parametrize("change", [state.pause_session, state.resume_session, state.stop_session])
async def test_a_closed_session_refuses_to_change(db: Db, change: Callable[[Db, uuid.UUID], Awaitable[None]]) -> None:
    session = await stopped_session(db)
    with pytest.raises(IllegalTransition, match="from current state"):
        await change(db, session)
    with pytest.raises(NotFound):
        await change(db, uuid.uuid4())
    assert await history(db, session) == ["recording", "processing"]


async def test_a_deleted_session_cannot_be_stopped(db: Db) -> None:
    session = await new_session(db)
    await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [session])
    with pytest.raises(NotFound):
        await state.stop_session(db, session)
    assert await history(db, session) == ["recording"]


async def test_of_two_concurrent_stops_one_changes_the_session(db: Db, stores: Stores) -> None:

    session = await new_session(db)
    async with AsyncConnectionPool(stores.libpq, min_size=4, open=False, kwargs={"autocommit": True}) as pool:
        outcomes = await asyncio.gather(*(close_session(pool, session, None) for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IllegalTransition"] * 3 + ["NoneType"]
    assert await history(db, session) == ["recording", "processing"]
    assert await map_row(db, session) == ("generating", "queued", 0, None)


async def test_a_map_of_an_erased_session_is_not_found(db: Db) -> None:
    for change in (state.begin_map, state.complete_map):
        with pytest.raises(NotFound):
            await change(db, uuid.uuid4())


async def joint_map(db: Db, session: uuid.UUID) -> uuid.UUID:
    map_id = uuid.uuid4()
    await db.execute(
        "INSERT INTO joint_maps (id, user_id) SELECT %s, user_id FROM browsing_sessions WHERE id = %s",
        [map_id, session],
    )
    await db.execute("INSERT INTO joint_map_sessions (map_id, session_id) VALUES (%s, %s)", [map_id, session])
    return map_id


async def joint_row(db: Db, map_id: uuid.UUID) -> tuple[str, str | None, int, str | None]:
    cursor = await db.execute("SELECT status, stage, percent, error_message FROM joint_maps WHERE id = %s", [map_id])
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1], row[2], row[3]


async def test_a_joint_map_is_generated_fails_and_begins_again(db: Db) -> None:
    map_id = await joint_map(db, await stopped_session(db))
    assert (await joint_row(db, map_id))[0] == "pending"
    await state.begin_joint_map(db, map_id)
    await state.advance_joint_map(db, map_id, "grouping", 55)
    assert await joint_row(db, map_id) == ("generating", "grouping", 55, None)
    await state.fail_joint_map(db, map_id, "too many pages")
    assert await joint_row(db, map_id) == ("failed", None, 55, "too many pages")
    await state.begin_joint_map(db, map_id)
    await state.complete_joint_map(db, map_id)
    assert await joint_row(db, map_id) == ("completed", None, 100, None)
    with pytest.raises(IllegalTransition):
        await state.fail_joint_map(db, map_id, "late")
    with pytest.raises(NotFound):
        await state.begin_joint_map(db, uuid.uuid4())


async def test_an_invalidated_joint_map_cannot_be_completed_with_the_erased_pages(db: Db) -> None:
    session = await stopped_session(db)
    map_id = await joint_map(db, session)
    await state.begin_joint_map(db, map_id)
    assert await state.invalidate_joint_maps(db, session) == 1
    with pytest.raises(IllegalTransition):
        await state.complete_joint_map(db, map_id)
    assert (await joint_row(db, map_id))[0] == "failed"


async def test_an_open_recording_is_one_that_records_and_is_not_old(db: Db) -> None:
    """A worker keeps processes for maps while there is one."""
    age = timedelta(hours=4)
    async with db.transaction(force_rollback=True):
        await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '5 hours'")
        assert not await has_open_recording(db, age)
        session = await new_session(db)
        assert await has_open_recording(db, age)
        await state.pause_session(db, session)
        assert not await has_open_recording(db, age)
        await state.resume_session(db, session)
        assert await has_open_recording(db, age)
        await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [session])
        assert not await has_open_recording(db, age)
