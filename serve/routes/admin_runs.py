"""The operators' API for regeneration runs: progress and acts. Acts are audited; the work itself is a job."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from cluster.analysis.run_report import report_page
from cluster.runs.prices import require_prices
from models.accounts.audit import record_audit
from models.database import Connection
from models.jobs import DRIVE_RUN, PROMOTE_RUN, ROLL_BACK_RUN, enqueue_run_work
from models.lifecycle.run_state import RunAction, move_run, retry_failed_items
from models.runs.parameters import MAX_RUN_ID_CHARS
from models.runs.run_store import (
    count_runs,
    list_items,
    list_run_ids,
    load_progress,
    load_rate,
    load_run,
    set_budget,
)
from models.runs.run_tables import ItemStatus, RunStatus
from models.schemas.admin import FailedRunItem, RunActionBody, RunEnvelope, RunList, RunProgressReply, RunReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State

router = APIRouter(prefix="/v1/admin/runs", tags=["admin"])
RunId = Annotated[str, Path(pattern=rf"^[A-Za-z0-9_.-]{{1,{MAX_RUN_ID_CHARS}}}$")]
_AUDITED = {
    "pause": "run.paused",
    "resume": "run.resumed",
    "cancel": "run.cancelled",
    "retry": "run.retried",
    "promote": "run.promoted",
    "roll_back": "run.rolled_back",
}
_MAX_FAILED = 50
_REPORT: dict[int | str, dict[str, Any]] = {200: {"description": "The report", "content": {"text/html": {}}}}


async def _reply(connection: Connection, run_id: str) -> RunReply:
    run, progress = await load_run(connection, run_id), await load_progress(connection, run_id)
    rate = await load_rate(connection, run_id) if run.status == RunStatus.RUNNING else None
    return RunReply(
        id=run.id,
        status=RunStatus(run.status).value,
        reason=run.reason,
        provider=run.parameters.provider,
        model=run.parameters.model,
        token_budget=run.token_budget,
        cost_budget_micros=run.cost_budget_micros,
        num_canary=run.num_canary,
        is_canary_passed=run.is_canary_passed,
        promotion=run.parameters.promotion,
        created_at=run.created_at,
        finished_at=run.finished_at,
        progress=RunProgressReply(
            **progress.model_dump(),
            processed=progress.processed,
            maps_per_minute=round(rate * 60, 2) if rate else None,
            seconds_left=round((progress.total - progress.processed) / rate, 1) if rate else None,
        ),
    )


async def _envelope(connection: Connection, run_id: str) -> RunEnvelope:
    failed = await list_items(connection, run_id, status=ItemStatus.FAILED, limit=_MAX_FAILED)
    return RunEnvelope(
        run=await _reply(connection, run_id),
        failed=[
            FailedRunItem(session_id=str(item["session_id"]), attempts=item["attempts"], error=item["error"])
            for item in failed
        ],
    )


@router.get("", response_model_exclude_none=True)
async def list_runs(
    _: CurrentUserId,
    connection: DbConnection,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> RunList:
    """Regeneration runs with their progress, newest first."""
    run_ids = await list_run_ids(connection, limit, offset)
    return RunList(runs=[await _reply(connection, run_id) for run_id in run_ids], total=await count_runs(connection))


@router.get("/{run_id}", response_model_exclude_none=True)
async def get_run(run_id: RunId, _: CurrentUserId, connection: DbConnection) -> RunEnvelope:
    """The progress of one run, and the maps that failed."""
    return await _envelope(connection, run_id)


@router.get("/{run_id}/report", response_class=Response, responses=_REPORT)
async def download_report(
    run_id: RunId,
    admin_id: CurrentUserId,
    state: State,
    db: DbSession,
    language: Annotated[Literal["en", "ko"], Query(description="Of the report")] = "en",
) -> Response:
    """What a run has changed, as one HTML file that loads nothing.

    Pictures and topics are of users who have agreed to datasets, numbers of all.
    """
    # One at a time: a large run takes much memory.
    async with state.report_lock, state.open_connection() as connection:
        page = await report_page(connection, run_id, language, state.settings.server.origin)
    record_audit(db, admin_id, "run.reported", run_id)
    await db.commit()
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="report-{run_id}.html"',
            "Cache-Control": "private, no-store",
        },
    )


@router.post("/{run_id}/actions", response_model_exclude_none=True, status_code=202)
async def act_on_run(
    run_id: RunId, body: RunActionBody, admin_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection
) -> RunEnvelope:
    """Pause, resume, cancel, retry, promote or roll back a run.

    The reply is the run right afterwards: what takes longer goes on in the background.
    """
    match body.action:
        case "pause":
            await move_run(connection, run_id, RunAction.PAUSE)
        case "cancel":
            await move_run(connection, run_id, RunAction.CANCEL)
        case "resume":
            await move_run(connection, run_id, RunAction.RESUME)
            if body.cost_budget_micros is not None:
                await require_prices(connection, state.settings, (await load_run(connection, run_id)).parameters)
            await set_budget(connection, run_id, body.token_budget, body.cost_budget_micros)
            await enqueue_run_work(connection, DRIVE_RUN, run_id)
        case "retry":
            await move_run(connection, run_id, RunAction.RETRY)
            await retry_failed_items(connection, run_id)
            await enqueue_run_work(connection, DRIVE_RUN, run_id)
        case "promote":
            await move_run(connection, run_id, RunAction.PROMOTE)
            choice = "all" if body.every else "gate"
            await enqueue_run_work(connection, PROMOTE_RUN, run_id, choice=choice)
        case "roll_back":
            await move_run(connection, run_id, RunAction.ROLL_BACK)
            await enqueue_run_work(connection, ROLL_BACK_RUN, run_id)
    facts = body.model_dump(exclude_defaults=True, exclude={"action"})
    record_audit(db, admin_id, _AUDITED[body.action], run_id, **facts)
    await db.flush()
    reply = await _envelope(connection, run_id)
    await db.commit()
    return reply
