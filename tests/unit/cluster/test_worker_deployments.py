"""Which deployments run jobs, and what they take from the cluster."""

from __future__ import annotations

import pytest

from cluster.ray_internals import application_deployments
from cluster.scheduling.queues import MAINTENANCE_QUEUES, generation_queues
from cluster.settings import load_settings
from models.jobs import MAPS, QUEUES
from serve.deployments import build


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("TRAILMIND_NUM_WORKERS", request.param)
    monkeypatch.setenv("TRAILMIND_MAX_WORKERS", "3")


@pytest.mark.parametrize("environment", ["0"], indirect=True)
@pytest.mark.usefixtures("environment")
def test_where_workers_may_be_none_the_other_jobs_have_a_worker() -> None:
    assert application_deployments(build()) == {"Api", "GenerationWorker", "MaintenanceWorker"}
    assert generation_queues(load_settings()) == (MAPS,)
    assert {MAPS, *MAINTENANCE_QUEUES} == set(QUEUES)


@pytest.mark.parametrize("environment", ["1"], indirect=True)
@pytest.mark.usefixtures("environment")
def test_where_a_worker_always_runs_it_runs_every_job() -> None:
    assert application_deployments(build()) == {"Api", "GenerationWorker"}
    assert generation_queues(load_settings()) == QUEUES
