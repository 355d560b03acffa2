"""One provider after another, until one can do it or all have said no."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from cluster.providers.calling.model_client import ModelProvider
from cluster.providers.types import ProviderError, ProviderRefused, ProviderThrottled, SessionGone

log = structlog.get_logger("providers")

Value = TypeVar("Value")

#: Refusals that every further call would meet as well.
_PERMANENT_REASONS = {"bad_key", "no_credit", "forbidden", "no_such_model"}
MAX_ROUNDS = 4


class NoProviderAvailable(ProviderError):
    """Every provider of the chain was tried, and none could do it. `reason` is that of the last."""

    code = "NO_PROVIDER"


class ProviderChain:
    """The models of a task in order. Remembers, for as long as it lives, which of them are of no use."""

    def __init__(
        self,
        providers: Sequence[ModelProvider],
        *,
        deadline: float,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._providers, self._deadline, self._clock, self._sleep = list(providers), deadline, clock, sleep
        self._unusable: set[str] = set()

    async def run(self, call: Callable[[ModelProvider], Awaitable[Value]]) -> tuple[Value, ModelProvider]:
        """What the first that can says. When all that is in the way is a quota, waits for it while there is time.

        Raises NoProvider, and whatever has nothing to do with a provider: OutOfTokens, SessionGone.
        """
        reason = "none_configured"
        for _ in range(MAX_ROUNDS):
            soonest: float | None = None
            for provider in self._providers:
                if provider.target.key in self._unusable:
                    continue
                try:
                    return await call(provider), provider
                except SessionGone:
                    raise
                except ProviderError as error:
                    reason = error.reason
                    log.warning("provider_passed_over", provider=provider.name, code=error.code, reason=error.reason)
                    if isinstance(error, ProviderThrottled):
                        wait = max(0.05, error.retry_after_s or 0.0)
                        soonest = wait if soonest is None else min(soonest, wait)
                    elif isinstance(error, ProviderRefused) and error.reason in _PERMANENT_REASONS:
                        self._unusable.add(provider.target.key)
            if soonest is None or self._clock() + soonest >= self._deadline:
                break
            await self._sleep(soonest)
        raise NoProviderAvailable("all", reason)
