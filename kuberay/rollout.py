"""Wait until a roll-out of the RayService is complete.

`python -m kuberay.rollout [--context C] [--timeout SECONDS] [--unfinished CLUSTER]`

The conditions of the RayService alone do not tell. `Ready` describes the old cluster until the traffic moves, neither
condition changes when only `serveConfigV2` changes, and the status of the reconciliation that sends a configuration to
Serve still holds the application's status from before (KubeRay 1.7.0, `rayservice_controller.go`, `reconcileServe`). So
all of it is read together, and must stay complete for a while.

While an upgrade is not complete, the operator compares a new manifest with the cluster that is being built, never with
the one that serves (`shouldPrepareNewCluster`): also a revert builds another cluster, and the unfinished one would
stand beside both until the end of its deletion delay. It is deleted here as soon as the operator has given it up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Longer than several reconciliations (every 2 s), so that a configuration just sent to Serve shows as DEPLOYING.
SETTLED_S = 15.0
#: The interval at which the RayService is read, in seconds.
POLL_S = 3.0
#: Reasons of `Ready=False` from which the operator does not recover without a new manifest.
_TERMINAL_REASONS = frozenset({"ValidationFailed", "InitializingTimeout"})
_NAMESPACE = "trailmind"


@dataclass(frozen=True, slots=True)
class RolloutState:
    """How far a roll-out is; `text` is a sentence for the operator."""

    status: Literal["waiting", "complete", "failed"]
    text: str


def rollout_state(service: Mapping[str, Any]) -> RolloutState:
    """The state of the roll-out of `service`, a RayService as `kubectl get -o json` prints it."""
    status = service.get("status") or {}
    generation, observed = service["metadata"].get("generation", 0), status.get("observedGeneration", 0)
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "False" and ready.get("reason") in _TERMINAL_REASONS:
        return RolloutState("failed", f"{ready['reason']}: {ready.get('message', '')}")
    if observed < generation:
        return RolloutState("waiting", f"the operator has seen generation {observed} of {generation}")
    active, pending = (status.get(f"{name}ServiceStatus") or {} for name in ("active", "pending"))
    for name, application in _applications(active, pending):
        if application.get("status") == "DEPLOY_FAILED":
            return RolloutState("failed", f"application {name}: DEPLOY_FAILED: {application.get('message', '')}")
    if pending.get("rayClusterName"):
        states = ", ".join(f"{name} {a.get('status')}" for name, a in _applications(pending)) or "no application yet"
        return RolloutState("waiting", f"cluster {pending['rayClusterName']} is being built: {states}")
    applications = list(_applications(active))
    waiting = [
        f"{name} {a.get('status') or 'has no status'}" for name, a in applications if a.get("status") != "RUNNING"
    ]
    if waiting or not applications:
        return RolloutState("waiting", f"applications: {', '.join(waiting) or 'none yet'}")
    if ready.get("status") != "True" or not status.get("numServeEndpoints"):
        return RolloutState("waiting", "no serve Pod is ready")
    if conditions.get("UpgradeInProgress", {}).get("status") != "False":
        return RolloutState("waiting", "the upgrade is in progress")
    return RolloutState(
        "complete", f"cluster {active.get('rayClusterName')} serves with {status['numServeEndpoints']} endpoints"
    )


def is_given_up(service: Mapping[str, Any], cluster: str) -> bool:
    """Whether the operator has seen the manifest and neither serves from `cluster` nor builds it any more."""
    status = service.get("status") or {}
    if status.get("observedGeneration", 0) < service["metadata"].get("generation", 0):
        return False
    names = [(status.get(f"{name}ServiceStatus") or {}).get("rayClusterName") for name in ("active", "pending")]
    return any(names) and cluster not in names


def _applications(*services: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [item for service in services for item in (service.get("applicationStatuses") or {}).items()]


def wait_for_rollout(
    read: Callable[[], Mapping[str, Any]],
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] = print,
    unfinished: str | None = None,
    delete: Callable[[str], None] = lambda _: None,
) -> RolloutState:
    """Read the RayService until it is complete for SETTLED_S, has failed, or `timeout_s` has passed; the last state.

    `report` receives each sentence that differs from the one before. `unfinished` is the cluster that was being built
    before the manifest was applied; it is passed to `delete` once the operator has given it up. Errors of `read` and
    `delete` are raised.
    """
    started, complete_since, last = clock(), None, ""
    while True:
        service = read()
        if unfinished is not None and is_given_up(service, unfinished):
            report(f"the unfinished cluster {unfinished} is deleted, so that only two need capacity")
            delete(unfinished)
            unfinished = None
        state = rollout_state(service)
        now = clock()
        if state.text != last:
            report(state.text)
            last = state.text
        complete_since = (complete_since or now) if state.status == "complete" else None
        if state.status == "failed" or (complete_since is not None and now - complete_since >= SETTLED_S):
            return state
        if now - started >= timeout_s:
            return RolloutState("failed", f"not complete after {timeout_s:.0f} s: {state.text}")
        sleep(POLL_S)


def main() -> int:
    """The program; 0 when the roll-out is complete."""
    parser = argparse.ArgumentParser(prog="python -m kuberay.rollout", description=__doc__.splitlines()[0])
    parser.add_argument("--context", help="the context of kubectl")
    parser.add_argument("--timeout", type=float, default=2700.0, help="seconds; 2700 by default")
    parser.add_argument("--unfinished", help="the cluster that was being built before the manifest was applied")
    arguments = parser.parse_args()
    context = ["--context", arguments.context] if arguments.context else []

    def kubectl(*words: str) -> bytes:
        return subprocess.run(["kubectl", *context, "-n", _NAMESPACE, *words], check=True, capture_output=True).stdout

    def read() -> Mapping[str, Any]:
        service: Mapping[str, Any] = json.loads(kubectl("get", "rayservice/trailmind", "-o", "json"))
        return service

    def delete(cluster: str) -> None:
        kubectl("delete", f"raycluster/{cluster}", "--ignore-not-found", "--wait=false")

    try:
        state = wait_for_rollout(
            read, timeout_s=arguments.timeout, unfinished=arguments.unfinished or None, delete=delete
        )
    except subprocess.CalledProcessError as error:
        print(f"kubectl failed: {error.stderr.decode(errors='replace').strip()}", file=sys.stderr)
        return 1
    if state.status == "complete":
        return 0
    print(f"the roll-out failed: {state.text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
