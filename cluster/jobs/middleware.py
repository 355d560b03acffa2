"""Logging and metrics around every job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from procrastinate import JobContext

from telemetry.logs import bind_context
from telemetry.metrics import JOB_SECONDS, JOBS_FINISHED
from telemetry.traces import span

log = structlog.get_logger("jobs")


async def observe_job(run: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Run a job as procrastinate's middleware: bind its ids for the logs, count how the attempt ends, and its time.

    Raises what the job raises.
    """
    job = context.job
    bind_context({"job_id": job.id, **{k: v for k, v in job.task_kwargs.items() if v is not None}})
    started_at, outcome = time.perf_counter(), "succeeded"
    try:
        with span("job", "job", task=job.task_name, attempt=job.attempts + 1):
            return await run()
    except asyncio.CancelledError:
        outcome = "interrupted"
        raise
    except Exception as error:
        retry = context.task.get_retry_exception(error, job) if context.task else None
        outcome = "dead" if retry is None else "retried"
        raise
    finally:
        elapsed_s = time.perf_counter() - started_at
        # The task's current name: `job.task_name` may be the name under which a previous version enqueued the job.
        task = context.task.name if context.task else job.task_name
        JOBS_FINISHED.labels(task=task, outcome=outcome).inc()
        JOB_SECONDS.labels(task=task).observe(elapsed_s)
        level = log.info if job.task_kwargs.get("session_id") else log.debug
        level("job_ended", task=task, outcome=outcome, took_ms=round(elapsed_s * 1e3, 1))
