"""Health checks: liveness (`/health`) and readiness (`/ready`)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from fastapi import APIRouter, Response
from psycopg.errors import DiskFull

from models.database import check_disk, ping
from models.migrations.run import current_revision, latest_revision
from models.schemas.health import HealthReply, ReadyReply
from serve.dependencies import State
from serve.http.database_probe import LIMIT_S, within
from serve.state import AppState

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> HealthReply:
    """The process is alive."""
    return HealthReply()


@router.get("/ready", responses={503: {"model": ReadyReply}})
async def ready(state: State, response: Response) -> ReadyReply:
    """Whether PostgreSQL, its disk and schema, Valkey and the shards are available; 503 with the reason if not."""
    checks = await run_checks(state)
    is_ready = all(value == "ok" for value in checks.values())
    if not is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return ReadyReply(status="ready" if is_ready else "not ready", checks=checks)


async def run_checks(state: AppState) -> dict[str, str]:
    """“ok” for each check that has passed, otherwise the reason."""
    names = ("postgresql", "disk", "schema", "valkey", "shards")
    results = await asyncio.gather(*(check_within(LIMIT_S, check(state)) for check in _CHECKS))
    return dict(zip(names, results, strict=True))


async def check_within(limit_s: float, check: Coroutine[None, None, str]) -> str:
    """What `check` returns, or after at most `limit_s` seconds that the part does not answer, and why."""
    try:
        return await within(limit_s, check)
    except Exception as error:  # every failure is a result of the check
        return f"does not answer ({type(error).__name__})"


async def _postgresql(state: AppState) -> str:
    async with state.open_connection() as connection:
        await ping(connection)
    return "ok"


async def _disk(state: AppState) -> str:
    try:
        async with state.open_connection() as connection:
            await check_disk(connection)
    except DiskFull:
        return "is full: nothing can be stored until an operator frees space; reading still works"
    return "ok"


async def _schema(state: AppState) -> str:
    async with state.engine.connect() as connection:
        current = await connection.run_sync(current_revision)
    required = latest_revision()
    # An older program runs on a newer schema, because migrations are backward compatible; not the other way round.
    if current is None or current < required:
        return f"is at {current or 'nothing'}, this program needs {required}: run `trailmind migrate`"
    return "ok"


async def _valkey(state: AppState) -> str:
    await state.valkey.ping()
    return "ok"


async def _shards(state: AppState) -> str:
    num_responding, num_shards = await state.shards.count_responding()
    if num_responding == num_shards:
        return "ok"
    return f"{num_shards - num_responding} of {num_shards} do not answer"


_CHECKS = (_postgresql, _disk, _schema, _valkey, _shards)
