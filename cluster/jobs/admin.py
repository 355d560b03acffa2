"""Looking at the durable jobs, and giving a dead one another chance."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from models.errors import BadRequest, NotFound

_LIST = """
    SELECT j.id, j.task_name AS task, j.queue_name AS queue, j.attempts, j.priority,
           CASE WHEN j.status = 'failed' THEN 'dead' WHEN j.status = 'todo' AND j.attempts > 0 THEN 'retrying'
                WHEN j.status = 'todo' THEN 'pending' WHEN j.status = 'doing' THEN 'running'
                ELSE j.status::text END AS state,
           j.args ->> 'session_id' AS session_id, j.scheduled_at,
           (SELECT min(at) FROM procrastinate_events e WHERE e.job_id = j.id) AS ordered_at,
           m.error_message AS reason
    FROM procrastinate_jobs j LEFT JOIN mindmaps m ON m.session_id::text = j.args ->> 'session_id'
    WHERE (%(status)s::text IS NULL OR j.status::text = %(status)s) AND j.status <> 'succeeded'
    ORDER BY j.id DESC LIMIT %(limit)s
"""


async def list_jobs(dsn: str, *, status: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
    """Jobs that are not done, newest first: pending, running, retrying, dead."""
    async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
        cursor = await connection.execute(_LIST, {"status": status, "limit": limit})
        return await cursor.fetchall()


async def retry_job(dsn: str, job_id: int) -> str:
    """Put a dead job back into the queue with all its tries; return a sentence. Raises NotFound, BadRequest."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(
            "SELECT status::text, args ->> 'session_id' FROM procrastinate_jobs WHERE id = %s FOR UPDATE", [job_id]
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFound(f"there is no job {job_id}")
        if row[0] != "failed":
            raise BadRequest(f"job {job_id} is not dead (it is {row[0]})")
        await connection.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [job_id])
        await connection.execute("UPDATE procrastinate_jobs SET attempts = 0 WHERE id = %s", [job_id])
        if row[1] is not None:
            await connection.execute(
                "UPDATE browsing_sessions SET status = 'processing', failure_reason = NULL, updated_at = now()"
                " WHERE id::text = %s AND status = 'failed'",
                [row[1]],
            )
            await connection.execute(
                "UPDATE mindmaps SET status = 'generating', stage = 'queued', percent = 0, error_message = NULL"
                " WHERE session_id::text = %s AND status = 'failed'",
                [row[1]],
            )
        await connection.execute(
            "SELECT pg_notify('procrastinate_any_queue_v1', %s)", ['{"type": "job_inserted", "job_id": 0}']
        )
    return f"Job {job_id} runs again."


async def discard_job(dsn: str, job_id: int) -> str:
    """Drop a dead job; return a sentence. Raises NotFound."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(
            "DELETE FROM procrastinate_jobs WHERE id = %s AND status IN ('failed', 'cancelled', 'aborted')", [job_id]
        )
        if cursor.rowcount == 0:
            raise NotFound(f"there is no dead job {job_id}")
    return f"Job {job_id} is gone."
