"""`trailmind regenerate`: order the maps of many sessions anew, at batch priority.

The work itself is done by the same workers as everybody's maps, behind people who wait. A map whose input and pipeline
are unchanged costs nothing unless it is forced, so running this every night is fine.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from models.jobs import BATCH, enqueue_map

CHUNK_SIZE = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """Which finished sessions: all, or those that fit every criterion given."""

    email: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    session_ids: tuple[uuid.UUID, ...] = ()


_WHERE = """
    s.status IN ('completed', 'failed') AND s.deleted_at IS NULL
    AND (%(email)s::text IS NULL OR lower(u.email) = lower(%(email)s::text))
    AND (%(since)s::timestamptz IS NULL OR s.started_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR s.started_at < %(until)s)
    AND (cardinality(%(ids)s::uuid[]) = 0 OR s.id = ANY(%(ids)s::uuid[]))
"""


def _parameters(selection: Selection) -> dict[str, Any]:
    return {
        "email": selection.email,
        "since": selection.since,
        "until": selection.until,
        "ids": list(selection.session_ids),
    }


async def count_sessions(dsn: str, selection: Selection) -> int:
    """How many sessions a run over `selection` would take."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(
            f"SELECT count(*) FROM browsing_sessions s JOIN users u ON u.id = s.user_id WHERE {_WHERE}",
            _parameters(selection),
        )
        row = await cursor.fetchone()
        return int(row[0]) if row else 0


async def enqueue_all(
    dsn: str,
    run_id: str,
    selection: Selection,
    *,
    force: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Give the orders of run `run_id` that were not given yet; return how many it has given in all."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("INSERT INTO regeneration_runs (run_id) VALUES (%s) ON CONFLICT DO NOTHING", [run_id])
        await connection.commit()
        while True:
            async with connection.transaction():
                cursor = await connection.execute(
                    "SELECT cursor, num_ordered FROM regeneration_runs WHERE run_id = %s FOR UPDATE", [run_id]
                )
                row = await cursor.fetchone()
                assert row is not None
                last, num_ordered = row
                cursor = await connection.execute(
                    f"SELECT s.id FROM browsing_sessions s JOIN users u ON u.id = s.user_id WHERE {_WHERE}"
                    " AND (%(last)s::uuid IS NULL OR s.id > %(last)s) ORDER BY s.id LIMIT %(chunk)s",
                    {**_parameters(selection), "last": last, "chunk": CHUNK_SIZE},
                )
                ids = [found[0] for found in await cursor.fetchall()]
                if not ids:
                    return int(num_ordered)
                for session_id in ids:
                    await enqueue_map(connection, str(session_id), force=force, priority=BATCH)
                await connection.execute(
                    "UPDATE regeneration_runs SET cursor = %s, num_ordered = num_ordered + %s, updated_at = now()"
                    " WHERE run_id = %s",
                    [ids[-1], len(ids), run_id],
                )
            on_progress(num_ordered + len(ids))


async def wait_until_done(
    dsn: str, *, on_progress: Callable[[int], None] = lambda _: None, every_s: float = 1.0
) -> int:
    """Wait until no batch order waits or runs; return how many of them are dead."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(
                "SELECT count(*) FILTER (WHERE status IN ('todo', 'doing')), count(*) FILTER (WHERE status = 'failed')"
                " FROM procrastinate_jobs WHERE queue_name = 'maps' AND priority = %s",
                [BATCH],
            )
            row = await cursor.fetchone()
            assert row is not None
            on_progress(row[0])
            if row[0] == 0:
                return int(row[1])
            await asyncio.sleep(every_s)
