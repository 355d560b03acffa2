"""The limiters' leave for one scope's calls, asked for one call ahead while more are known to come.

A call that follows another needs no slot of its own: it begins when the other has ended. So its permit is asked for
while the other is still out (`Ask.after`), takes its turn in the limiter's queue like any other, and nearly always is
there when it is needed: nobody waits for the way to the limiter and back.
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

#: What stands in a call's way is waited for no longer than this: better another provider, or none.
MAX_WAIT_S = {True: 20.0, False: 60.0}
#: A permit for more tokens than this times the call's own is not used for it: the quota would suffer.
_MAX_SIZE_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class _PrefetchedPermit:
    target: ModelTarget
    tokens: int
    pending: asyncio.Task[Permit]


class PermitPrefetcher:
    """See the module. `ask` makes an Ask of tokens and a permit id; `more` tells how many calls are still to come."""

    def __init__(
        self,
        limiter: Callable[[ModelTarget], QuotaLimiter],
        ask: Callable[[ModelTarget, int, str], PermitRequest],
        more: Callable[[], int],
    ) -> None:
        self._limiter, self._new_request, self._num_pending = limiter, ask, more
        self._prefetched: dict[str, deque[_PrefetchedPermit]] = {}
        self._largest_tokens: dict[str, int] = {}
        self._background: set[asyncio.Task[None]] = set()

    def acquire(self, target: ModelTarget, tokens: int) -> asyncio.Task[Permit]:
        """Leave for a call of at most `tokens`; awaiting it raises ProviderThrottled."""
        ahead = self._prefetched.get(target.key)
        while ahead:
            one = ahead.popleft()
            if not _has_failed(one.pending) and tokens <= one.tokens <= tokens * _MAX_SIZE_RATIO:
                return one.pending
            self.release(target, one.pending)
        return asyncio.ensure_future(self._reserve(target, tokens, ""))

    def prefetch(self, target: ModelTarget, tokens: int, count: int) -> None:
        """Ask for leave for the first `count` calls before they are made."""
        self._largest_tokens[target.key] = max(tokens, self._largest_tokens.get(target.key, 0))
        for _ in range(count):
            self._prefetch_one(target, tokens, "")

    def prefetch_next(self, target: ModelTarget, tokens: int, permit: Permit) -> None:
        """A call begins with `permit`: ask for the one that may follow it, when more are to come."""
        ahead = self._prefetched.get(target.key, ())
        # As large as any so far: the calls of one piece of work are much alike, and what is not used comes back.
        largest = self._largest_tokens[target.key] = max(tokens, self._largest_tokens.get(target.key, 0))
        if self._num_pending() > len(ahead):
            self._prefetch_one(target, largest, permit.permit_id)

    def settle(self, target: ModelTarget, permit: Permit, outcome: CallOutcome) -> asyncio.Task[None]:
        """Tell the limiter how a call went. What was not well ends what leave there was for the calls after it."""
        if outcome.kind != "ok":
            for one in self._prefetched.pop(target.key, ()):
                self.release(target, one.pending)
        return self._in_background(self._settle(target, permit, outcome))

    def release(self, target: ModelTarget, asking: asyncio.Task[Permit]) -> None:
        """Leave that will not be used."""
        self._in_background(self._release_unused(target, asking))

    async def close(self) -> None:
        """Give back what is left, and wait until the limiters know of everything."""
        left = [one for ahead in self._prefetched.values() for one in ahead]
        self._prefetched.clear()
        for one in left:
            # Who still waits in a queue waits no longer; who was granted leave gives it back.
            if not one.pending.cancel():
                self.release(one.target, one.pending)
        await asyncio.gather(*(one.pending for one in left), return_exceptions=True)
        await asyncio.gather(*self._background)

    def _prefetch_one(self, target: ModelTarget, tokens: int, after: str) -> None:
        asking = asyncio.ensure_future(self._reserve(target, tokens, after))
        # It may be refused while nobody looks.
        asking.add_done_callback(_has_failed)
        self._prefetched.setdefault(target.key, deque()).append(_PrefetchedPermit(target, tokens, asking))

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

    async def _release_unused(self, target: ModelTarget, asking: asyncio.Task[Permit]) -> None:
        try:
            permit = await asking
        except ProviderThrottled:
            return
        await self._settle(target, permit, CallOutcome("unused"))

    async def _settle(self, target: ModelTarget, permit: Permit, outcome: CallOutcome) -> None:
        try:
            await self._limiter(target).settle(permit.permit_id, outcome)
        except Exception as error:
            # The lease ends by itself; an answer that was paid for is not thrown away for this.
            log.warning("limiter_not_told", error=type(error).__name__)


def _has_failed(asking: asyncio.Task[Permit]) -> bool:
    return asking.done() and (asking.cancelled() or asking.exception() is not None)


def rate_limit(target: ModelTarget, facts: ModelSpec) -> RateLimit:
    """A model's limits as the limiter takes them: what nobody set is a guess."""
    return RateLimit(
        facts.requests_per_minute,
        facts.tokens_per_minute,
        facts.max_concurrent,
        are_requests_guessed=target.requests_per_minute is None,
        are_tokens_guessed=target.tokens_per_minute is None,
    )
