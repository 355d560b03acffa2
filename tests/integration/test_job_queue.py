"""The job queue across versions and attempts: previous task names run, waits between retries, deduplication."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate.jobs import Job
from procrastinate.periodic import PeriodicDeferrer

from cluster.jobs.app import MAX_RETRIES, RETRY_STRATEGY, create_job_app
from cluster.jobs.maintenance import requeue_stalled_jobs
from cluster.jobs.worker import JobWorker
from cluster.jobs.worker_deployment import _import_in_new_thread
from cluster.settings import Settings
from models.errors import BadRequest, NotFound
from models.jobs import (
    BATCH,
    INTERACTIVE,
    MAINTENANCE,
    PREFERRED,
    PREVIOUS_QUEUES,
    PREVIOUS_TASK_NAMES,
    QUEUES,
    delete_dead_job,
    enqueue,
    enqueue_joint_map,
    enqueue_map,
    enqueue_purge,
    retry_dead_job,
)
from models.migrations.run import migrate
from tests.support.worker import InProcessWorker

DOCS = Path(__file__).parents[2] / "docs" / "jobs.md"
Db = psycopg.AsyncConnection[Any]


@pytest.mark.parametrize("previous_name", list(PREVIOUS_TASK_NAMES))
async def test_a_job_enqueued_under_a_previous_task_name_is_executed(
    previous_name: str, worker: InProcessWorker, db: Db
) -> None:
    """The previous version enqueued it before the update, in its own queue."""
    [queue] = PREVIOUS_QUEUES
    job_id = await enqueue(db, previous_name, queue=queue, queueing_lock=f"test:{previous_name}", timestamp=0)
    await worker.run()
    cursor = await db.execute("SELECT status::text, attempts FROM procrastinate_jobs WHERE id = %s", [job_id])
    assert await cursor.fetchone() == ("succeeded", 1)


async def test_the_deployment_imports_the_worker() -> None:
    """By its name at run time, in a thread: no type checker sees a wrong one."""
    assert await _import_in_new_thread() is JobWorker


def test_previous_names_belong_to_today_s_tasks() -> None:
    tasks = create_job_app("").tasks
    assert {old: tasks[old].name for old in PREVIOUS_TASK_NAMES} == dict(PREVIOUS_TASK_NAMES)
    assert {task.queue for name, task in tasks.items() if "builtin" not in name} <= set(QUEUES) - set(PREVIOUS_QUEUES)


def test_the_documentation_lists_every_task_and_its_queue() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    tasks = {task.name: task.queue for task in create_job_app("").tasks.values() if "builtin" not in task.name}
    assert dict(rows) == tasks
    assert len(rows) == len(tasks)


def test_waits_between_attempts_grow_and_end() -> None:
    waits_s = []
    for attempts in range(MAX_RETRIES):
        job = Job(queue="maps", lock=None, queueing_lock=None, task_name="maps.generate", attempts=attempts)
        decision = RETRY_STRATEGY.get_retry_decision(exception=ValueError(), job=job)
        assert decision is not None
        assert decision.retry_at is not None
        waits_s.append(round((decision.retry_at - datetime.now(UTC)).total_seconds()))
    assert waits_s == [3, 9, 27, 81]
    dead = Job(queue="maps", lock=None, queueing_lock=None, task_name="maps.generate", attempts=MAX_RETRIES)
    assert RETRY_STRATEGY.get_retry_decision(exception=ValueError(), job=dead) is None


async def test_a_queueing_lock_admits_one_waiting_job_and_keeps_the_transaction(db: Db) -> None:
    async with db.transaction():
        first = await enqueue(db, "test.none", queue=MAINTENANCE, queueing_lock="test:one", delay_s=3600)
        second = await enqueue(db, "test.none", queue=MAINTENANCE, queueing_lock="test:one")
        cursor = await db.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'test.none' RETURNING id")
        assert await cursor.fetchall() == [(first,)]
    assert second is None


async def waiting_maps(db: Db, session_id: str) -> list[tuple[Any, ...]]:
    cursor = await db.execute(
        "SELECT priority, (args ->> 'force')::bool, attempts, scheduled_at IS NULL FROM procrastinate_jobs"
        " WHERE args ->> 'session_id' = %s AND status = 'todo'",
        [session_id],
    )
    return await cursor.fetchall()


async def test_a_person_overtakes_the_batch_job_that_waits_for_the_same_map(db: Db) -> None:
    """Their priority and `force` replace those of the waiting job, which is due at once and has all its attempts."""
    async with db.transaction(force_rollback=True):
        session_id = str(uuid.uuid4())
        job_id = await enqueue_map(db, session_id, priority=BATCH)
        await db.execute(
            "UPDATE procrastinate_jobs SET attempts = 3, scheduled_at = now() + interval '1 hour' WHERE id = %s",
            [job_id],
        )
        assert await enqueue_map(db, session_id, force=True, priority=PREFERRED) is None
        assert await waiting_maps(db, session_id) == [(PREFERRED, True, 0, True)]
        assert await enqueue_map(db, session_id, priority=BATCH) is None
        assert await waiting_maps(db, session_id) == [(PREFERRED, True, 0, True)], "the weaker request changes nothing"


async def test_a_person_asks_again_while_the_batch_job_runs(db: Db) -> None:
    async with db.transaction(force_rollback=True):
        session_id = str(uuid.uuid4())
        job_id = await enqueue_map(db, session_id, priority=BATCH)
        await db.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job_id])
        assert await enqueue_map(db, session_id, force=True) is not None
        assert await waiting_maps(db, session_id) == [(INTERACTIVE, True, 0, True)]


async def test_a_person_overtakes_a_joint_map_and_a_purge_that_wait(db: Db) -> None:
    async with db.transaction(force_rollback=True):
        work_id = str(uuid.uuid4())
        for enqueue_work in (enqueue_joint_map, enqueue_purge):
            await enqueue_work(db, work_id, priority=BATCH)
            assert await enqueue_work(db, work_id, priority=INTERACTIVE) is None
        cursor = await db.execute(
            "SELECT priority FROM procrastinate_jobs"
            " WHERE args ->> 'map_id' = %(id)s OR args ->> 'session_id' = %(id)s",
            {"id": work_id},
        )
        assert await cursor.fetchall() == [(INTERACTIVE,), (INTERACTIVE,)]


async def test_a_purge_without_delay_brings_the_delayed_one_forward(db: Db) -> None:
    async with db.transaction(force_rollback=True):
        session_id = str(uuid.uuid4())
        await enqueue_purge(db, session_id, delay_s=3600)
        await enqueue_purge(db, session_id, delay_s=7200)
        cursor = await db.execute(
            "SELECT scheduled_at < now() + interval '90 minutes' FROM procrastinate_jobs"
            " WHERE args ->> 'session_id' = %s",
            [session_id],
        )
        assert await cursor.fetchall() == [(True,)], "the earlier time stays"
        await enqueue_purge(db, session_id)
        await enqueue_purge(db, session_id, delay_s=3600)
        cursor = await db.execute(
            "SELECT scheduled_at IS NULL FROM procrastinate_jobs WHERE args ->> 'session_id' = %s", [session_id]
        )
        assert await cursor.fetchall() == [(True,)], "a job that is due stays due"


async def test_a_stalled_job_is_requeued_once_and_never_lost(
    settings: Settings, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers find the same stalled job; the second one comes too late."""
    job_id = await enqueue(db, "test.stalled", queue="test", queueing_lock="test:stalled")
    await db.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job_id])
    app = create_job_app(settings.database.postgres_dsn)
    async with app.open_async():
        stalled = [job for job in await app.job_manager.get_stalled_jobs() if job.id == job_id]

        async def find(**_: Any) -> list[Job]:
            return stalled

        monkeypatch.setattr(app.job_manager, "get_stalled_jobs", find)
        assert await requeue_stalled_jobs(app) == 1
        assert await requeue_stalled_jobs(app) == 0
    cursor = await db.execute("DELETE FROM procrastinate_jobs WHERE id = %s RETURNING status::text", [job_id])
    assert await cursor.fetchone() == ("todo",)


async def test_a_stalled_job_whose_work_is_queued_again_is_deleted(settings: Settings, db: Db) -> None:
    first = await enqueue(db, "test.stalled", queue="test", queueing_lock="test:stalled")
    await db.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [first])
    second = await enqueue(db, "test.stalled", queue="test", queueing_lock="test:stalled")
    app = create_job_app(settings.database.postgres_dsn)
    async with app.open_async():
        await requeue_stalled_jobs(app)
    cursor = await db.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'test.stalled' RETURNING id")
    assert await cursor.fetchall() == [(second,)]


async def test_a_retried_job_has_all_its_attempts_again(db: Db) -> None:
    job_id = await enqueue(db, "test.dead", queue="test", queueing_lock="test:dead")
    assert job_id is not None
    await db.execute("UPDATE procrastinate_jobs SET status = 'failed', attempts = 5 WHERE id = %s", [job_id])
    async with db.transaction():
        assert await retry_dead_job(db, job_id) is None
    cursor = await db.execute("SELECT status::text, attempts FROM procrastinate_jobs WHERE id = %s", [job_id])
    assert await cursor.fetchone() == ("todo", 0)
    with pytest.raises(BadRequest, match="is not dead"):
        await retry_dead_job(db, job_id)
    await db.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [job_id])
    await enqueue(db, "test.dead", queue="test", queueing_lock="test:dead")
    async with db.transaction():
        with pytest.raises(BadRequest, match="queued already"):
            await retry_dead_job(db, job_id)
    await delete_dead_job(db, job_id)
    with pytest.raises(NotFound):
        await retry_dead_job(db, job_id)
    await db.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'test.dead'")


async def test_each_slot_of_the_schedule_has_one_job(fresh_database: str) -> None:
    """Three workers at the same moment, each just restarted, and one that restarts within the slot."""
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])

    async def defer(at: float) -> None:
        app = create_job_app(fresh_database)
        async with app.open_async():
            deferrer = PeriodicDeferrer(app.periodic_registry)
            await deferrer.defer_jobs(deferrer.get_previous_tasks(at))

    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as db:
        for slot in range(6):
            at = 1_800_000_001.0 + 60 * slot
            await asyncio.gather(*(defer(at) for _ in range(3)))
            # The jobs have run: what waits would hold back the next slot.
            await db.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo'")
            await db.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE status = 'doing'")
            await defer(at + 1)
        cursor = await db.execute(
            "SELECT task_name, count(*), count(DISTINCT args ->> 'timestamp') FROM procrastinate_jobs"
            " GROUP BY task_name"
        )
        jobs = {task: counts for task, *counts in await cursor.fetchall()}
    assert [task for task, (number, slots) in jobs.items() if number != slots] == []
    assert jobs["ai.release_expired_reservations"] == [6, 6], "every minute"
