"""`trailmind regenerate`: enqueue the maps of many sessions again, at batch priority.

The usual workers generate them, after all interactive jobs. A map whose input and pipeline are unchanged costs nothing
unless it is forced, so the command may run every night.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from models.jobs import BATCH, count_batch_jobs, enqueue_map
from models.mindmap.regeneration import (
    Selection,
    advance_run,
    count_selected_sessions,
    create_run,
    lock_run,
    next_selected_sessions,
    require_selected,
)

#: Sessions enqueued in one transaction.
CHUNK_SIZE = 200


async def check_selection(dsn: str, selection: Selection) -> None:
    """Raise NotFound when `selection` names an account or a session that does not exist.

    A typing error would otherwise look like a run with nothing to do.
    """
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await require_selected(connection, selection)


async def count_sessions(dsn: str, selection: Selection) -> int:
    """How many sessions a run over `selection` would take."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await count_selected_sessions(connection, selection)


async def enqueue_all(
    dsn: str,
    run_id: str,
    selection: Selection,
    *,
    force: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Enqueue the sessions that run `run_id` has not enqueued yet; return how many it has enqueued in total.

    Safe to interrupt and to repeat: each chunk of sessions and the run's progress commit together. `on_progress`
    receives the total so far.
    """
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await create_run(connection, run_id)
        await connection.commit()
        while True:
            async with connection.transaction():
                last, total = await lock_run(connection, run_id)
                session_ids = await next_selected_sessions(connection, selection, last, CHUNK_SIZE)
                if not session_ids:
                    return total
                for session_id in session_ids:
                    await enqueue_map(connection, str(session_id), force=force, priority=BATCH)
                await advance_run(connection, run_id, session_ids[-1], len(session_ids))
            on_progress(total + len(session_ids))


async def wait_until_done(
    dsn: str, *, on_progress: Callable[[int], None] = lambda _: None, poll_interval_s: float = 1.0
) -> int:
    """Wait until no batch job is waiting or running; return how many are dead. `on_progress` receives what is left."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            num_unfinished, num_dead = await count_batch_jobs(connection)
            on_progress(num_unfinished)
            if num_unfinished == 0:
                return num_dead
            await asyncio.sleep(poll_interval_s)
