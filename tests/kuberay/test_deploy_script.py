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
  *"get externalsecrets"*) exit 1 ;;
  *"get rayservice/trailmind -o"*) echo 7 ;;
esac
"""
_PYTHON = """#!/usr/bin/env bash
echo "python $*" >> "$CALLS"
exit "${CHECKS:-0}"
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
    assert any("observedGeneration}=7" in call for call in calls[served:])
    assert all(call.startswith("--context somewhere ") for call in calls[1:])


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
