"""A generation that fails leaves the map there was: over HTTP, with the job worker in this process."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import resume_interrupted_maps
from cluster.settings import Settings
from models.errors import JobFailed
from tests.acceptance.test_map_collections import session_about
from tests.acceptance.test_map_edits import change, get, mapped, topics
from tests.acceptance.test_mindmaps import record
from tests.support.client import ApiUser
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
Fault = Callable[[pytest.MonkeyPatch, InProcessWorker, Db, str], Awaitable[None]]


async def run_all_attempts(worker: InProcessWorker, db: Db, session: str) -> None:
    for _ in range(5):
        await db.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE args ->> 'session_id' = %s", [session]
        )
        await worker.run()


async def error_in_a_step(patches: pytest.MonkeyPatch, worker: InProcessWorker, db: Db, session: str) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("no such luck")

    patches.setattr(worker.generator.tasks, "build_outline", broken)
    await run_all_attempts(worker, db, session)


async def time_is_up(patches: pytest.MonkeyPatch, worker: InProcessWorker, db: Db, session: str) -> None:
    async def slow(*_: object, **__: object) -> None:
        raise TimeoutError

    patches.setattr(worker.generator.tasks, "compose_document", slow)
    await run_all_attempts(worker, db, session)


async def invalid_document(patches: pytest.MonkeyPatch, worker: InProcessWorker, db: Db, session: str) -> None:
    def invalid(*_: object) -> None:
        raise JobFailed("the map did not pass its checks (x)")

    patches.setattr("cluster.maps.generation.validate_document", invalid)
    await run_all_attempts(worker, db, session)


async def workers_die(patches: pytest.MonkeyPatch, worker: InProcessWorker, db: Db, session: str) -> None:
    await db.execute("UPDATE procrastinate_jobs SET attempts = 20 WHERE args ->> 'session_id' = %s", [session])
    await worker.run()


async def cancelled(patches: pytest.MonkeyPatch, worker: InProcessWorker, db: Db, session: str) -> None:
    await db.execute("UPDATE procrastinate_jobs SET status = 'cancelled' WHERE args ->> 'session_id' = %s", [session])
    await db.execute("UPDATE mindmaps SET updated_at = now() - interval '3 minutes' WHERE session_id = %s", [session])
    await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '3 minutes' WHERE id = %s", [session])
    await resume_interrupted_maps(worker.pool, worker.generator.fail)


FAULTS = [error_in_a_step, time_is_up, invalid_document, workers_die, cancelled]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_failed_remake_leaves_the_map_shown(
    ann: ApiUser, worker: InProcessWorker, db: Db, api: httpx2.AsyncClient, fault: Fault
) -> None:
    session = await mapped(ann, worker)
    topic = topics(await get(ann, session))[0]["id"]
    await change(ann, session, {"op": "rename", "node_id": topic, "label": "Mine"})
    shared = await ann.ok("POST", f"/v1/sessions/{session}/shares")
    good = await get(ann, session)
    image, export = f"/v1/sessions/{session}/mindmap/image", f"/v1/sessions/{session}/export?format=png"
    served = (await ann.call("GET", image)).text

    ordered = (await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True}))["mindmap"]
    assert ordered["status"] == "generating"
    waiting = await get(ann, session)
    assert (waiting["status"], waiting["data"], waiting["edits"]) == ("generating", good["data"], good["edits"])
    # An edit while the new version is generated is kept too.
    await change(ann, session, {"op": "rename", "node_id": topic, "label": "Still mine"})
    good = await get(ann, session)
    async with worker.valkey.pubsub() as pubsub:
        await pubsub.subscribe(f"trailmind:session:{session}")
        await pubsub.get_message(timeout=5)
        with pytest.MonkeyPatch.context() as patches:
            await fault(patches, worker, db, session)
        events = []
        while message := await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2):
            events.append(json.loads(message["data"]))

    kept = await get(ann, session)
    assert (kept["status"], kept["percent"], kept["version"]) == ("completed", 100, 1)
    assert (kept["data"], kept["edits"]) == (good["data"], good["edits"])
    assert kept["version_created_at"] == good["version_created_at"]
    assert kept["error_code"] in {"MAP_FAILED", "MAP_INTERRUPTED"}
    assert kept["error_message"]
    assert "luck" not in kept["error_message"]
    assert events[-1]["event"] == "mindmap"
    assert (events[-1]["data"]["status"], events[-1]["data"]["error_code"]) == ("completed", kept["error_code"])
    assert (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["session_status"] == "completed"
    assert (await ann.call("GET", export)).headers["content-type"] == "image/png"
    assert "Still mine" in (await ann.call("GET", image)).text
    assert "Still mine" not in served
    public = await api.get("/v1/shared/" + shared["share"]["api_url"].rpartition("/")[2])
    assert "Still mine" in public.text

    # A second attempt succeeds, keeps the edits and clears the failure.
    await db.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'session_id' = %s", [session])
    await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True})
    await worker.run()
    made = await get(ann, session)
    assert (made["status"], made["version"], "error_code" in made) == ("completed", 2, False)
    assert next(n["label"] for n in made["data"]["nodes"] if n["id"] == topic) == "Still mine"


@pytest.mark.parametrize("fault", [error_in_a_step, workers_die, cancelled], ids=lambda fault: fault.__name__)
async def test_a_first_map_that_fails_has_nothing_to_show(
    ann: ApiUser, worker: InProcessWorker, db: Db, fault: Fault
) -> None:
    session = await record(ann)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    with pytest.MonkeyPatch.context() as patches:
        await fault(patches, worker, db, session)
    failed = await get(ann, session)
    assert (failed["status"], "data" in failed) == ("failed", False)
    assert failed["error_code"] in {"MAP_FAILED", "MAP_INTERRUPTED"}
    assert (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["session_status"] == "failed"


@pytest.mark.parametrize("status", ["failed", "completed"])
async def test_restoring_a_version_settles_a_failure(
    ann: ApiUser, worker: InProcessWorker, db: Db, status: str
) -> None:
    session = await mapped(ann, worker)
    await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True})
    await worker.run()
    # `failed` is how a worker of the previous version leaves the row; the version there is shown all the same.
    for number, version in ((1, 3), (3, 3)):
        await db.execute(
            "UPDATE mindmaps SET status = %s, error_message = 'MAP_FAILED: broken' WHERE session_id = %s",
            [status, session],
        )
        shown = await get(ann, session)
        assert (shown["status"], shown["error_code"], "data" in shown) == ("completed", "MAP_FAILED", True)
        restored = await ann.ok("POST", f"/v1/sessions/{session}/mindmap/versions/{number}/restore")
        assert (restored["mindmap"]["status"], restored["mindmap"]["version"]) == ("completed", version)
        assert "error_code" not in restored["mindmap"]


async def test_a_failed_remake_of_a_joint_map_leaves_the_map_shown(
    ann: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    path = "/v1/maps/" + (await ann.ok("POST", "/v1/maps", json={"session_ids": [session]}))["map"]["id"]
    await worker.run()
    good = (await ann.ok("GET", path))["map"]
    await ann.ok("PUT", f"/v1/sessions/{session}", json={"title": "Another"})
    assert (await ann.ok("POST", f"{path}/generate"))["map"]["data"] == good["data"]
    with pytest.MonkeyPatch.context() as patches:

        async def broken(*_: object) -> None:
            raise JobFailed("no")

        patches.setattr(worker.generator.tasks, "extract_features", broken)
        await db.execute("UPDATE joint_maps SET input_digest = 'other' WHERE id = %s", [good["id"]])
        await worker.run()
    kept = (await ann.ok("GET", path))["map"]
    assert (kept["status"], kept["error_code"], kept["data"]) == ("completed", "MAP_FAILED", good["data"])
    await ann.ok("POST", f"{path}/generate")
    await worker.run()
    assert "error_code" not in (await ann.ok("GET", path))["map"]


async def test_a_session_deleted_while_its_map_is_generated_can_be_restored(
    ann: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    # Deleted before the job runs, while it runs, and while a second version is generated.
    first, second, third = await record(ann), await record(ann), await mapped(ann, worker)
    await ann.ok("POST", f"/v1/sessions/{first}/stop")
    await ann.ok("DELETE", f"/v1/sessions/{first}")
    await worker.run()
    await ann.ok("POST", f"/v1/sessions/{second}/stop")
    build_outline = worker.generator.tasks.build_outline
    with pytest.MonkeyPatch.context() as patches:

        async def deleting(*arguments: Any) -> Any:
            await ann.ok("DELETE", f"/v1/sessions/{second}")
            return await build_outline(*arguments)

        patches.setattr(worker.generator.tasks, "build_outline", deleting)
        await worker.run()
    await ann.ok("POST", f"/v1/sessions/{third}/mindmap/generate", json={"force": True})
    await ann.ok("DELETE", f"/v1/sessions/{third}")
    await worker.run()
    for session in (first, second, third):
        restored = await ann.ok("POST", f"/v1/sessions/{session}/restore")
        assert restored["session"]["session_status"] in {"processing", "completed"}
    await worker.run()
    for session in (first, second, third):
        assert (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["session_status"] == "completed"
        assert (await get(ann, session))["status"] == "completed"


async def test_maps_without_a_job_are_generated_again(
    ann: ApiUser, worker: InProcessWorker, settings: Settings, db: Db
) -> None:
    lost, fresh = await record(ann), await record(ann)
    for session in (lost, fresh):
        await ann.ok("POST", f"/v1/sessions/{session}/stop")
        await db.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'session_id' = %s", [session])
    done = await session_about(ann, worker, "bread")
    joint = (await ann.ok("POST", "/v1/maps", json={"session_ids": [done]}))["map"]["id"]
    await db.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'map_id' = %s", [joint])
    for table, row_id in (("browsing_sessions", lost), ("mindmaps", lost), ("joint_maps", joint)):
        key = "session_id" if table == "mindmaps" else "id"
        await db.execute(f"UPDATE {table} SET updated_at = now() - interval '3 minutes' WHERE {key} = %s", [row_id])
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        await resume_interrupted_maps(pool, worker.generator.fail)
    await worker.run()
    assert (await get(ann, lost))["status"] == "completed"
    assert (await ann.ok("GET", f"/v1/maps/{joint}"))["map"]["status"] == "completed"
    # The job of a map whose status has just changed may not be visible yet.
    assert (await get(ann, fresh))["status"] == "generating"


async def test_a_recording_has_no_map_to_generate(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    session = await record(ann)
    for pause in (False, True):
        if pause:
            await ann.ok("PATCH", f"/v1/sessions/{session}/pause")
        for body in ({}, {"force": True}):
            answer = await ann.call("POST", f"/v1/sessions/{session}/mindmap/generate", json=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "SESSION_STILL_RECORDING"
            assert "stop the recording first" in answer.json()["error"]["message"]
        assert (await ann.call("GET", f"/v1/sessions/{session}/mindmap")).status_code == 404
    for table, column in (("mindmaps", "session_id::text"), ("procrastinate_jobs", "args ->> 'session_id'")):
        cursor = await db.execute(f"SELECT count(*) FROM {table} WHERE {column} = %s", [session])
        assert await cursor.fetchone() == (0,), table
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    assert (await get(ann, session))["status"] == "completed"
