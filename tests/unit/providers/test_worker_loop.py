"""The event loop of a worker process: a cancelled Ray task cancels its step whenever the cancellation arrives."""

from __future__ import annotations

import _thread
import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.providers import tasks


@pytest.fixture
def interrupts() -> Iterator[None]:
    """An interrupt raises `KeyboardInterrupt`, also where a shell that runs the tests in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_an_interrupted_run_cancels_its_step_and_waits_for_it(monkeypatch: pytest.MonkeyPatch, delay_s: float) -> None:
    """Ray interrupts the main thread, in the first case before that thread knows that the step has started."""
    events: list[str] = []

    async def step(config: Any, connections: Any) -> None:
        await asyncio.sleep(delay_s)
        _thread.interrupt_main()
        events.append("started")
        try:
            await asyncio.sleep(60)
        finally:
            events.append("cleaned up")

    monkeypatch.setattr(tasks, "_worker_config", lambda: None)
    monkeypatch.setattr(tasks, "ProviderConnections", lambda config: None)
    with pytest.raises(KeyboardInterrupt):
        tasks._WorkerLoop().run(step)
    assert events == ["started", "cleaned up"]


def test_a_run_returns_the_result_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async def step(config: Any, connections: Any) -> int:
        return 7

    monkeypatch.setattr(tasks, "_worker_config", lambda: None)
    monkeypatch.setattr(tasks, "ProviderConnections", lambda config: None)
    assert tasks._WorkerLoop().run(step) == 7
