"""Runs as jobs of the queue: what an operator starts on the operators' page goes on in a worker of the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.runs.driver import RunDriver, WorkerPool
from cluster.runs.promotion import Choice, Promoter
from models.lifecycle.run_state import discard_candidates
from models.runs.run_store import list_runs_with_old_candidates

log = structlog.get_logger("runs")


class RunOperator:
    """Works on runs. Each act is safe to repeat, so that a job whose worker dies simply runs again.

    Candidates that were never promoted are deleted `candidate_retention_days` after their run has ended.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        valkey: Redis,
        new_workers: Callable[[], WorkerPool],
        candidate_retention_days: int,
    ) -> None:
        self._pool, self._valkey, self._new_workers = pool, valkey, new_workers
        self._candidate_retention_days = candidate_retention_days

    async def drive(self, run_id: str) -> None:
        """Work on a run until it ends; see RunDriver. Raises NotFound."""
        await RunDriver(self._pool, self._new_workers(), self._promoter()).drive(run_id)

    async def promote(self, run_id: str, choice: Choice) -> None:
        """Show the maps of a run. Raises NotFound, Conflict."""
        outcomes = await self._promoter().promote(run_id, choice)
        log.info("run_promoted", run_id=run_id, **{f"num_{name}": count for name, count in outcomes.items()})

    async def roll_back(self, run_id: str) -> None:
        """Show the maps from before a run again. Raises NotFound, Conflict."""
        outcomes = await self._promoter().roll_back(run_id)
        log.info("run_rolled_back", run_id=run_id, **{f"num_{name}": count for name, count in outcomes.items()})

    async def delete_old_candidates(self) -> int:
        """Delete the candidates of runs that ended long ago; return how many."""
        async with self._pool.connection() as connection:
            run_ids = await list_runs_with_old_candidates(connection, self._candidate_retention_days)
        num_deleted = 0
        for run_id in run_ids:
            num_deleted += await discard_run(self._pool, run_id)
        return num_deleted

    def _promoter(self) -> Promoter:
        return Promoter(self._pool, self._valkey)


async def discard_run(pool: AsyncConnectionPool[Any], run_id: str) -> int:
    """Delete the maps of a run that were never shown; return how many. Safe to interrupt and to repeat.

    Raises NotFound, or Conflict when the run still works.
    """
    num_deleted = 0
    while True:
        async with pool.connection() as connection, connection.transaction():
            num_in_batch = await discard_candidates(connection, run_id)
        if num_in_batch == 0:
            return num_deleted
        num_deleted += num_in_batch
