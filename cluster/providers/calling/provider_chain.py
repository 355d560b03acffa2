"""Tries the models of a chain in order until one succeeds or all have failed."""

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

#: Reasons of a refusal that every further call would meet as well.
_PERMANENT_REASONS = {"bad_key", "no_credit", "forbidden", "no_such_model"}
MAX_ROUNDS = 4


class NoProviderAvailable(ProviderError):
    """Every provider of the chain was tried, and all failed. `reason` is that of the last one."""

    code = "NO_PROVIDER"


class ProviderChain:
    """The models of a task in order. Skips those that have refused a call permanently.

    `deadline` is a time on `clock`, in seconds.
    """

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

    def next_provider(self) -> ModelProvider | None:
        """The provider that a call tries first; None when all have refused a call permanently."""
        return next((each for each in self._providers if each.target.key not in self._unusable), None)

    async def run(self, call: Callable[[ModelProvider], Awaitable[Value]]) -> tuple[Value, ModelProvider]:
        """The result of the first provider for which `call` succeeds, and that provider.

        When at least one provider was throttled, waits and starts another round, within the deadline.

        Raises:
            NoProviderAvailable: all providers failed.
            SessionGone: the session or the account was deleted.
            OutOfTokens: the user's tokens do not cover the call.
        """
        reason = "none_configured"
        for _ in range(MAX_ROUNDS):
            retry_waits_s: list[float] = []
            for provider in self._providers:
                if provider.target.key in self._unusable:
                    continue
                try:
                    return await call(provider), provider
                except SessionGone:
                    raise
                except ProviderError as error:
                    reason = error.reason
                    log.warning("provider_skipped", provider=provider.name, code=error.code, reason=error.reason)
                    if isinstance(error, ProviderThrottled):
                        retry_waits_s.append(max(0.05, error.retry_after_s or 0.0))
                    elif isinstance(error, ProviderRefused) and error.reason in _PERMANENT_REASONS:
                        self._unusable.add(provider.target.key)
            if not retry_waits_s or self._clock() + min(retry_waits_s) >= self._deadline:
                break
            await self._sleep(min(retry_waits_s))
        raise NoProviderAvailable("all", reason)
