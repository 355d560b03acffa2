"""How the roll-out script decides that a RayService serves: states as KubeRay 1.7.0 writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kuberay.rollout import POLL_S, SETTLED_S, is_given_up, rollout_state, wait_for_rollout


def _service(
    *,
    generation: int = 2,
    observed: int = 2,
    ready: str = "True",
    reason: str = "NonZeroServeEndpoints",
    upgrading: str = "False",
    endpoints: int = 2,
    application: str | None = "RUNNING",
    pending: str | None = None,
    pending_application: str | None = None,
) -> dict[str, Any]:
    def applications(status: str | None) -> dict[str, Any]:
        return {"trailmind": {"status": status, "message": "a reason"}} if status else {}

    return {
        "metadata": {"generation": generation},
        "status": {
            "observedGeneration": observed,
            "numServeEndpoints": endpoints,
            "conditions": [
                {"type": "Ready", "status": ready, "reason": reason, "message": "a message"},
                {"type": "UpgradeInProgress", "status": upgrading, "reason": "NoPendingCluster"},
            ],
            "activeServiceStatus": {
                "rayClusterName": "trailmind-old",
                "applicationStatuses": applications(application),
            },
            "pendingServiceStatus": {
                "rayClusterName": pending,
                "applicationStatuses": applications(pending_application),
            }
            if pending
            else {},
        },
    }


@pytest.mark.parametrize(
    ("service", "status", "words"),
    [
        (_service(), "complete", "cluster trailmind-old serves with 2 endpoints"),
        (_service(observed=1), "waiting", "generation 1 of 2"),
        (_service(observed=3), "complete", "serves"),
        (_service(application="DEPLOYING"), "waiting", "trailmind DEPLOYING"),
        (_service(application="UNHEALTHY"), "waiting", "trailmind UNHEALTHY"),
        (_service(application=None), "waiting", "none yet"),
        (_service(application="DEPLOY_FAILED"), "failed", "DEPLOY_FAILED: a reason"),
        (_service(pending="trailmind-new"), "waiting", "trailmind-new is being built: no application yet"),
        (
            _service(pending="trailmind-new", upgrading="True", pending_application="DEPLOY_FAILED"),
            "failed",
            "a reason",
        ),
        (_service(endpoints=0, ready="False", reason="ZeroServeEndpoints"), "waiting", "no serve Pod is ready"),
        (_service(ready="False", reason="ValidationFailed", observed=1), "failed", "ValidationFailed: a message"),
        (_service(ready="False", reason="InitializingTimeout"), "failed", "InitializingTimeout"),
        ({"metadata": {"generation": 1}}, "waiting", "generation 0 of 1"),
    ],
)
def test_the_state_of_a_rollout(service: Mapping[str, Any], status: str, words: str) -> None:
    state = rollout_state(service)
    assert state.status == status
    assert words in state.text


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _wait(states: list[dict[str, Any]], timeout_s: float = 600) -> tuple[str, list[str], float]:
    clock, said, rest = _Clock(), list[str](), list(states)

    def read() -> dict[str, Any]:
        return rest.pop(0) if len(rest) > 1 else rest[0]

    state = wait_for_rollout(read, timeout_s=timeout_s, clock=lambda: clock.now, sleep=clock.sleep, report=said.append)
    return state.status, said, clock.now


def test_a_configuration_that_was_just_sent_is_awaited() -> None:
    # The reconciliation that sends a configuration still reports the status from before it.
    status, said, _ = _wait([_service(), _service(application="DEPLOYING"), _service(application="DEPLOY_FAILED")])
    assert status == "failed"
    assert [text.split(" ")[0] for text in said] == ["cluster", "applications:", "application"]


def test_the_finalizer_that_moves_the_generation_is_no_failure() -> None:
    # The operator adds its finalizer after the first read: the generation moves from 1 to 2.
    status, _, seconds = _wait([_service(generation=1, observed=0), _service(generation=2, observed=1), _service()])
    assert status == "complete"
    assert seconds >= 2 * POLL_S + SETTLED_S


def test_the_old_cluster_s_readiness_is_not_the_new_one_s() -> None:
    building = _service(pending="trailmind-new", upgrading="True", pending_application="RUNNING")
    status, _, seconds = _wait([building] * 10 + [_service(endpoints=0, ready="False"), _service()])
    assert status == "complete"
    assert seconds >= 11 * POLL_S + SETTLED_S


def test_a_rollout_that_never_completes_ends_with_the_last_state() -> None:
    status, said, seconds = _wait([_service(pending="trailmind-new")], timeout_s=60)
    assert status == "failed"
    assert len(said) == 1
    assert 60 <= seconds < 60 + 2 * POLL_S


@pytest.mark.parametrize(
    ("service", "is_it"),
    [
        (_service(pending="trailmind-bad"), False),
        (_service(pending="trailmind-next", observed=1), False),
        (_service(pending="trailmind-next"), True),
        (_service(), True),
        ({"metadata": {"generation": 1}}, False),
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}, False),
    ],
)
def test_a_cluster_is_given_up_when_the_operator_names_others(service: Mapping[str, Any], is_it: bool) -> None:
    assert is_given_up(service, "trailmind-bad") is is_it
    assert not is_given_up(service, "trailmind-old")


def test_a_revert_deletes_the_unfinished_cluster_once_and_only_when_the_operator_builds_another() -> None:
    clock, deleted = _Clock(), list[tuple[str, int]]()
    answers = [
        _service(pending="trailmind-bad", observed=1),
        _service(pending="trailmind-bad", upgrading="True"),
        _service(pending="trailmind-next", upgrading="True"),
        _service(pending="trailmind-next", upgrading="True"),
    ]
    state = wait_for_rollout(
        lambda: answers.pop(0) if answers else _service(),
        timeout_s=1_000,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        report=lambda _: None,
        unfinished="trailmind-bad",
        delete=lambda cluster: deleted.append((cluster, len(answers))),
    )
    assert state.status == "complete"
    assert deleted == [("trailmind-bad", 1)]
