"""What a writer of events stores and refuses when it writes the batches of many callers together."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.settings import Settings
from models.errors import NotAcceptingEvents, NotFound
from models.recording.event_writer import EventWriter
from models.recording.ingest import IngestBatch, parse_batch
from tests.support.client import ApiUser, visit

Db = psycopg.AsyncConnection[Any]


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[EventWriter]:
    dsn = settings.database.postgres_dsn
    async with AsyncConnectionPool[Any](dsn, min_size=1, max_size=4, kwargs={"autocommit": True}, open=False) as pool:
        yield EventWriter(pool)


def events(first: int, count: int) -> list[dict[str, Any]]:
    """`count` visits, the ids of which depend on `first` alone."""
    return [
        visit(f"https://e.com/{i}", 1_760_000_000_000 + i) | {"event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(i)))}
        for i in range(first, first + count)
    ]


def batch_of(user: ApiUser, session: str, sent: Sequence[dict[str, Any]]) -> IngestBatch:
    return parse_batch(json.dumps({"events": sent}).encode(), user_id=uuid.UUID(user.id), session_id=uuid.UUID(session))


async def num_stored(db: Db, session: str) -> int:
    """How many events of a session are stored."""
    row = await (await db.execute("SELECT count(*) FROM events WHERE session_id = %s", [session])).fetchone()
    assert row is not None
    return int(row[0])


async def test_sessions_of_others_are_not_found_also_when_both_users_send_together(
    ann: ApiUser, bob: ApiUser, db: Db, writer: EventWriter
) -> None:
    of_ann, of_bob = await ann.start(), await bob.start()
    swapped = await writer.save([batch_of(bob, of_ann, events(0, 1)), batch_of(ann, of_bob, events(1, 1))])
    assert [type(outcome.error) for outcome in swapped] == [NotFound, NotFound]
    assert await num_stored(db, of_ann) == await num_stored(db, of_bob) == 0
    # The same session from two users: its own user's events are stored, in either order.
    for first, senders in enumerate(((ann, bob), (bob, ann))):
        sent = [batch_of(sender, of_ann, events(10 * first + i, 1)) for i, sender in enumerate(senders)]
        outcomes = await writer.save(sent)
        assert [outcome.error is None for outcome in outcomes] == [sender is ann for sender in senders]
    assert await num_stored(db, of_ann) == 2


async def test_closed_unknown_and_deleted_sessions_take_nothing(ann: ApiUser, db: Db, writer: EventWriter) -> None:
    is_open, closed, deleted = await ann.start(), await ann.start(), await ann.start()
    await writer.save([batch_of(ann, closed, events(0, 2))])
    await ann.ok("POST", f"/v1/sessions/{closed}/stop")
    await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [deleted])
    outcomes = await writer.save(
        [
            batch_of(ann, is_open, events(10, 1)),
            batch_of(ann, closed, events(20, 1)),
            batch_of(ann, deleted, events(30, 1)),
            batch_of(ann, str(uuid.uuid4()), events(40, 1)),
            batch_of(ann, closed, events(0, 2)),
        ]
    )
    assert [type(outcome.error) for outcome in outcomes[1:4]] == [NotAcceptingEvents, NotFound, NotFound]
    # Events that were stored before the session was closed are duplicates, not refused.
    assert (outcomes[4].error, outcomes[4].duplicates) == (None, frozenset({0, 1}))
    assert outcomes[0].error is None
    assert [await num_stored(db, session) for session in (is_open, closed, deleted)] == [1, 2, 0]


async def test_events_sent_twice_are_stored_once(ann: ApiUser, db: Db, writer: EventWriter) -> None:
    session = await ann.start()
    await writer.save([batch_of(ann, session, events(0, 3))])
    (again,) = await writer.save([batch_of(ann, session, events(1, 4))])
    assert again.duplicates == {0, 1}
    within = await writer.save([batch_of(ann, session, events(10, 1)), batch_of(ann, session, events(10, 2))])
    assert [outcome.duplicates for outcome in within] == [set(), {0}]
    assert await num_stored(db, session) == 7


async def test_a_session_that_is_closed_at_the_same_time_takes_nothing_after_it(
    ann: ApiUser, db: Db, writer: EventWriter
) -> None:
    """The writer waits for the transaction that closes the session, and then finds it closed."""
    session = await ann.start()
    async with db.transaction():
        await db.execute("UPDATE browsing_sessions SET status = 'processing' WHERE id = %s", [session])
        saving = asyncio.create_task(writer.save([batch_of(ann, session, events(0, 1))]))
        # Not pg_stat_activity: a transaction sees the rows of its first look at it until it ends.
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        while (await (await db.execute(waiting)).fetchone()) == (0,):
            await asyncio.sleep(0.01)
    (outcome,) = await saving
    assert isinstance(outcome.error, NotAcceptingEvents)
    assert await num_stored(db, session) == 0
