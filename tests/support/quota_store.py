"""A quota store in memory, on the clock of the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from actors.quota_state import QuotaState

Result = TypeVar("Result")


class MemoryQuotaStore:
    """Implements actors.provider_limiter.QuotaStore. Set `state` to None to lose the shared state."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.state: QuotaState | None = None

    async def update(self, change: Callable[[QuotaState, float], Result]) -> Result:
        """Run `change(state, now)` once; a missing state starts cold."""
        now = self._clock()
        if self.state is None:
            self.state = QuotaState(at=now)
        return change(self.state, now)
