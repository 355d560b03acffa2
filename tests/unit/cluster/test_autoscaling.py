"""Autoscaling decisions: within bounds, enough for all pending jobs, stable while PostgreSQL is unavailable."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve.config import AutoscalingConfig

from cluster.scheduling.autoscaling import (
    IDLE_BEFORE_DOWNSCALE_S,
    QueuePolicy,
    api_autoscaling,
    read_queues,
    target_workers,
    worker_autoscaling,
)
from models.jobs import QueueLoad
from tests.conftest import Stores

counts = st.integers(0, 500)


@given(counts, counts, st.floats(0, 1000), st.integers(0, 60), st.integers(1, 8), st.floats(0, 1000))
def test_the_target_is_within_bounds_and_suffices_for_pending_jobs(
    pending: int, running: int, oldest: float, current: int, per_worker: int, idle: float
) -> None:
    load = QueueLoad(pending, running, oldest)
    num_workers = target_workers(load, current=current, jobs_per_worker=per_worker, minimum=0, maximum=50, idle_s=idle)
    assert 0 <= num_workers <= 50
    if pending:
        assert num_workers >= min(50, max(1, current)), "no worker is removed while a job is pending"
        assert num_workers * per_worker >= min(50 * per_worker, pending + running)
    elif running:
        assert num_workers >= min(50, current - 1)


def target(pending: int, running: int, current: int, oldest_s: float = 0.0, idle_s: float = 0.0) -> int:
    load = QueueLoad(pending, running, oldest_s)
    return target_workers(load, current=current, jobs_per_worker=2, minimum=0, maximum=10, idle_s=idle_s)


@pytest.mark.parametrize(
    ("pending", "running", "current", "oldest_s", "idle_s", "expected"),
    [
        (1, 0, 0, 0.0, 0.0, 1),  # the first worker
        (9, 0, 1, 0.0, 0.0, 5),  # enough to run all at once
        (500, 0, 1, 0.0, 0.0, 10),  # at most the maximum
        (1, 2, 2, 60.0, 0.0, 3),  # enough by count, but a job is late
        (0, 3, 4, 0.0, 0.0, 3),  # one fewer while a job runs
        (0, 0, 4, 0.0, 10.0, 4),  # idle for a short time
        (0, 0, 4, 0.0, IDLE_BEFORE_DOWNSCALE_S, 0),  # idle for a long time
    ],
)
def test_decisions(pending: int, running: int, current: int, oldest_s: float, idle_s: float, expected: int) -> None:
    assert target(pending, running, current, oldest_s, idle_s) == expected


def test_contradictory_bounds_are_rejected() -> None:
    with pytest.raises(ValueError, match="cannot have 3 to 2"):
        target_workers(QueueLoad(0, 0), current=0, jobs_per_worker=2, minimum=3, maximum=2, idle_s=0)
    with pytest.raises(ValueError, match="at least one replica"):
        api_autoscaling(0, 4)


def context(target: int) -> SimpleNamespace:
    return SimpleNamespace(
        target_num_replicas=target, capacity_adjusted_min_replicas=0, capacity_adjusted_max_replicas=5
    )


def test_the_policy_follows_the_queue_and_keeps_its_target_when_the_queue_cannot_be_read() -> None:
    loads: list[QueueLoad | Exception] = [QueueLoad(3, 0)]
    now = [0.0]

    def read() -> QueueLoad:
        if isinstance(loads[0], Exception):
            raise loads[0]
        return loads[0]

    policy = QueuePolicy(2, read=read, clock=lambda: now[0], in_background=False)
    assert policy(context(0)) == (2, {"pending": 3, "running": 0})
    now[0], loads[0] = 5.0, psycopg.OperationalError()
    assert policy(context(2)) == (2, {})
    now[0], loads[0] = 10.0, QueueLoad(0, 0)
    assert policy(context(2))[0] == 2
    now[0] = 11.0 + IDLE_BEFORE_DOWNSCALE_S
    assert policy(context(2))[0] == 0


def test_ray_accepts_the_configurations() -> None:
    worker = AutoscalingConfig(**worker_autoscaling(0, 20, 2))
    assert worker.policy.get_policy is not None
    assert AutoscalingConfig(**api_autoscaling(2, 16)).target_ongoing_requests == 100
    assert pickle.loads(pickle.dumps(QueuePolicy(3)))._jobs_per_worker == 3


def test_the_load_of_the_queues_is_read_from_postgresql(stores: Stores) -> None:
    with psycopg.connect(stores.libpq, autocommit=True) as db:
        before = read_queues(stores.libpq, ["maps", "mail"])
        db.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status) VALUES"
            " ('maps', 'test.none', 0, '{}', 'todo'), ('maps', 'test.none', 0, '{}', 'doing'),"
            " ('mail', 'test.none', 0, '{}', 'todo'), ('maintenance', 'test.none', 0, '{}', 'todo')"
        )
        after = read_queues(stores.libpq, ["maps", "mail"])
        db.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'test.none'")
    assert (after.pending, after.running) == (before.pending + 2, before.running + 1)
