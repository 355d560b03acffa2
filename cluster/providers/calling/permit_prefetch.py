"""Requests rate-limit permits for one scope's calls, one call ahead while more calls are pending.

A call that follows another needs no concurrency slot of its own: it starts when the other has ended. Its permit is
therefore requested while the other call is still running (`PermitRequest.after`). The request takes its turn in the
limiter's queue, and the permit is usually granted before it is needed, which hides the round trip to the limiter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from actors.provider_limiter import CallOutcome, LimiterRefused, Permit, PermitRequest, QuotaLimiter
from actors.quota_state import RateLimit
from cluster.providers.model_catalog import ModelSpec, effective_spec
from cluster.providers.types import ModelTarget, ProviderThrottled

log = structlog.get_logger("providers")

#: The longest wait for a permit in seconds, by `is_interactive`; after it the next provider is tried.
MAX_WAIT_S = {True: 20.0, False: 60.0}
#: A prefetched permit for more than this multiple of the call's tokens is released instead: it would waste quota.
_MAX_SIZE_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class _PrefetchedPermit:
    target: ModelTarget
    tokens: int
    pending: asyncio.Task[Permit]


class PermitPrefetcher:
    """See the module.

    Args:
        limiter: Finds the limiter of a target.
        new_request: Builds the request for a target, a number of tokens and the id of the preceding permit or "".
        num_pending: Returns the number of calls that will follow those already started.
    """

    def __init__(
        self,
        limiter: Callable[[ModelTarget], QuotaLimiter],
        new_request: Callable[[ModelTarget, int, str], PermitRequest],
        num_pending: Callable[[], int],
    ) -> None:
        self._limiter, self._new_request, self._num_pending = limiter, new_request, num_pending
        self._prefetched: dict[str, deque[_PrefetchedPermit]] = {}
        self._largest_tokens: dict[str, int] = {}
        self._background: set[asyncio.Task[None]] = set()

    def acquire(self, target: ModelTarget, tokens: int) -> asyncio.Task[Permit]:
        """A task that returns a permit for at most `tokens`; it raises ProviderThrottled."""
        queue = self._prefetched.get(target.key)
        while queue:
            permit = queue.popleft()
            if not _has_failed(permit.pending) and tokens <= permit.tokens <= tokens * _MAX_SIZE_RATIO:
                return permit.pending
            self.release(target, permit.pending)
        return asyncio.ensure_future(self._reserve(target, tokens, ""))

    def prefetch(self, target: ModelTarget, tokens: int, count: int) -> None:
        """Request permits for the first `count` calls before they are made."""
        self._largest_tokens[target.key] = max(tokens, self._largest_tokens.get(target.key, 0))
        for _ in range(count):
            self._prefetch_one(target, tokens, "")

    def prefetch_next(self, target: ModelTarget, tokens: int, permit: Permit) -> None:
        """A call starts with `permit`: request the permit of the call that may follow it, if calls are pending."""
        queue = self._prefetched.get(target.key, ())
        # The size of the largest call so far: calls of one request are similar, and unused tokens are released.
        largest = self._largest_tokens[target.key] = max(tokens, self._largest_tokens.get(target.key, 0))
        if self._num_pending() > len(queue):
            self._prefetch_one(target, largest, permit.permit_id)

    def settle(self, target: ModelTarget, permit: Permit, outcome: CallOutcome) -> asyncio.Task[None]:
        """Report the outcome of a call to the limiter. After a failure, release the prefetched permits."""
        if outcome.kind != "ok":
            for prefetched in self._prefetched.pop(target.key, ()):
                self.release(target, prefetched.pending)
        return self._in_background(self._settle(target, permit, outcome))

    def release(self, target: ModelTarget, pending: asyncio.Task[Permit]) -> None:
        """Return a permit that will not be used, as soon as it is granted."""
        self._in_background(self._release_unused(target, pending))

    async def close(self) -> None:
        """Release the prefetched permits, and wait until all outcomes are reported."""
        unused = [permit for queue in self._prefetched.values() for permit in queue]
        self._prefetched.clear()
        for permit in unused:
            # Cancelling a waiting request removes it from the limiter's queue; a granted permit is released.
            if not permit.pending.cancel():
                self.release(permit.target, permit.pending)
        await asyncio.gather(*(permit.pending for permit in unused), return_exceptions=True)
        await asyncio.gather(*self._background)

    def _prefetch_one(self, target: ModelTarget, tokens: int, after: str) -> None:
        pending = asyncio.ensure_future(self._reserve(target, tokens, after))
        # Retrieves the exception of a request that nothing awaits.
        pending.add_done_callback(_has_failed)
        self._prefetched.setdefault(target.key, deque()).append(_PrefetchedPermit(target, tokens, pending))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _reserve(self, target: ModelTarget, tokens: int, after: str) -> Permit:
        try:
            return await self._limiter(target).reserve(
                self._new_request(target, tokens, after), rate_limit(target, effective_spec(target))
            )
        except LimiterRefused as refused:
            raise ProviderThrottled(target.provider, refused.reason, refused.wait_s) from refused

    async def _release_unused(self, target: ModelTarget, pending: asyncio.Task[Permit]) -> None:
        try:
            permit = await pending
        except ProviderThrottled:
            return
        await self._settle(target, permit, CallOutcome("unused"))

    async def _settle(self, target: ModelTarget, permit: Permit, outcome: CallOutcome) -> None:
        try:
            await self._limiter(target).settle(permit.permit_id, outcome)
        except Exception as error:
            # The lease expires on its own; a response that was paid for must not be lost because of this.
            log.warning("permit_settlement_failed", error=type(error).__name__)


def _has_failed(pending: asyncio.Task[Permit]) -> bool:
    return pending.done() and (pending.cancelled() or pending.exception() is not None)


def rate_limit(target: ModelTarget, spec: ModelSpec) -> RateLimit:
    """The limits of a target for its limiter; limits that are not configured are marked as guesses."""
    return RateLimit(
        spec.requests_per_minute,
        spec.tokens_per_minute,
        spec.max_concurrent,
        are_requests_guessed=target.requests_per_minute is None,
        are_tokens_guessed=target.tokens_per_minute is None,
    )
