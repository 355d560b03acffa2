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

from actors.provider_limiter import Ask, Limiter, LimiterRefused, Outcome, Permit
from actors.quota_state import RateLimit
from cluster.providers.model_catalog import ModelFacts, facts_of
from cluster.providers.types import ModelChoice, ProviderThrottled

log = structlog.get_logger("providers")

#: What stands in a call's way is waited for no longer than this: better another provider, or none.
MAX_WAIT_S = {True: 20.0, False: 60.0}
#: A permit for more tokens than this times the call's own is not used for it: the quota would suffer.
_LARGEST = 1.5


@dataclass(frozen=True, slots=True)
class _Ahead:
    choice: ModelChoice
    tokens: int
    asking: asyncio.Task[Permit]


class Permits:
    """See the module. `ask` makes an Ask of tokens and a permit id; `more` tells how many calls are still to come."""

    def __init__(
        self,
        limiter: Callable[[ModelChoice], Limiter],
        ask: Callable[[ModelChoice, int, str], Ask],
        more: Callable[[], int],
    ) -> None:
        self._limiter, self._ask, self._more = limiter, ask, more
        self._ahead: dict[str, deque[_Ahead]] = {}
        self._largest: dict[str, int] = {}
        self._background: set[asyncio.Task[None]] = set()

    def ask(self, choice: ModelChoice, tokens: int) -> asyncio.Task[Permit]:
        """Leave for a call of at most `tokens`; awaiting it raises ProviderThrottled."""
        ahead = self._ahead.get(choice.key)
        while ahead:
            one = ahead.popleft()
            if not _is_refused(one.asking) and tokens <= one.tokens <= tokens * _LARGEST:
                return one.asking
            self.give_back(choice, one.asking)
        return asyncio.ensure_future(self._reserve(choice, tokens, ""))

    def expect(self, choice: ModelChoice, tokens: int, count: int) -> None:
        """Ask for leave for the first `count` calls before they are made."""
        self._largest[choice.key] = max(tokens, self._largest.get(choice.key, 0))
        for _ in range(count):
            self._push(choice, tokens, "")

    def look_ahead(self, choice: ModelChoice, tokens: int, permit: Permit) -> None:
        """A call begins with `permit`: ask for the one that may follow it, when more are to come."""
        ahead = self._ahead.get(choice.key, ())
        # As large as any so far: the calls of one piece of work are much alike, and what is not used comes back.
        largest = self._largest[choice.key] = max(tokens, self._largest.get(choice.key, 0))
        if self._more() > len(ahead):
            self._push(choice, largest, permit.permit_id)

    def settle(self, choice: ModelChoice, permit: Permit, outcome: Outcome) -> asyncio.Task[None]:
        """Tell the limiter how a call went. What was not well ends what leave there was for the calls after it."""
        if outcome.kind != "ok":
            for one in self._ahead.pop(choice.key, ()):
                self.give_back(choice, one.asking)
        return self._in_background(self._tell(choice, permit, outcome))

    def give_back(self, choice: ModelChoice, asking: asyncio.Task[Permit]) -> None:
        """Leave that will not be used."""
        self._in_background(self._unused(choice, asking))

    async def close(self) -> None:
        """Give back what is left, and wait until the limiters know of everything."""
        left = [one for ahead in self._ahead.values() for one in ahead]
        self._ahead.clear()
        for one in left:
            # Who still waits in a queue waits no longer; who was granted leave gives it back.
            if not one.asking.cancel():
                self.give_back(one.choice, one.asking)
        await asyncio.gather(*(one.asking for one in left), return_exceptions=True)
        await asyncio.gather(*self._background)

    def _push(self, choice: ModelChoice, tokens: int, after: str) -> None:
        asking = asyncio.ensure_future(self._reserve(choice, tokens, after))
        # It may be refused while nobody looks.
        asking.add_done_callback(_is_refused)
        self._ahead.setdefault(choice.key, deque()).append(_Ahead(choice, tokens, asking))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _reserve(self, choice: ModelChoice, tokens: int, after: str) -> Permit:
        try:
            return await self._limiter(choice).reserve(
                self._ask(choice, tokens, after), rate_limit(choice, facts_of(choice))
            )
        except LimiterRefused as refused:
            raise ProviderThrottled(choice.provider, refused.reason, refused.wait_s) from refused

    async def _unused(self, choice: ModelChoice, asking: asyncio.Task[Permit]) -> None:
        try:
            permit = await asking
        except ProviderThrottled:
            return
        await self._tell(choice, permit, Outcome("unused"))

    async def _tell(self, choice: ModelChoice, permit: Permit, outcome: Outcome) -> None:
        try:
            await self._limiter(choice).settle(permit.permit_id, outcome)
        except Exception as error:
            # The lease ends by itself; an answer that was paid for is not thrown away for this.
            log.warning("limiter_not_told", error=type(error).__name__)


def _is_refused(asking: asyncio.Task[Permit]) -> bool:
    return asking.done() and (asking.cancelled() or asking.exception() is not None)


def rate_limit(choice: ModelChoice, facts: ModelFacts) -> RateLimit:
    """A model's limits as the limiter takes them: what nobody set is a guess."""
    return RateLimit(
        facts.requests_per_minute,
        facts.tokens_per_minute,
        facts.max_concurrent,
        are_requests_guessed=choice.requests_per_minute is None,
        are_tokens_guessed=choice.tokens_per_minute is None,
    )
