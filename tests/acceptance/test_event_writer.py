"""Few events are written by one statement: it stores and refuses exactly what the general transaction does."""

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
from models.recording import event_writer
from models.recording.event_writer import BatchOutcome, EventWriter
from models.recording.ingest import IngestBatch, parse_batch
from tests.support.client import ApiUser, visit

Db = psycopg.AsyncConnection[Any]

WRITERS = pytest.mark.parametrize("max_plain_rows", [event_writer.MAX_PLAIN_ROWS, -1], ids=["plain", "general"])


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[EventWriter]:
    dsn = settings.database.postgres_dsn
    async with AsyncConnectionPool[Any](dsn, min_size=1, max_size=4, kwargs={"autocommit": True}, open=False) as pool:
        yield EventWriter(pool)


@pytest.fixture(autouse=True)
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the batches were written: the statements of a test, shortened."""
    seen = list[str]()
    general = EventWriter._write_and_count

    async def count(self: EventWriter, *arguments: Any, **options: Any) -> list[BatchOutcome]:
        seen.append("skip duplicates" if options["skip_duplicates"] else "general")
        return await general(self, *arguments, **options)

    monkeypatch.setattr(EventWriter, "_write_and_count", count)
    return seen


def events(first: int, count: int) -> list[dict[str, Any]]:
    """`count` visits, the ids of which depend on `first` alone."""
    return [
        visit(f"https://e.com/{i}", 1_760_000_000_000 + i) | {"event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(i)))}
        for i in range(first, first + count)
    ]


def batch_of(user: ApiUser, session: str, sent: Sequence[dict[str, Any]]) -> IngestBatch:
    return parse_batch(json.dumps({"events": sent}).encode(), user_id=uuid.UUID(user.id), session_id=uuid.UUID(session))


async def keys_in(db: Db, session: str) -> list[tuple[Any, ...]]:
    """What is stored of a session's events."""
    cursor = await db.execute(
        "SELECT event_key, seq, type, occurred_at, content_key, payload FROM events WHERE session_id = %s"
        " ORDER BY event_key",
        [session],
    )
    return await cursor.fetchall()


async def test_both_ways_store_the_same(
    ann: ApiUser, db: Db, writer: EventWriter, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    stored = list[tuple[list[int], list[tuple[Any, ...]], list[tuple[Any, ...]]]]()
    for max_rows in (event_writer.MAX_PLAIN_ROWS, -1):
        monkeypatch.setattr(event_writer, "MAX_PLAIN_ROWS", max_rows)
        session, other = await ann.start(), await ann.start()
        sent = [*events(0, 3), {"event_id": str(uuid.UUID(int=9)), "type": "scroll", "timestamp": 1_760_000_000_001}]
        outcomes = await writer.save([batch_of(ann, session, sent), batch_of(ann, other, events(3, 2))])
        assert all(outcome.error is None and not outcome.duplicates for outcome in outcomes)
        num_bytes = [outcome.stored_bytes for outcome in outcomes]
        stored.append((num_bytes, await keys_in(db, session), await keys_in(db, other)))
        await ann.ok("POST", f"/v1/sessions/{session}/stop")
        await ann.ok("POST", f"/v1/sessions/{other}/stop")
    assert stored[0] == stored[1]
    assert (len(stored[0][1]), len(stored[0][2])) == (4, 2)
    assert statements == ["general"]


@WRITERS
async def test_sessions_of_others_are_not_found_also_when_both_users_send_together(
    ann: ApiUser, bob: ApiUser, db: Db, writer: EventWriter, monkeypatch: pytest.MonkeyPatch, max_plain_rows: int
) -> None:
    monkeypatch.setattr(event_writer, "MAX_PLAIN_ROWS", max_plain_rows)
    of_ann, of_bob = await ann.start(), await bob.start()
    swapped = await writer.save([batch_of(bob, of_ann, events(0, 1)), batch_of(ann, of_bob, events(1, 1))])
    assert [type(outcome.error) for outcome in swapped] == [NotFound, NotFound]
    assert await keys_in(db, of_ann) == await keys_in(db, of_bob) == []
    # The same session from two users: its own user's events are stored, in either order.
    for first, senders in enumerate(((ann, bob), (bob, ann))):
        sent = [batch_of(sender, of_ann, events(10 * first + i, 1)) for i, sender in enumerate(senders)]
        outcomes = await writer.save(sent)
        assert [outcome.error is None for outcome in outcomes] == [sender is ann for sender in senders]
    assert len(await keys_in(db, of_ann)) == 2


@WRITERS
async def test_closed_unknown_and_deleted_sessions_take_nothing(
    ann: ApiUser, db: Db, writer: EventWriter, monkeypatch: pytest.MonkeyPatch, max_plain_rows: int
) -> None:
    monkeypatch.setattr(event_writer, "MAX_PLAIN_ROWS", max_plain_rows)
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
    assert [len(await keys_in(db, session)) for session in (is_open, closed, deleted)] == [1, 2, 0]


@WRITERS
async def test_events_sent_twice_are_stored_once(
    ann: ApiUser, db: Db, writer: EventWriter, monkeypatch: pytest.MonkeyPatch, max_plain_rows: int
) -> None:
    monkeypatch.setattr(event_writer, "MAX_PLAIN_ROWS", max_plain_rows)
    session = await ann.start()
    await writer.save([batch_of(ann, session, events(0, 3))])
    (again,) = await writer.save([batch_of(ann, session, events(1, 4))])
    assert again.duplicates == {0, 1}
    within = await writer.save([batch_of(ann, session, events(10, 1)), batch_of(ann, session, events(10, 2))])
    assert [outcome.duplicates for outcome in within] == [set(), {0}]
    assert len(await keys_in(db, session)) == 7


async def test_a_session_that_is_closed_at_the_same_time_takes_nothing_after_it(
    ann: ApiUser, db: Db, writer: EventWriter, statements: list[str]
) -> None:
    """The statement waits for the transaction that closes the session, and then finds it closed."""
    session = await ann.start()
    async with db.transaction():
        await db.execute("UPDATE browsing_sessions SET status = 'processing' WHERE id = %s", [session])
        saving = asyncio.create_task(writer.save([batch_of(ann, session, events(0, 1))]))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH locked%'"
        while (await (await db.execute(waiting)).fetchone()) == (0,):
            await asyncio.sleep(0.01)
    (outcome,) = await saving
    assert isinstance(outcome.error, NotAcceptingEvents)
    assert await keys_in(db, session) == []
    assert statements == ["general"]


async def test_what_needs_more_than_its_events_is_written_in_general(
    ann: ApiUser, db: Db, writer: EventWriter, statements: list[str]
) -> None:
    session = await ann.start()
    text = [visit("https://e.com/text", content="bears fish in rivers")]
    invalid = [*events(0, 1), {"event_id": str(uuid.UUID(int=5)), "type": "scroll", "timestamp": "never"}]
    many = events(100, event_writer.MAX_PLAIN_ROWS + 1)
    for sent in (text, invalid, many):
        await writer.save([batch_of(ann, session, sent)])
    await writer.save([batch_of(ann, session, events(50, 1))], [{0: "yours: e.com"}])
    assert statements == ["general"] * 4
    await writer.save([batch_of(ann, session, events(60, event_writer.MAX_PLAIN_ROWS))])
    assert len(statements) == 4
    assert len(await keys_in(db, session)) == 1 + 1 + len(many) + event_writer.MAX_PLAIN_ROWS
