"""The roll-out script against a kubectl that writes down what it is asked and answers as told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kuberay.checks.manifests import KUBERAY

_KUBECTL = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
case "$*" in
  *"wait job/trailmind-migrate"*) exit "${MIGRATION:-0}" ;;
  *"get rayservice/trailmind -o jsonpath"*) printf "%s" "${UNFINISHED-}"; exit "${RAYSERVICE_CODE:-0}" ;;
  *"get externalsecrets"*) printf "%s" "${EXTERNAL_SECRETS-}"; exit "${EXTERNAL_SECRETS_CODE:-0}" ;;
  *"wait externalsecrets"*)
    if [[ -z "${EXTERNAL_SECRETS-}" ]]; then echo "error: no matching resources found" >&2; exit 1; fi ;;
  *"apply --server-side --force-conflicts"*) ;;
  *"apply --server-side"*"phase=serve")
    # The answer of a real API server after KubeRay 1.7.0 has added its finalizer.
    echo 'error: Apply failed with 1 conflict: conflict with "kuberay-operator" using ray.io/v1:' \
      '.spec.rayClusterConfig.workerGroupSpecs' >&2
    exit 1 ;;
esac
"""
_PYTHON = """#!/usr/bin/env bash
echo "python $*" >> "$CALLS"
case "$*" in
  *kuberay.checks*) exit "${CHECKS:-0}" ;;
  *kuberay.rollout*) exit "${ROLLOUT:-0}" ;;
esac
"""


@pytest.fixture
def deploy(tmp_path: Path) -> object:
    for name, text in (("kubectl", _KUBECTL), ("python", _PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()

    def run(*arguments: str, **answers: str) -> tuple[int, list[str], str]:
        environ = {
            **os.environ,
            **answers,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHON": str(tmp_path / "python"),
            "CALLS": str(calls),
        }
        script = KUBERAY / "scripts" / "deploy.sh"
        done = subprocess.run(
            ["bash", script, *arguments], env=environ, capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, calls.read_text().splitlines(), done.stderr

    return run


def _phases(calls: list[str]) -> list[str]:
    return [call.rpartition("trailmind.dev/phase=")[2] for call in calls if "trailmind.dev/phase=" in call]


def test_it_checks_then_prepares_migrates_and_serves(deploy) -> None:  # type: ignore[no-untyped-def]
    code, calls, _ = deploy("eks", "--context", "somewhere")
    assert code == 0
    assert calls[0] == "python -m kuberay.checks --deploy eks"
    assert _phases(calls) == ["prepare", "migrate", "serve"]
    waited = next(i for i, call in enumerate(calls) if "wait job/trailmind-migrate" in call)
    served = next(i for i, call in enumerate(calls) if call.endswith("phase=serve"))
    assert waited < served
    assert "python -m kuberay.rollout --context somewhere" in calls[served:]
    assert all(call.startswith("--context somewhere ") for call in calls[1:] if not call.startswith("python "))


def test_a_later_rollout_overrules_the_operators_ownership(deploy) -> None:  # type: ignore[no-untyped-def]
    code, _, output = deploy("eks")
    assert (code, output) == (0, "")


@pytest.mark.parametrize(
    ("answers", "argument"),
    [
        ({"UNFINISHED": ""}, ""),
        ({"RAYSERVICE_CODE": "1"}, ""),  # the first roll-out
        ({"UNFINISHED": "trailmind-bad"}, " --unfinished trailmind-bad"),
    ],
)
def test_an_unfinished_upgrade_is_known_before_the_manifest_is_applied(deploy, answers, argument) -> None:  # type: ignore[no-untyped-def]
    code, calls, _ = deploy("eks", **answers)
    assert code == 0
    assert f"python -m kuberay.rollout{argument}" in calls
    read = next(i for i, call in enumerate(calls) if "pendingServiceStatus" in call)
    assert read < next(i for i, call in enumerate(calls) if call.endswith("phase=serve"))


def test_a_rollout_that_does_not_complete_fails(deploy) -> None:  # type: ignore[no-untyped-def]
    code, calls, _ = deploy("eks", ROLLOUT="1")
    assert code == 1
    assert _phases(calls) == ["prepare", "migrate", "serve"]


@pytest.mark.parametrize(
    ("answers", "is_awaited"),
    [
        ({"EXTERNAL_SECRETS_CODE": "1"}, False),  # the kind is not installed
        ({"EXTERNAL_SECRETS": ""}, False),  # installed, and the namespace has none
        ({"EXTERNAL_SECRETS": "externalsecret.external-secrets.io/trailmind\n"}, True),
    ],
)
def test_only_existing_external_secrets_are_awaited(deploy, answers, is_awaited) -> None:  # type: ignore[no-untyped-def]
    code, calls, output = deploy("eks", **answers)
    assert (code, output) == (0, "")
    assert any("wait externalsecrets" in call for call in calls) is is_awaited


def test_a_failed_migration_does_not_change_the_service(deploy) -> None:  # type: ignore[no-untyped-def]
    code, calls, output = deploy("kind", MIGRATION="1")
    assert code == 1
    assert _phases(calls) == ["prepare", "migrate"]
    assert "the service was left as it is" in output


def test_invalid_manifests_are_not_applied(deploy) -> None:  # type: ignore[no-untyped-def]
    code, calls, _ = deploy("eks", CHECKS="1")
    assert code != 0
    assert calls == ["python -m kuberay.checks --deploy eks"]


def test_the_overlay_is_required(deploy) -> None:  # type: ignore[no-untyped-def]
    code, calls, output = deploy()
    assert code != 0
    assert calls == []
    assert "usage: deploy.sh OVERLAY" in output
