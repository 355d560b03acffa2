"""Raw events are deleted after their retention; what was derived from them stays, and can still be forgotten."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

import psycopg

from cluster.jobs.maintenance import delete_old_raw_events, purge_session
from cluster.settings import Settings, with_changes
from models.accounts.legal_holds import end_hold, place_hold
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import running_api
from tests.support.worker import InProcessWorker, job_worker

Db = psycopg.AsyncConnection[Any]
TEXT = "Sourdough rises with wild yeast and lactic bacteria. A baker feeds the starter with flour and water. " * 8


async def recorded(person: ApiUser, worker: InProcessWorker, marker: str) -> str:
    """A finished session of four pages, one of them on another site with `marker` everywhere, and its map."""
    session, t = await person.start(), int(time.time() * 1000) - 3_600_000
    secret = f"https://clinic.example/{marker}"
    events: list[dict[str, Any]] = [
        {**visit(f"https://bread.example/{i}", t + i * 60_000, content=TEXT + str(i)), "title": f"Sourdough bread {i}"}
        for i in range(3)
    ]
    events += [
        {"type": "scroll", "timestamp": t + 5_000, "url": "https://bread.example/0", "depth": 0.7},
        {"type": "page_leave", "timestamp": t + 50_000, "url": "https://bread.example/0", "duration_ms": 45_000},
        {"type": "click", "timestamp": t + 6_000, "url": "https://bread.example/0"},
        {**visit(secret, t + 300_000, content=f"Appointment {marker}. " * 30), "title": f"Appointment {marker}"},
        {"type": "highlight", "timestamp": t + 310_000, "url": secret, "text": f"Appointment {marker}"},
        {**visit("https://bread.example/9", t + 360_000, content=TEXT + "9"), "metadata": {"referrer": secret}},
    ]
    await person.send(session, events)
    await person.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    return session


async def seen(person: ApiUser, session: str) -> dict[str, Any]:
    """What the person sees of a session: timeline, receipt, the text of every page, the export."""
    timeline = await person.ok("GET", f"/v1/sessions/{session}/timeline")
    pages = {visit["page_id"] for visit in timeline["visits"]}
    export = await person.call("GET", f"/v1/sessions/{session}/export?format=csv")
    assert export.status_code == 200, export.text
    return {
        "timeline": timeline,
        "receipt": await person.ok("GET", f"/v1/sessions/{session}/receipt"),
        "pages": {page: await person.ok("GET", f"/v1/sessions/{session}/pages/{page}") for page in pages},
        "export": export.text,
        "session": (await person.ok("GET", f"/v1/sessions/{session}"))["session"],
    }


async def age(db: Db, session: str, days: int) -> None:
    """Let everything of the session have happened so many days earlier."""
    for statement in (
        "UPDATE events SET occurred_at = occurred_at - %(d)s, received_at = received_at - %(d)s"
        " WHERE session_id = %(id)s",
        "UPDATE browsing_sessions SET started_at = started_at - %(d)s, ended_at = ended_at - %(d)s WHERE id = %(id)s",
        "UPDATE session_transitions SET at = at - %(d)s WHERE session_id = %(id)s",
    ):
        await db.execute(statement, {"d": timedelta(days=days), "id": session})


async def number_of(db: Db, table: str, session: str) -> int:
    row = await (await db.execute(f"SELECT count(*) FROM {table} WHERE session_id = %s", [session])).fetchone()
    assert row is not None
    return int(row[0])


async def test_old_events_are_deleted_and_what_was_derived_from_them_stays(settings: Settings, db: Db) -> None:
    settings = with_changes(settings, default_plan="enterprise")
    async with running_api(settings) as (_, client), job_worker(settings) as worker:
        ann, held = await sign_up(client), await sign_up(client)
        marker = f"zq{uuid.uuid4().hex[:12]}"
        old, fresh = await recorded(ann, worker, marker), await recorded(ann, worker, "fresh")
        kept = await recorded(held, worker, "held")
        await place_hold(db, uuid.UUID(held.id), "court order 7")
        await age(db, old, 91)
        await age(db, kept, 91)
        await age(db, fresh, 89)
        before, num_fresh = await seen(ann, old), await number_of(db, "events", fresh)

        assert await delete_old_raw_events(worker.pool, timedelta(days=90)) >= 1
        assert await number_of(db, "events", old) == 0
        assert await number_of(db, "events", fresh) == num_fresh > 0
        assert await number_of(db, "events", kept) > 0
        after = await seen(ann, old)
        for name in before:
            assert after[name] == before[name], name
        assert before["timeline"]["visits"][0]["duration_ms"] == 45_000
        # A repeat finds nothing of it, and the hold ends some day.
        await end_hold(db, uuid.UUID(held.id))
        await age(db, fresh, 2)
        # More sessions than are looked for at a time.
        assert await delete_old_raw_events(worker.pool, timedelta(days=90), batch=1) >= 2
        assert await number_of(db, "events", kept) == await number_of(db, "events", fresh) == 0
        assert await seen(ann, old) == before

        # A new map can be made of it.
        await ann.ok("POST", f"/v1/sessions/{old}/mindmap/generate", json={"force": True})
        await worker.run()
        made = await ann.ok("GET", f"/v1/sessions/{old}/mindmap")
        assert (made["mindmap"]["status"], made["mindmap"]["version"]) == ("completed", 2)

        # The other session is deleted: the texts that this one needs stay.
        await ann.call("DELETE", f"/v1/sessions/{fresh}")
        await purge_session(worker.pool, uuid.UUID(fresh))
        assert (await seen(ann, old))["pages"] == before["pages"]


async def rows_with(db: Db, marker: str) -> set[str]:
    """The tables in which the marker is."""
    cursor = await db.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    found = set()
    for (table,) in await cursor.fetchall():
        rows = await db.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{marker}%"])
        if (await rows.fetchone() or (0,))[0]:
            found.add(table)
    return found


async def test_parts_of_a_session_without_events_are_forgotten_and_all_of_it_is_deleted(
    settings: Settings, db: Db
) -> None:
    async with running_api(settings) as (_, client), job_worker(settings) as worker:
        ann = await sign_up(client)
        marker = f"zq{uuid.uuid4().hex[:12]}"
        session = await recorded(ann, worker, marker)
        await age(db, session, 91)
        await delete_old_raw_events(worker.pool, timedelta(days=90))
        assert {"timeline_snapshots", "visits", "page_contents"} <= await rows_with(db, marker)

        receipt = await ann.ok("POST", "/v1/forget", json={"domain": "clinic.example"})
        await worker.run()
        assert receipt["receipt"]["counts"]["visits"] == 1
        assert await rows_with(db, marker) == set()
        rest = await ann.ok("GET", f"/v1/sessions/{session}/timeline")
        assert [each["url"] for each in rest["visits"]] == [f"https://bread.example/{i}" for i in (0, 1, 2, 9)]
        assert rest["highlights"] == []

        await ann.call("DELETE", f"/v1/sessions/{session}")
        await purge_session(worker.pool, uuid.UUID(session))
        for table in ("page_contents", "browsing_sessions", "storage_usage"):
            row = await (await db.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", [ann.id])).fetchone()
            assert row == ((1,) if table == "storage_usage" else (0,)), table
        stored = await (await db.execute("SELECT num_bytes FROM storage_usage WHERE user_id = %s", [ann.id])).fetchone()
        assert stored == (0,)
