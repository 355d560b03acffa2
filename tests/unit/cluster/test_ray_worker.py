"""The program that starts a local node's workers: Ray's worker at once, or Ray's set-up program when it has work."""

from __future__ import annotations

import json

import pytest

from cluster.ray_worker import program_arguments

WORKER = "/ray/workers/default_worker.py"
OPTIONS = ["--node-ip-address=127.0.0.1", "--worker-id=12"]


@pytest.mark.parametrize(
    "environment", [None, "", "{}", json.dumps({"py_executable": "/venv/bin/python", "env_vars": {}})]
)
def test_without_a_runtime_environment_the_worker_runs_at_once(environment: str | None) -> None:
    set_up = ["--language=PYTHON"]
    if environment is not None:
        set_up.append(f"--serialized-runtime-env-context={environment}")
    assert program_arguments([WORKER, *OPTIONS, *set_up]) == [WORKER, *OPTIONS]


@pytest.mark.parametrize(
    "option",
    [
        "--language=JAVA",
        "--serialized-runtime-env-context=" + json.dumps({"env_vars": {"A": "1"}}),
        "--serialized-runtime-env-context=" + json.dumps({"command_prefix": ["nice"]}),
    ],
)
def test_with_a_runtime_environment_rays_own_program_applies_it(option: str) -> None:
    arguments = [WORKER, *OPTIONS, option]
    assert program_arguments(arguments) == ["/ray/workers/setup_worker.py", *arguments]
