"""What operators do with the durable jobs: list them, retry a dead one, discard a dead one."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from models.jobs import delete_dead_job, list_unfinished_jobs, retry_dead_job
from models.lifecycle.state import retry_map

#: What operators read → procrastinate's status.
JOB_STATES: Final = {"pending": "todo", "retrying": "todo", "running": "doing", "dead": "failed"}


async def list_jobs(
    dsn: str, *, state: str | None = None, queue: str | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Jobs that have not succeeded, newest first, only those in `state` if given.

    See `models.jobs.list_unfinished_jobs`.
    """
    status = JOB_STATES[state] if state is not None else None
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        jobs = await list_unfinished_jobs(connection, status=status, queue=queue, limit=limit)
    return [job for job in jobs if state in (None, job["state"])]


async def retry_job(dsn: str, job_id: int) -> str:
    """Requeue a dead job with all its attempts; return a sentence for the operator.

    Workers take the job at their next poll, within two seconds. Raises NotFound, BadRequest.
    """
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        session_id = await retry_dead_job(connection, job_id)
        if session_id is not None:
            await retry_map(connection, session_id)
    return f"Job {job_id} is queued again."


async def discard_job(dsn: str, job_id: int) -> str:
    """Delete a dead job; return a sentence for the operator. Raises NotFound."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await delete_dead_job(connection, job_id)
    return f"Job {job_id} is deleted."
