"""Browsing sessions over HTTP: start, list, update, pause, resume, stop, delete."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
import psycopg
import pytest

from models.lifecycle.forget import RESTORE_S
from tests.support.client import ApiUser, visit
from tests.support.completed_session import recorded_events
from tests.support.worker import InProcessWorker


async def test_start_without_a_body(ann: ApiUser) -> None:
    answer = await ann.call("POST", "/v1/sessions/start", headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    session = answer.json()["session"]
    assert session["session_status"] == "recording"
    assert session["started_at"].endswith("Z")
    assert "ended_at" not in session
    assert "title" not in session


async def test_pause_and_resume_once_each(ann: ApiUser) -> None:
    path = f"/v1/sessions/{await ann.start()}"
    assert (await ann.ok("PATCH", f"{path}/pause"))["session"]["session_status"] == "paused"
    again = await ann.call("PATCH", f"{path}/pause")
    assert again.status_code == 400
    assert again.json()["error"]["message"] == "session cannot be paused from current state"
    assert (await ann.ok("PATCH", f"{path}/resume"))["session"]["session_status"] == "recording"
    again = await ann.call("PATCH", f"{path}/resume")
    assert again.status_code == 400
    assert again.json()["error"]["message"] == "session cannot be resumed from current state"


@pytest.mark.parametrize("paused_first", [False, True])
async def test_stop_closes_the_session(ann: ApiUser, paused_first: bool) -> None:
    path = f"/v1/sessions/{await ann.start()}"
    if paused_first:
        await ann.ok("PATCH", f"{path}/pause")
    stopped = (await ann.ok("POST", f"{path}/stop", headers={"Content-Type": "application/json"}))["session"]
    assert stopped["session_status"] in {"processing", "completed"}
    assert stopped["ended_at"].endswith("Z")
    for method, action in (("POST", "stop"), ("PATCH", "pause"), ("PATCH", "resume")):
        assert (await ann.call(method, f"{path}/{action}")).status_code == 400


async def test_concurrent_sessions_are_independent(ann: ApiUser) -> None:
    first, second = await ann.start(), await ann.start()
    await ann.ok("PATCH", f"/v1/sessions/{first}/pause")
    listed = {s["id"]: s["session_status"] for s in (await ann.ok("GET", "/v1/sessions"))["sessions"]}
    assert listed == {first: "paused", second: "recording"}


async def test_a_new_user_has_an_empty_list(ann: ApiUser) -> None:
    assert await ann.ok("GET", "/v1/sessions") == {"sessions": [], "total": 0}


async def test_the_list_is_paged_newest_first_and_private(ann: ApiUser, bob: ApiUser) -> None:
    ids = [await ann.start() for _ in range(5)]
    await bob.start()
    pages = [(await ann.ok("GET", f"/v1/sessions?limit=2&offset={o}"))["sessions"] for o in (0, 2, 4)]
    assert [len(p) for p in pages] == [2, 2, 1]
    assert [s["id"] for p in pages for s in p] == ids[::-1]
    sorted_list = await ann.ok("GET", "/v1/sessions?limit=10&sort=started_at:desc")
    assert [s["id"] for s in sorted_list["sessions"]] == ids[::-1]
    assert sorted_list["total"] == 5


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "offset=-1", "limit=ten", "limit=101", "status=lost"])
async def test_invalid_paging_is_a_400(ann: ApiUser, query: str) -> None:
    answer = await ann.call("GET", f"/v1/sessions?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]["message"]


async def test_get_own_foreign_unknown_and_malformed_session(ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start()
    assert (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["id"] == session
    assert (await bob.call("GET", f"/v1/sessions/{session}")).status_code == 404
    assert (await ann.call("GET", f"/v1/sessions/{uuid.uuid4()}")).status_code == 404
    assert (await ann.call("GET", "/v1/sessions/not-a-uuid")).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_update_with_put_and_patch(ann: ApiUser, method: str) -> None:
    path = f"/v1/sessions/{await ann.start()}"
    both = await ann.ok(method, path, json={"title": "곰", "description": "about bears"})
    assert (both["session"]["title"], both["session"]["description"]) == ("곰", "about bears")
    one = await ann.ok(method, path, json={"title": "Bears"})
    assert (one["session"]["title"], one["session"]["description"]) == ("Bears", "about bears")
    assert (await ann.ok(method, path, json={}))["session"]["title"] == "Bears"
    assert (await ann.call(method, path, json={"title": "x" * 201})).status_code == 400


async def test_other_users_cannot_change_a_session(ann: ApiUser, bob: ApiUser) -> None:
    path = f"/v1/sessions/{await ann.start()}"
    calls = [("PUT", "", {"title": "mine"}), ("PATCH", "", {"title": "mine"}), ("DELETE", "", None)]
    calls += [("PATCH", "/pause", None), ("PATCH", "/resume", None), ("POST", "/stop", None)]
    for method, tail, body in calls:
        answer = await bob.call(method, path + tail, json=body)
        assert answer.status_code == 404, (method, tail)
    assert (await ann.ok("GET", path))["session"]["session_status"] == "recording"


async def test_delete(ann: ApiUser) -> None:
    session = await ann.start()
    await ann.send(session, [visit("https://example.com/a")])
    answer = await ann.call("DELETE", f"/v1/sessions/{session}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/events", "/events/stats", "/mindmap", "/timeline"):
        assert (await ann.call("GET", f"/v1/sessions/{session}{path}")).status_code == 404
    answer = await ann.call("POST", f"/v1/sessions/{session}/events", json={"events": [visit("https://example.com/b")]})
    assert answer.status_code == 404
    assert (await ann.call("DELETE", f"/v1/sessions/{uuid.uuid4()}")).status_code == 404
    assert (await ann.ok("GET", "/v1/sessions"))["total"] == 0


async def test_a_deletion_can_be_undone(ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start(title="kept")
    await ann.call("DELETE", f"/v1/sessions/{session}")
    assert (await bob.call("POST", f"/v1/sessions/{session}/restore")).status_code == 404
    restored = await ann.ok("POST", f"/v1/sessions/{session}/restore")
    assert restored["session"]["title"] == "kept"


async def test_a_restored_session_that_is_deleted_again_has_the_whole_time_to_restore_it(
    ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session = await ann.start()
    await ann.call("DELETE", f"/v1/sessions/{session}")
    lock = f"purge:{session}"
    # As if the first deletion were almost as old as the time to restore it.
    await db.execute(
        "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '10 seconds' WHERE queueing_lock = %s", [lock]
    )
    await ann.ok("POST", f"/v1/sessions/{session}/restore")
    await ann.call("DELETE", f"/v1/sessions/{session}")
    rows = await db.execute(
        "SELECT extract(epoch FROM scheduled_at - now()) FROM procrastinate_jobs"
        " WHERE status = 'todo' AND queueing_lock = %s",
        [lock],
    )
    ((wait_s,),) = await rows.fetchall()
    assert RESTORE_S - 120 < wait_s <= RESTORE_S


async def test_starting_twice_with_the_same_client_id_is_one_session(ann: ApiUser, bob: ApiUser) -> None:
    first = await ann.start(client_session_id="tab-7")
    assert await ann.start(client_session_id="tab-7") == first
    assert await bob.start(client_session_id="tab-7") != first


async def test_a_caller_without_account_gets_401(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/sessions")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("title", ["Browsing, Nov 28, 12:57\u202fPM", "11월 28일 오후 12:57 브라우징"])
async def test_the_automatic_title_of_an_older_extension_gives_way_to_the_generated_one(
    ann: ApiUser, worker: InProcessWorker, title: str
) -> None:
    session_id = await ann.start(title=title)
    await ann.send(session_id, recorded_events())
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    await worker.run()
    session = (await ann.ok("GET", f"/v1/sessions/{session_id}"))["session"]
    mindmap = (await ann.ok("GET", f"/v1/sessions/{session_id}/mindmap"))["mindmap"]
    core = next(node["label"] for node in mindmap["data"]["nodes"] if node["type"] == "core")
    assert session["title"] == core != title
