"""One call to a provider, with everything around it: the limiter, the ledger, the log, the text kept for disclosure.

The row and the reservation are written in one transaction before anything leaves, and settled in one after. A process
killed in between leaves a row `sent` and a reservation that expires.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import CallOutcome, PermitRequest, QuotaLimiter
from cluster.providers.calling.permit_prefetch import MAX_WAIT_S, PermitPrefetcher
from cluster.providers.model_catalog import ModelSpec, cost_micros, effective_spec
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    Prompt,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    ProviderThrottled,
    ProviderTimedOut,
    SessionGone,
    Transport,
)
from models.billing import ledger_store
from models.billing.ledger import TokenAllowance
from models.billing.ledger_store import Reservation
from telemetry.metrics import AI_CALL_SECONDS, AI_CALLS, AI_TOKENS

log = structlog.get_logger("providers")

#: After a wait of this length session and account are looked at again.
_RECHECK_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class CallScope:
    """For whom, and under what terms, calls are made. `weight` is the user's share among others who wait."""

    user_id: uuid.UUID
    session_id: uuid.UUID
    allowance: TokenAllowance
    is_interactive: bool = True
    weight: float = 1.0
    stores_texts: bool = True


# The call is written only while session and account are there.
_OPEN = (
    f"WITH booked AS MATERIALIZED (SELECT outcome, tokens_left FROM {ledger_store.RESERVE}),"
    " call AS (INSERT INTO ai_calls (id, user_id, session_id, task_type, provider, model, status, started_at,"
    " num_chars, text_digest, num_redactions) SELECT %(call)s, u.id, s.id, %(task)s, %(provider)s, %(model)s, 'sent',"
    " clock_timestamp(), %(chars)s, %(digest)s, %(redactions)s FROM booked, browsing_sessions s, users u"
    " WHERE booked.outcome = 'reserved' AND s.id = %(session)s AND s.deleted_at IS NULL AND u.id = %(user)s"
    " AND u.status = 'active' RETURNING id, session_id),"
    " kept AS (INSERT INTO ai_call_texts (call_id, session_id, instructions, sent)"
    " SELECT id, session_id, %(instructions)s, %(sent)s FROM call WHERE %(keeps)s)"
    " SELECT outcome, tokens_left, EXISTS (SELECT FROM call) FROM booked"
)
_CLOSE = (
    "WITH call AS (UPDATE ai_calls SET status = 'ok', provider_request_id = %(request)s, latency_ms = %(latency)s,"
    " input_tokens = %(input)s, output_tokens = %(output)s, cached_tokens = %(cached)s,"
    " reasoning_tokens = %(reasoning)s, cost_micros = %(cost)s WHERE id = %(call)s RETURNING id),"
    " told AS (UPDATE ai_call_texts SET answer = %(answer)s FROM call WHERE call_id = call.id),"
    f"{ledger_store.SETTLE}"
)


class CompletedCall:
    """See model_provider.Made."""

    def __init__(self, caller: MeteredClient, call_id: uuid.UUID, response: ModelResponse) -> None:
        self._caller, self.call_id, self.response = caller, call_id, response

    async def reject(self) -> None:
        """Give back what the call cost its user, and say so in the log. Safe to repeat."""
        async with self._caller.pool.connection() as connection, connection.transaction():
            await ledger_store.refund(connection, self.call_id)
            await connection.execute(
                "UPDATE ai_calls SET status = 'unusable', error_code = 'unusable_answer' WHERE id = %s", [self.call_id]
            )


class MeteredClient:
    """Makes calls for one scope. See model_provider.Asker. To be closed before its pool is.

    `more` tells how many calls are known to come after those that were begun.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        scope: CallScope,
        transport: Callable[[str], Transport],
        limiter: Callable[[ModelTarget], QuotaLimiter],
        *,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        num_pending: Callable[[], int] = lambda: 0,
    ) -> None:
        self.pool, self._scope = pool, scope
        self._transport, self._permits = transport, PermitPrefetcher(limiter, self._permit_request, num_pending)
        self._deadline, self._clock = deadline, clock

    def prefetch_permits(self, target: ModelTarget, max_tokens: int, count: int) -> None:
        """The first `count` calls will be made at once, of some `max_tokens` each: the limiter is asked meanwhile."""
        self._permits.prefetch(target, max_tokens, count)

    async def call(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> CompletedCall:
        """Ask once. Raises ProviderError, OutOfTokens."""
        facts = effective_spec(target)
        began = self._clock()
        call_id = uuid.uuid4()
        # The limiter is asked while the call is written down: nearly always both agree.
        asking = self._permits.acquire(target, max_tokens)
        try:
            async with self.pool.connection() as connection:
                if not await self._reserve_and_record(connection, call_id, target, operation, prompt, max_tokens):
                    await ledger_store.release(connection, call_id)
                    raise SessionGone(target.provider, "session_gone")
        except BaseException as error:
            self._permits.release(target, asking)
            if isinstance(error, asyncio.CancelledError):
                # It may have been written all the same.
                await self._discard(call_id)
            raise
        try:
            permit = await asking
        except BaseException:
            await self._discard(call_id)
            raise
        outcome = CallOutcome("unused")
        try:
            waited_s = self._clock() - began
            if waited_s > _RECHECK_AFTER_S and not await self._confirm_session_exists(call_id, waited_s):
                raise SessionGone(target.provider, "session_gone")
            # From here on something may have left: what was booked stays booked.
            outcome = CallOutcome("refused")
            self._permits.prefetch_next(target, max_tokens, permit)
            answer, outcome = await self._send(call_id, target, facts, prompt, max_tokens)
            return CompletedCall(self, call_id, answer)
        except _CallFailure as failed:
            outcome = failed.outcome
            raise failed.error from failed.error.__cause__
        finally:
            telling = self._permits.settle(target, permit, outcome)
            if outcome.kind != "ok":
                # Trouble is to be known before anybody tries again; nobody waits for the news of a good answer.
                await asyncio.shield(telling)

    async def _confirm_session_exists(self, call_id: uuid.UUID, waited_s: float) -> bool:
        """After a long wait: whether session and account are there still. The call begins now."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "UPDATE ai_calls c SET waited_ms = %s, started_at = clock_timestamp() FROM browsing_sessions s, users u"
                " WHERE c.id = %s AND s.id = c.session_id AND s.deleted_at IS NULL AND u.id = c.user_id"
                " AND u.status = 'active'",
                [round(waited_s * 1000), call_id],
            )
        if cursor.rowcount == 1:
            return True
        await self._discard(call_id)
        return False

    async def _discard(self, call_id: uuid.UUID) -> None:
        """Nothing has left: nothing is disclosed, and the reservation is given back."""
        async with self.pool.connection() as connection, connection.pipeline(), connection.transaction():
            await ledger_store.release(connection, call_id)
            await connection.execute("DELETE FROM ai_calls WHERE id = %s", [call_id])

    async def close(self) -> None:
        """Wait until the limiters know of every call."""
        await self._permits.close()

    def _permit_request(self, target: ModelTarget, tokens: int, after: str) -> PermitRequest:
        scope = self._scope
        return PermitRequest(
            user=str(scope.user_id),
            tokens=tokens,
            is_interactive=scope.is_interactive,
            weight=scope.weight,
            max_wait_s=max(0.0, min(MAX_WAIT_S[scope.is_interactive], self._deadline - self._clock())),
            # The call before it may take its whole time first.
            lease_s=target.timeout_s * (2 if after else 1) + 30.0,
            after=after,
        )

    async def _reserve_and_record(
        self,
        connection: AsyncConnection[Any],
        call_id: uuid.UUID,
        target: ModelTarget,
        operation: str,
        prompt: Prompt,
        max_tokens: int,
    ) -> bool:
        """Reserve and write the call down; tell whether session and account are there."""
        scope = self._scope
        sent = prompt.sent_text()
        # It may wait for the limiter first.
        lease_s = ledger_store.RESERVATION_LEASE_S + MAX_WAIT_S[scope.is_interactive]
        wanted = Reservation(scope.user_id, scope.allowance, call_id, operation, max_tokens, scope.session_id, lease_s)
        # One statement is one way there and back, and all of it or nothing.
        cursor = await connection.execute(
            _OPEN,
            {
                **wanted.parameters(),
                "task": "describe" if operation == "summarize" else "outline",
                "provider": target.provider,
                "model": target.model,
                "chars": len(sent),
                "digest": blake2b(sent.encode("utf-8", "replace"), digest_size=16).hexdigest(),
                "redactions": prompt.num_redactions,
                "instructions": _storable_text(prompt.instructions) if scope.stores_texts else "",
                "sent": _storable_text(sent) if scope.stores_texts else "",
                "keeps": scope.stores_texts,
            },
        )
        row = await cursor.fetchone()
        assert row is not None
        outcome, tokens_left, is_written = row
        wanted.raise_if_refused(outcome, tokens_left)
        return bool(is_written)

    async def _send(
        self, call_id: uuid.UUID, target: ModelTarget, facts: ModelSpec, prompt: Prompt, max_tokens: int
    ) -> tuple[ModelResponse, CallOutcome]:
        began = self._clock()
        try:
            # The SDK's own time-out counts between two bytes; this one counts all in all.
            async with asyncio.timeout(target.timeout_s):
                answer = await self._transport(target.provider).complete(prompt, target, call_id)
        except TimeoutError as error:
            timed_out = ProviderTimedOut(target.provider, "timeout")
            timed_out.__cause__ = error
            raise await self._record_failure(call_id, timed_out, began) from error
        except ProviderError as error:
            raise await self._record_failure(call_id, error, began) from error
        except asyncio.CancelledError:
            await self._record_unsuccessful(call_id, "cancelled", "cancelled", began)
            raise
        usage = answer.usage
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                _CLOSE,
                {
                    "call": call_id,
                    "used": usage.total_tokens,
                    "request": (answer.request_id or "")[:200] or None,
                    "latency": round((self._clock() - began) * 1000),
                    "input": usage.input_tokens,
                    "output": usage.output_tokens,
                    "cached": usage.cached_tokens,
                    "reasoning": usage.reasoning_tokens,
                    "cost": cost_micros(target, usage),
                    "answer": _storable_text(answer.text) if self._scope.stores_texts else None,
                },
            )
            if cursor.rowcount == 0:
                # Settled already, or never reserved: it tells them apart.
                await ledger_store.settle(connection, call_id, usage.total_tokens)
        AI_CALLS.labels(provider=target.provider, outcome="ok").inc()
        AI_CALL_SECONDS.labels(provider=target.provider).observe(self._clock() - began)
        AI_TOKENS.labels(provider=target.provider, kind="input").inc(usage.input_tokens)
        AI_TOKENS.labels(provider=target.provider, kind="output").inc(usage.output_tokens)
        # Where nothing is credited, what was asked for counts; the permit may have been for more.
        used = usage.total_tokens if facts.credits_unused_tokens else max_tokens
        return answer, CallOutcome("ok", tokens_used=used, hints=_hint_values(answer.hints))

    async def _record_failure(self, call_id: uuid.UUID, error: ProviderError, began: float) -> _CallFailure:
        status, outcome = "failed", CallOutcome("down")
        if isinstance(error, ProviderThrottled):
            wait = error.retry_after_s or 0.0
            status, outcome = "throttled", CallOutcome("throttled", retry_after_s=wait, hints=_hint_values(error.hints))
        elif isinstance(error, ProviderTimedOut):
            status = "timeout"
        elif isinstance(error, ProviderRefused):
            status, outcome = "refused", CallOutcome("refused")
        elif not isinstance(error, ProviderDown):
            outcome = CallOutcome("refused")
        AI_CALLS.labels(provider=error.provider, outcome=status).inc()
        log.warning("provider_call_failed", provider=error.provider, status=status, reason=error.reason)
        await self._record_unsuccessful(call_id, status, error.reason, began)
        return _CallFailure(error, outcome)

    async def _record_unsuccessful(self, call_id: uuid.UUID, status: str, reason: str, began: float) -> None:
        async with self.pool.connection() as connection, connection.pipeline(), connection.transaction():
            await ledger_store.release(connection, call_id)
            await connection.execute(
                "UPDATE ai_calls SET status = %s, error_code = %s, latency_ms = %s WHERE id = %s",
                [status, reason[:60], round((self._clock() - began) * 1000), call_id],
            )


class _CallFailure(Exception):
    """Carries a provider's error together with what the limiter should learn from it."""

    def __init__(self, error: ProviderError, outcome: CallOutcome) -> None:
        super().__init__(error, outcome)
        self.error, self.outcome = error, outcome


def _hint_values(hints: Any) -> dict[str, float]:
    found = {
        "requests_per_minute": hints.requests_per_minute,
        "requests_left": hints.requests_left,
        "tokens_per_minute": hints.tokens_per_minute,
        "tokens_left": hints.tokens_left,
    }
    return {name: value for name, value in found.items() if value is not None}


def _storable_text(text: str) -> str:
    # PostgreSQL has no NUL, UTF-8 no lone surrogates.
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
