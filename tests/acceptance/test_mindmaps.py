"""Map generation over HTTP, with the job worker and the generation steps in this process."""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.settings import Settings
from models.jobs import enqueue_map
from models.mindmap.document import MindmapDocument
from tests.support.client import ApiUser, visit
from tests.support.conditions import PATIENCE_S
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
SAMPLE = Path(__file__).parents[2] / "launch" / "samples" / "01-money-and-stars.events.json"
PALETTE = ["#3B82F6", "#10B981", "#F59E0B", "#EF4444", "#8B5CF6", "#EC4899", "#14B8A6", "#F97316"]


async def record(person: ApiUser, sample: Path = SAMPLE) -> str:
    session = await person.start()
    await person.send(session, json.loads(sample.read_text()))
    return session


async def test_only_a_processing_session_is_completed(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    done, recording = await record(ann), await ann.start()
    await ann.ok("POST", f"/v1/sessions/{done}/stop")
    await worker.run()
    before = {s["id"]: s for s in (await ann.ok("GET", "/v1/sessions"))["sessions"]}
    assert [before[s]["session_status"] for s in (done, recording)] == ["completed", "recording"]
    for session in (done, recording):
        await enqueue_map(db, session)
    await worker.run()
    after = {s["id"]: s for s in (await ann.ok("GET", "/v1/sessions"))["sessions"]}
    assert {i: s | {"updated_at": ""} for i, s in after.items()} == {
        i: s | {"updated_at": ""} for i, s in before.items()
    }
    assert (await ann.ok("GET", f"/v1/sessions/{done}/mindmap"))["mindmap"]["version"] == 1
    cursor = await db.execute(
        "SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'session_id' = ANY(%s) AND status <> 'succeeded'"
        " AND queue_name = 'maps'",
        [[done, recording]],
    )
    assert await cursor.fetchone() == (0,)


async def test_no_map_before_the_first_request(ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start()
    for person, target in ((ann, session), (bob, session), (ann, str(uuid.uuid4())), (ann, "x")):
        assert (await person.call("GET", f"/v1/sessions/{target}/mindmap")).status_code == 404


@pytest.mark.parametrize("url", ["http://192.168.0.1/", None])
async def test_a_map_says_that_private_pages_were_not_recorded(
    ann: ApiUser, worker: InProcessWorker, url: str | None
) -> None:
    session = await record(ann)
    if url is not None:
        await ann.send(session, [visit(url)])
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    data = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["data"]
    codes = [note["code"] for note in data.get("note_details", [])]
    assert ("private_pages_excluded" in codes) == (url is not None)
    assert any("private networks" in note for note in data["notes"]) == (url is not None)


async def test_a_map_says_which_pages_are_errors_or_have_no_text(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await record(ann)
    unread = visit("https://example.com/scan.pdf", title="scan.pdf", metadata={"text_missing": "pdf_unreadable"})
    error = visit("https://example.com/gone", title="Gone", metadata={"http_status": 404})
    await ann.send(session, [unread, error])
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    data = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["data"]
    values = {note["code"]: note["values"] for note in data["note_details"]}
    assert values["texts_unreadable"] == {"count": "1"}
    assert values["error_pages"] == {"count": "1"}


async def test_stop_leads_to_a_valid_map(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await record(ann)
    stopped = (await ann.ok("POST", f"/v1/sessions/{session}/stop"))["session"]
    assert stopped["session_status"] == "processing"
    waiting = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
    assert (waiting["status"], waiting["stage"], waiting["session_id"]) == ("generating", "queued", session)
    assert "data" not in waiting

    await worker.run()

    mindmap = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
    assert (mindmap["status"], mindmap["version"], mindmap["provider"]) == ("completed", 1, "local")
    data = mindmap["data"]
    nodes, edges = data["nodes"], data["edges"]
    core = nodes[0]
    assert (core["id"], core["type"], core["size"], core["color"]) == ("core", "core", 100, "#FFD700")
    assert core["position"] == {"x": 0, "y": 0, "z": 0}
    assert [n["type"] for n in nodes].count("core") == 1
    topics = [n for n in nodes if n["type"] == "topic"]
    assert len(topics) >= 2
    for i, topic in enumerate(topics):
        assert math.dist(topic["position"].values(), (0, 0, 0)) == pytest.approx(200, abs=1)
        assert topic["color"] == PALETTE[i % 8]
        assert topic["size"] <= 80
    ids = [n["id"] for n in nodes]
    assert len(ids) == len(set(ids))
    assert all(e["source"] in ids and e["target"] in ids for e in edges)
    pages = {n["data"]["page_id"] for n in nodes if n["type"] == "page"}
    left_out = {p["page_id"] for p in data["left_out"]}
    visits = (await ann.ok("GET", f"/v1/sessions/{session}/timeline"))["visits"]
    assert pages | left_out == {v["page_id"] for v in visits}
    assert not pages & left_out
    done = (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]
    assert done["session_status"] == "completed"
    assert done["title"]
    assert done["keywords"] == [t["label"] for t in topics][:8]

    path = f"/v1/sessions/{session}/mindmap"
    packed, plain = [await ann.call("GET", path, headers={"Accept-Encoding": e}) for e in ("gzip", "identity")]
    assert (packed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3


@pytest.mark.parametrize("body", [{}, {"force": True}, None])
async def test_generate_returns_202_without_waiting(ann: ApiUser, body: dict[str, Any] | None) -> None:
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    answer = await ann.call("POST", f"/v1/sessions/{session}/mindmap/generate", json=body)
    assert answer.status_code == 202
    mindmap = answer.json()["mindmap"]
    assert mindmap["status"] in {"pending", "generating"}
    assert mindmap["session_id"] == session
    assert "data" not in mindmap


async def test_only_the_owner_can_generate(ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start()
    assert (await bob.call("POST", f"/v1/sessions/{session}/mindmap/generate", json={})).status_code == 404


async def test_unchanged_input_is_generated_again_only_when_forced(
    ann: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    first = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
    for force, version in ((False, 1), (True, 2)):
        await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": force})
        await worker.run()
        again = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
        assert (again["status"], again["version"]) == ("completed", version)
        labels = [[n["label"] for n in m["data"]["nodes"]] for m in (first, again)]
        assert labels[0] == labels[1]
    cursor = await db.execute(
        "SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id WHERE m.session_id = %s",
        [session],
    )
    assert await cursor.fetchone() == (2,)


async def test_a_session_without_pages_has_only_a_core_node(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await ann.start()
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    data = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["data"]
    assert (len(data["nodes"]), data["edges"]) == (1, [])


async def test_the_users_title_is_not_overwritten(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await record(ann)
    await ann.ok("PATCH", f"/v1/sessions/{session}", json={"title": "My own words"})
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    assert (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["title"] == "My own words"


async def test_a_failed_map_has_a_reason_and_can_be_requested_again(
    ann: ApiUser, worker: InProcessWorker, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")

    async def broken(*_: object) -> None:
        raise RuntimeError("no such luck")

    with monkeypatch.context() as broken_pipeline:
        broken_pipeline.setattr(worker.generator.tasks, "build_outline", broken)
        for _ in range(5):
            await db.execute(
                "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE args ->> 'session_id' = %s", [session]
            )
            await worker.run()
    mindmap = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
    assert mindmap["status"] == "failed"
    assert "try again" in mindmap["error_message"]
    assert "luck" not in mindmap["error_message"]
    assert mindmap["error_code"] == "MAP_FAILED"
    assert "MAP_FAILED" not in mindmap["error_message"]
    found = (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]
    assert found["session_status"] == "failed"
    await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={})
    await worker.run()
    assert (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["status"] == "completed"
    assert (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["session_status"] == "completed"


async def test_the_stream_reports_every_stage(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    asking = asyncio.create_task(ann.call("GET", f"/v1/sessions/{session}/stream"))
    await asyncio.sleep(0)
    while not (await worker.valkey.pubsub_numsub(f"trailmind:session:{session}"))[0][1]:
        await asyncio.sleep(0.01)
    await worker.run()
    async with asyncio.timeout(PATIENCE_S):
        answer = await asking
    assert answer.headers["content-type"].startswith("text/event-stream")
    frames = [f.splitlines() for f in answer.text.split("\n\n") if f.startswith("event:")]
    updates = [(f[0].removeprefix("event: "), json.loads(f[1].removeprefix("data: "))) for f in frames]
    assert updates[0][0] == "snapshot"
    assert updates[0][1]["session_status"] == "processing"
    stages = [data.get("stage") for event, data in updates if event == "mindmap"]
    assert [s for i, s in enumerate(stages) if i == 0 or s != stages[i - 1]] == [
        "reading",
        "grouping",
        "naming",
        "drawing",
        "saving",
        None,
    ]
    naming = next(data for event, data in updates if event == "mindmap" and data.get("stage") == "naming")
    assert naming["topics"]
    assert updates[-1][1]["status"] == "completed"
    percents = [data["percent"] for event, data in updates if event == "mindmap"]
    assert percents == sorted(percents)


async def test_a_map_is_made_while_its_progress_is_recorded(
    ann: ApiUser, worker: InProcessWorker, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock holds the stages back from the time when the pages are read until the map is drawn."""
    await worker.run()  # what other tests left in the queue
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    tasks = worker.generator.tasks
    run_step = tasks.run_step
    steps: list[Callable[..., Any]] = []

    async def run_and_lock(step: Callable[..., Any], *arguments: Any) -> Any:
        result = await run_step(step, *arguments)
        if not steps:
            await db.execute("BEGIN")
            await db.execute("SELECT FROM mindmaps WHERE session_id = %s FOR UPDATE", [session])
        steps.append(step)
        if isinstance(result, MindmapDocument):
            await db.execute("COMMIT")
        return result

    monkeypatch.setattr(tasks, "run_step", run_and_lock)
    async with asyncio.timeout(PATIENCE_S):
        await worker.run()
    assert len(steps) == 3, "pages, outline, drawing"
    assert (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["status"] == "completed"


async def test_images_and_image_links(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, api: httpx2.AsyncClient
) -> None:
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    assert (await ann.call("GET", f"/v1/sessions/{session}/mindmap/image")).status_code == 404
    await worker.run()
    for layout in ("galaxy", "tree", "radial"):
        picture = await ann.call("GET", f"/v1/sessions/{session}/mindmap/image?layout={layout}")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.text.startswith("<svg")
    assert (await bob.call("GET", f"/v1/sessions/{session}/mindmap/image")).status_code == 404
    assert (await bob.call("POST", f"/v1/sessions/{session}/mindmap/picture")).status_code == 404
    link = await ann.ok("POST", f"/v1/sessions/{session}/mindmap/picture")
    path = "/pictures/" + link["url"].rpartition("/")[2]
    assert (await api.get(path)).text.startswith("<svg")
    assert (await api.get(path[:-3] + "abc")).status_code == 404
    await ann.call("DELETE", f"/v1/sessions/{session}")
    assert (await api.get(path)).status_code == 404


async def test_abandoned_recordings_are_closed(
    ann: ApiUser, settings: Settings, worker: InProcessWorker, db: Db
) -> None:
    from cluster.jobs.maintenance import close_abandoned_sessions

    empty, paused, with_events, busy, fresh = [await ann.start() for _ in range(5)]
    await ann.ok("PATCH", f"/v1/sessions/{paused}/pause")
    for session in (with_events, busy):
        await ann.send(session, [visit("https://example.com/a", content="Bears eat berries. " * 20)])
    for session in (empty, paused, with_events, busy):
        await db.execute(
            "UPDATE browsing_sessions SET updated_at = now() - interval '25 hours' WHERE id = %s", [session]
        )
    await db.execute("UPDATE events SET received_at = now() - interval '25 hours' WHERE session_id = %s", [with_events])
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        await close_abandoned_sessions(pool, 24 * 3600)
    status = {s["id"]: s["session_status"] for s in (await ann.ok("GET", "/v1/sessions"))["sessions"]}
    assert status == {
        empty: "failed",
        paused: "failed",
        with_events: "processing",  # what was recorded is worth a map
        busy: "recording",  # events still flow, however old the row is
        fresh: "recording",
    }
    await worker.run()
    assert (await ann.ok("GET", f"/v1/sessions/{with_events}"))["session"]["session_status"] == "completed"


async def test_purging_a_deleted_session_deletes_all_its_rows(ann: ApiUser, settings: Settings, db: Db) -> None:
    from cluster.jobs.maintenance import purge_session

    kept, gone = await ann.start(), await ann.start()
    for session, texts in ((kept, ["shared"]), (gone, ["shared", "its own"])):
        await ann.send(session, [visit(f"https://e.com/{t}", content=f"{t} text " * 30) for t in texts])
    await ann.call("DELETE", f"/v1/sessions/{gone}")
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        assert await purge_session(pool, uuid.UUID(kept)) == {}, "only what was deleted is purged"
        purged = await purge_session(pool, uuid.UUID(gone))
        assert {"page_contents": 1, "events": 2, "browsing_sessions": 1}.items() <= purged.items()
    for table in ("events", "visits", "highlights", "session_transitions", "event_rejections"):
        cursor = await db.execute(f"SELECT count(*) FROM {table} WHERE session_id = %s", [gone])
        assert await cursor.fetchone() == (0,), table
    cursor = await db.execute("SELECT text FROM page_contents WHERE user_id = %s", [ann.id])
    assert [r[0][:6] for r in await cursor.fetchall()] == ["shared"]


async def test_a_recording_that_cannot_be_closed_delays_no_other(
    ann: ApiUser, bob: ApiUser, db: Db, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster.jobs import maintenance
    from models.lifecycle.close_session import close_session

    recordings = [await person.start() for person in (ann, bob)]
    for person, session in zip((ann, bob), recordings, strict=True):
        await person.send(session, [visit("https://example.com/a")])
    for table, column in (("browsing_sessions", "updated_at"), ("events", "received_at")):
        key = "id" if table == "browsing_sessions" else "session_id"
        await db.execute(f"UPDATE {table} SET {column} = now() - interval '2 days' WHERE {key} = ANY(%s)", [recordings])
    bad = uuid.UUID(recordings[0])

    async def close(pool: Any, session_id: uuid.UUID, *rest: Any, **options: Any) -> None:
        if session_id == bad:
            raise OverflowError("a fault in this recording")
        await close_session(pool, session_id, *rest, **options)

    monkeypatch.setattr(maintenance, "close_session", close)
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        await maintenance.close_abandoned_sessions(pool, 24 * 3600)
    statuses = [
        (await person.ok("GET", f"/v1/sessions/{session}"))["session"]["session_status"]
        for person, session in zip((ann, bob), recordings, strict=True)
    ]
    assert statuses == ["recording", "processing"]
