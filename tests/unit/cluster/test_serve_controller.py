"""The changes to the controller of Ray Serve on a local server (`economize_serve_controller`)."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve.schema import ApplicationStatus, ProxyStatus

from cluster.ray_internals import economize_serve_controller

SERVES_INTERVAL_S = 0.1
controller: Any = importlib.import_module("ray.serve._private.controller")
ApplicationStateManager: Any = importlib.import_module("ray.serve._private.application_state").ApplicationStateManager
ProxyStateManager: Any = importlib.import_module("ray.serve._private.proxy_state").ProxyStateManager


class _Applications(SimpleNamespace):
    def list_app_statuses(self) -> dict[str, Any]:
        return {name: SimpleNamespace(status=status) for name, status in self.statuses.items()}


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The updates that ran, with the functions of Serve replaced, and restored after the test."""
    ran: list[str] = []
    monkeypatch.setattr(ApplicationStateManager, "update", lambda _: ran.append("applications"))
    monkeypatch.setattr(ProxyStateManager, "update", lambda *_, **__: ran.append("proxies"))
    monkeypatch.setattr(ProxyStateManager, "_start_fallback_proxy_if_needed", None)
    monkeypatch.setattr(controller, "CONTROL_LOOP_INTERVAL_S", SERVES_INTERVAL_S)
    economize_serve_controller()
    return ran


def interval_after(applications: dict[str, ApplicationStatus], proxies: dict[str, ProxyStatus]) -> float:
    """The interval of the control loop after one round in which Serve finds these statuses."""
    ApplicationStateManager.update(_Applications(statuses=applications))
    details = {node: SimpleNamespace(status=status) for node, status in proxies.items()}
    ProxyStateManager.update(SimpleNamespace(get_proxy_details=lambda: details), proxy_nodes={"a"})
    return float(controller.CONTROL_LOOP_INTERVAL_S)


def test_the_control_loop_is_slow_only_while_everything_runs(updates: list[str]) -> None:
    running, healthy = {"trailmind": ApplicationStatus.RUNNING}, {"a": ProxyStatus.HEALTHY}
    assert interval_after({}, {}) == SERVES_INTERVAL_S
    assert interval_after({"trailmind": ApplicationStatus.DEPLOYING}, healthy) == SERVES_INTERVAL_S
    assert interval_after(running, {"a": ProxyStatus.STARTING}) == SERVES_INTERVAL_S
    assert interval_after(running, healthy) == 1.0
    assert interval_after({"trailmind": ApplicationStatus.UNHEALTHY}, healthy) == SERVES_INTERVAL_S
    assert interval_after(running, {"a": ProxyStatus.UNHEALTHY}) == SERVES_INTERVAL_S
    assert interval_after(running, healthy) == 1.0
    assert updates == ["applications", "proxies"] * 7


def test_no_fallback_proxy_starts(updates: list[str]) -> None:
    manager: Any = SimpleNamespace(_head_node_id="a", _running_native_proxies=True, _fallback_proxy_state=None)
    ProxyStateManager._start_fallback_proxy_if_needed(manager, "a", "127.0.0.1", "i")
    assert manager._fallback_proxy_state is None
