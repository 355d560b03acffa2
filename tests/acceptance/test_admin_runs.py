"""The operators' API for regeneration runs: progress, acts that workers carry out, and the audit log."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from cluster.runs.planning import Budget, RunPlanner
from cluster.settings import Settings
from tests.acceptance.test_admin import operator
from tests.acceptance.test_map_collections import session_about
from tests.acceptance.test_map_edits import get, topics
from tests.acceptance.test_map_runs import Db, new_id, planner, run_of
from tests.support.client import ApiUser
from tests.support.worker import InProcessWorker

__all__ = ["operator", "planner"]  # fixtures


async def act(person: ApiUser, run_id: str, action: str, **more: object) -> tuple[int, str]:
    """The status code and the status of the run, or the error's code."""
    answer = await person.call("POST", f"/v1/admin/runs/{run_id}/actions", json={"action": action, **more})
    body = answer.json()
    return answer.status_code, body["run"]["status"] if answer.is_success else body["error"]["code"]


async def test_operators_follow_and_steer_a_run(
    operator: ApiUser, ann: ApiUser, worker: InProcessWorker, planner: RunPlanner, settings: Settings
) -> None:
    """Without the process that has created the run: workers of the application continue it."""
    sessions = [await session_about(ann, worker, "bread", "chess", "tides", part=part) for part in range(2)]
    run_id = new_id()
    await planner.create(run_id, run_of(*sessions), Budget())
    assert await act(operator, run_id, "pause") == (202, "paused")
    await worker.run()
    listed = await operator.ok("GET", "/v1/admin/runs")
    assert listed["runs"][0]["id"] == run_id
    assert listed["total"] >= 1
    assert (listed["runs"][0]["progress"]["waiting"], listed["runs"][0]["progress"]["processed"]) == (2, 0)

    assert await act(operator, run_id, "resume", token_budget=5) == (202, "running")
    await worker.run()
    shown = await operator.ok("GET", f"/v1/admin/runs/{run_id}")
    assert (shown["run"]["status"], shown["run"]["progress"]["done"], shown["failed"]) == ("finished", 2, [])
    assert shown["run"]["token_budget"] == 5
    assert [(await get(ann, session))["version"] for session in sessions] == [1, 1]
    assert await act(operator, run_id, "pause") == (409, "CONFLICT")

    assert await act(operator, run_id, "promote", every=True) == (202, "promoted")
    await worker.run()
    assert [(await get(ann, session))["version"] for session in sessions] == [2, 2]
    assert await act(operator, run_id, "roll_back") == (202, "rolled_back")
    await worker.run()
    assert [(await get(ann, session))["version"] for session in sessions] == [1, 1]
    entries = (await operator.ok("GET", "/v1/admin/audit"))["entries"]
    assert [(e["action"], e["facts"]) for e in entries if e["subject"] == run_id] == [
        ("run.rolled_back", {}),
        ("run.promoted", {"every": True}),
        ("run.resumed", {"token_budget": 5}),
        ("run.paused", {}),
    ]


async def test_failed_maps_are_listed_and_retried_and_a_run_is_cancelled(
    operator: ApiUser, ann: ApiUser, worker: InProcessWorker, planner: RunPlanner, db: Db
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    run_id = new_id()
    await planner.create(run_id, run_of(session), Budget())
    await db.execute(
        "UPDATE map_run_items SET status = 'failed', attempts = 3, error = 'broken' WHERE run_id = %s", [run_id]
    )
    shown = await operator.ok("GET", f"/v1/admin/runs/{run_id}")
    assert shown["failed"] == [{"session_id": session, "attempts": 3, "error": "broken"}]
    assert await act(operator, run_id, "retry") == (202, "running")
    await worker.run()
    assert (await operator.ok("GET", f"/v1/admin/runs/{run_id}"))["run"]["progress"]["done"] == 1

    other = new_id()
    await planner.create(other, run_of(session), Budget())
    assert await act(operator, other, "cancel") == (202, "cancelled")
    assert await act(operator, other, "resume") == (409, "CONFLICT")


async def test_rate_and_remaining_time_are_of_the_last_minute(
    operator: ApiUser, ann: ApiUser, worker: InProcessWorker, planner: RunPlanner, db: Db
) -> None:
    sessions = [await session_about(ann, worker, "bread", part=part) for part in range(4)]
    run_id = new_id()
    await planner.create(run_id, run_of(*sessions), Budget())
    progress = (await operator.ok("GET", f"/v1/admin/runs/{run_id}"))["run"]["progress"]
    assert "maps_per_minute" not in progress
    assert "seconds_left" not in progress
    await db.execute(
        "UPDATE map_run_items SET status = 'done', finished_at = now() - interval '10 seconds' * position"
        " WHERE run_id = %s AND position <= 3",
        [run_id],
    )
    progress = (await operator.ok("GET", f"/v1/admin/runs/{run_id}"))["run"]["progress"]
    # Three maps in the last 30 seconds, and one is left; the requests take a moment.
    assert 2.0 < progress["maps_per_minute"] <= 6.0
    assert progress["seconds_left"] == pytest.approx(60 / progress["maps_per_minute"], rel=0.02)


async def test_operators_download_the_report(
    operator: ApiUser, ann: ApiUser, worker: InProcessWorker, planner: RunPlanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann has not agreed to datasets: nothing of her pages is in it."""
    session = await session_about(ann, worker, "bread", "chess")
    label = topics(await get(ann, session))[0]["label"]
    run_id = new_id()
    await planner.create(run_id, run_of(session), Budget())
    await operator.ok("POST", f"/v1/admin/runs/{run_id}/actions", json={"action": "resume"})
    await worker.run()
    report = await operator.call("GET", f"/v1/admin/runs/{run_id}/report?language=ko")
    assert report.status_code == 200
    assert report.headers["Content-Type"] == "text/html; charset=utf-8"
    assert report.headers["Content-Disposition"] == f'attachment; filename="report-{run_id}.html"'
    assert '<html lang="ko">' in report.text
    assert session[:8] in report.text
    assert label not in report.text
    entries = (await operator.ok("GET", "/v1/admin/audit"))["entries"]
    assert [e["action"] for e in entries if e["subject"] == run_id] == ["run.reported", "run.resumed"]
    monkeypatch.setattr("cluster.analysis.run_report.MAX_PAGE_MAPS", 0)
    refused = await operator.call("GET", f"/v1/admin/runs/{run_id}/report")
    assert refused.status_code == 409
    assert f"trailmind regenerate report {run_id} --out DIR" in refused.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/spring"), ("GET", "/spring/report"), ("POST", "/spring/actions")]
)
async def test_users_and_unknown_names_are_refused(
    operator: ApiUser, ann: ApiUser, db: psycopg.AsyncConnection[object], method: str, path: str
) -> None:
    body = {"json": {"action": "cancel"}} if method == "POST" else {}
    assert (await ann.call(method, f"/v1/admin/runs{path}", **body)).status_code == 403
    if path:
        missing = path.replace("spring", f"none-{uuid.uuid4().hex[:6]}")
        assert (await operator.call(method, f"/v1/admin/runs{missing}", **body)).status_code == 404
        for name in ("a%20b", "%00", "x" * 61):
            refused = await operator.call(method, f"/v1/admin/runs{path.replace('spring', name)}", **body)
            assert refused.status_code in (400, 404, 422), refused.text
