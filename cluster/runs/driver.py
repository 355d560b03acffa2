"""Drives a run to its end: keeps a bounded number of workers busy, applies the gates, finishes and promotes.

Everything that must survive is in PostgreSQL. A driver may be killed at any time and started again, on another machine
too; two drivers of one run do no harm.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from psycopg_pool import AsyncConnectionPool

from cluster.runs.promotion import Promoter
from models.database import Connection
from models.lifecycle.run_state import (
    RunAction,
    fail_abandoned_items,
    return_items_of_owner,
    try_move_run,
)
from models.runs.gates import MIN_RESULTS, gate_problem
from models.runs.run_store import Run, RunProgress, end_canary, load_figures, load_progress, load_run
from models.runs.run_tables import RunStatus

log = structlog.get_logger("runs")

#: The interval at which the driver looks at the run while its workers are busy.
POLL_S = 1.0


class WorkerPool(Protocol):
    """Where the workers of a run work."""

    def size(self) -> int:
        """How many workers make sense now; it may change while the cluster grows."""
        ...

    async def work(self, run_id: str, owner: uuid.UUID) -> int:
        """Run one worker until it returns the number of items it has processed. Raises when it has died."""
        ...


@dataclass(frozen=True, slots=True)
class RunState:
    """A run and its progress at one moment."""

    run: Run
    progress: RunProgress


class RunDriver:
    """Drives one run. `on_progress` receives its state about once a second."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        workers: WorkerPool,
        promoter: Promoter,
        *,
        on_progress: Callable[[RunState], None] = lambda _: None,
        poll_s: float = POLL_S,
    ) -> None:
        self._pool, self._workers, self._promoter = pool, workers, promoter
        self._on_progress, self._poll_s = on_progress, poll_s
        self._busy: dict[asyncio.Task[int], uuid.UUID] = {}

    async def drive(self, run_id: str) -> RunState:
        """Work until the run is finished, paused, stopped or cancelled; return its state then. Raises NotFound."""
        try:
            while True:
                state = await self._advance(run_id)
                self._on_progress(state)
                if state.run.status != RunStatus.RUNNING:
                    break
                self._start_workers(run_id, state)
                await self._wait(run_id)
            # What the workers have begun they finish; they claim no more.
            while self._busy:
                await self._wait(run_id)
        except BaseException:
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)
            raise
        return await self._promote_at_the_end(run_id)

    async def _advance(self, run_id: str) -> RunState:
        """Apply the gates and end the run when nothing is left."""
        async with self._pool.connection() as connection, connection.transaction():
            await fail_abandoned_items(connection, run_id)
            state = await load_state(connection, run_id)
            if state.run.status != RunStatus.RUNNING:
                return state
            problem = await self._gate_problem(connection, state)
            if problem is not None:
                if await try_move_run(connection, run_id, RunAction.STOP, problem):
                    log.warning("run_stopped", run_id=run_id, reason=problem)
            elif state.progress.waiting == state.progress.running == 0:
                await try_move_run(connection, run_id, RunAction.FINISH)
            return await load_state(connection, run_id)

    async def _gate_problem(self, connection: Connection, state: RunState) -> str | None:
        run, progress = state.run, state.progress
        gates = run.parameters.gates
        if not run.is_canary_passed:
            if progress.canary_left:
                return None
            problem = gate_problem(gates, await load_figures(connection, run.id, only_canary=True))
            if problem is not None:
                return f"canary: {problem}"
            await end_canary(connection, run.id)
            log.info("run_canary_passed", run_id=run.id, num_maps=run.num_canary)
            return None
        figures = await load_figures(connection, run.id, only_canary=False)
        return gate_problem(gates, figures) if len(figures) >= MIN_RESULTS else None

    def _start_workers(self, run_id: str, state: RunState) -> None:
        progress, run = state.progress, state.run
        claimable = progress.waiting + progress.running if run.is_canary_passed else progress.canary_left
        for _ in range(min(self._workers.size(), claimable) - len(self._busy)):
            owner = uuid.uuid4()
            self._busy[asyncio.ensure_future(self._workers.work(run_id, owner))] = owner

    async def _wait(self, run_id: str) -> None:
        """Wait until a worker returns, or for the poll interval."""
        if not self._busy:
            await asyncio.sleep(self._poll_s)
            return
        done, _ = await asyncio.wait(self._busy, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        num_processed = 0
        for task in done:
            owner = self._busy.pop(task)
            error = task.exception()
            if error is None:
                num_processed += task.result()
                continue
            log.warning("run_worker_died", run_id=run_id, error=type(error).__name__)
            async with self._pool.connection() as connection:
                await return_items_of_owner(connection, run_id, owner)
        if done and num_processed == 0:
            # Nothing could be claimed: what is left waits for its time, or another driver has it.
            with suppress(asyncio.TimeoutError):
                await asyncio.sleep(self._poll_s)

    async def _promote_at_the_end(self, run_id: str) -> RunState:
        async with self._pool.connection() as connection:
            state = await load_state(connection, run_id)
        promotion, run = state.run.parameters.promotion, state.run
        # What a budget has paid for is shown too; what is left is the work of another run.
        is_at_its_end = run.status == RunStatus.FINISHED or (run.is_stopped_by_budget and run.is_canary_passed)
        if is_at_its_end and promotion != "none":
            outcomes = await self._promoter.promote(run_id, promotion)
            log.info("run_promoted", run_id=run_id, **{f"num_{name}": count for name, count in outcomes.items()})
            async with self._pool.connection() as connection:
                state = await load_state(connection, run_id)
        return state


async def load_state(connection: Connection, run_id: str) -> RunState:
    """The run and its progress. Raises NotFound."""
    return RunState(await load_run(connection, run_id), await load_progress(connection, run_id))
