"""How much a user may store: counted, shown, refused with a sentence, raised by an operator, freed by deletion."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import purge_session
from cluster.settings import Settings
from models.billing.storage import add_stored_bytes, load_storage
from models.database import Connection
from models.recording import event_writer
from models.recording.ingest import parse_batch
from tests.support.client import ApiUser, sign_up, visit

Db = psycopg.AsyncConnection[Any]

# What is stored, by PostgreSQL's own measure and without the code under test.
STORED = """
    SELECT (SELECT coalesce(sum(octet_length(payload) + 150), 0) FROM events e
            JOIN browsing_sessions s ON s.id = e.session_id WHERE s.user_id = %(user)s)
        + (SELECT coalesce(sum(octet_length(text) + 150), 0) FROM page_contents WHERE user_id = %(user)s)
        + (SELECT count(*) * 150 FROM event_rejections r
           JOIN browsing_sessions s ON s.id = r.session_id WHERE s.user_id = %(user)s)
"""


@pytest.fixture
async def operator(api: httpx2.AsyncClient, db: Db) -> ApiUser:
    person = await sign_up(api)
    await db.execute("UPDATE users SET role = 'admin', email_verified_at = now() WHERE id = %s", [person.id])
    answer = await api.post("/v1/auth/login", json={"email": person.email, "password": "correct horse battery"})
    return ApiUser(api, answer.json())


async def stored_bytes(db: Db, person: ApiUser) -> int:
    row = await (await db.execute(STORED, {"user": person.id})).fetchone()
    assert row is not None
    return int(row[0])


async def set_limit(operator: ApiUser, person: ApiUser, limit: int | None) -> dict[str, Any]:
    body = {"storage_limit_bytes": limit}
    user: dict[str, Any] = (await operator.ok("PATCH", f"/v1/admin/users/{person.id}", json=body))["user"]
    return user


async def usage(person: ApiUser) -> dict[str, Any]:
    shown: dict[str, Any] = (await person.ok("GET", "/v1/usage"))["usage"]
    return shown


async def test_stored_bytes_are_counted_and_shown(ann: ApiUser, db: Db) -> None:
    assert (await usage(ann))["storage_bytes"] == 0
    session = await ann.start()
    events = [
        visit(f"https://e.com/{i}", 1_760_000_000_000 + i, content=f"곰 {i} eats honey. " * 400) for i in range(30)
    ]
    events.append({"type": "scroll", "timestamp": "never"})
    await ann.send(session, events)
    await ann.send(session, events)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    shown = await usage(ann)
    assert shown["storage_bytes"] == await stored_bytes(db, ann) > 30 * 400 * 10, "repeats count once"
    assert shown["storage_limit_bytes"] == 1024**3
    plans = (await ann.ok("GET", "/v1/subscription/plans"))["plans"]
    assert [plan.get("storage_limit_bytes") for plan in plans] == [1024**3, 20 * 1024**3, None]


async def test_a_full_account_is_refused_with_a_sentence_until_there_is_room(
    ann: ApiUser, bob: ApiUser, operator: ApiUser, db: Db, settings: Settings
) -> None:
    old, session = await ann.start(), await bob.start()
    body = {"events": [visit("https://e.com/a", content="bears " * 10_000)]}
    await ann.ok("POST", f"/v1/sessions/{old}/events", json=body)
    await ann.ok("POST", f"/v1/sessions/{old}/stop")
    assert (await set_limit(operator, ann, 100_000))["storage_limit_bytes"] == 100_000
    session_of_ann = await ann.start()
    more = {"events": [visit("https://e.com/b", content="honey " * 10_000)]}
    refused = await ann.call("POST", f"/v1/sessions/{session_of_ann}/events", json=more)
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "STORAGE_LIMIT")
    assert "97.7 KB" in refused.json()["error"]["message"]
    assert (await bob.send(session, more["events"]))["stored"] == 1, "other users are not affected"

    assert (await set_limit(operator, ann, 1_000_000))["storage_limit_bytes"] == 1_000_000
    assert (await ann.send(session_of_ann, more["events"]))["stored"] == 1, "the operator's limit holds at once"
    await set_limit(operator, ann, 100_000)
    assert (await ann.call("POST", f"/v1/sessions/{session_of_ann}/events", json=body)).status_code == 402

    await ann.ok("DELETE", f"/v1/sessions/{old}")
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        await purge_session(pool, uuid.UUID(old))
    small = [visit("https://e.com/c", content="fish " * 1_000)]
    assert (await ann.send(session_of_ann, small))["stored"] == 1, "a purge makes room"
    await ann.ok("POST", f"/v1/sessions/{session_of_ann}/stop")
    assert (await usage(ann))["storage_bytes"] == await stored_bytes(db, ann)
    assert (await set_limit(operator, ann, None))["storage_limit_bytes"] == 1024**3


async def test_parallel_requests_do_not_pass_the_limit_together(ann: ApiUser, operator: ApiUser, db: Db) -> None:
    session = await ann.start()
    await set_limit(operator, ann, 300_000)
    bodies = [
        {"events": [visit(f"https://e.com/{i}", 1_760_000_000_000 + i, content=f"{i} bears " * 5_000)]}
        for i in range(20)
    ]
    answers = await asyncio.gather(*(ann.call("POST", f"/v1/sessions/{session}/events", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200, 402}
    assert await stored_bytes(db, ann) <= 300_000


async def test_bytes_count_while_they_are_recorded(
    ann: ApiUser, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the transaction that records them commits, no other connection sees them."""
    user_id, session_id = uuid.UUID(ann.id), uuid.UUID(await ann.start())
    seen: list[int] = []

    async def look_and_add(connection: Connection, by_user: Mapping[uuid.UUID, int]) -> None:
        seen.append(writer.unrecorded_bytes(user_id))
        await add_stored_bytes(connection, by_user)

    monkeypatch.setattr(event_writer, "add_stored_bytes", look_and_add)
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, max_size=2, kwargs={"autocommit": True}, open=False
    ) as pool:
        writer = event_writer.EventWriter(pool)
        stored = []
        for i in range(3):
            events = [visit(f"https://e.com/{i}", content=f"{i} bears " * 5_000)]
            batch = parse_batch(json.dumps({"events": events}).encode(), user_id=user_id, session_id=session_id)
            stored.append((await writer.save([batch]))[0].stored_bytes)
        # The second batch passes RECORD_BYTES together with the first one, which has been stored before.
        assert seen == [stored[0]]
        assert writer.unrecorded_bytes(user_id) == stored[2]
        await writer.record_stored_bytes()
        assert seen[1:] == [stored[2]]
        assert writer.unrecorded_bytes(user_id) == 0
        async with pool.connection() as connection:
            assert (await load_storage(connection, user_id, "free")).num_bytes == sum(stored)


async def test_rejected_events_count_too(ann: ApiUser, operator: ApiUser, db: Db) -> None:
    """Each leaves a row: a flood of invalid events is no way around the limit."""
    session = await ann.start()
    await set_limit(operator, ann, 600_000)
    statuses = []
    for round_ in range(6):
        answer = await ann.call(
            "POST", f"/v1/sessions/{session}/events", json={"events": [round_ * 1_000 + i for i in range(1_000)]}
        )
        statuses.append(answer.status_code)
    assert statuses[0] == 200
    assert statuses[-1] == 402
    assert await stored_bytes(db, ann) <= 600_000
