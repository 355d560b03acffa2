"""Sends one call to a provider: rate-limit permit, token reservation, call log, disclosure text, metrics.

The call's row and its reservation are written in one transaction before the request is sent, and completed and settled
in one afterwards (`settlements`), for which the caller does not wait. A process that is killed in between leaves a row
with status `sent` and a reservation that expires; nothing made of the response is stored then. The response is stored
with the charge until it has been used: if the process is killed after the charge, the next attempt reads it again and
nothing is paid twice. A call of a regeneration run waits for its charge, because its budget is that of the operator.

A call that is known before it can start is reserved and recorded while others run (`record_ahead`), so that it waits
for nothing but the question whether its session still exists.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import CallOutcome, Permit, PermitRequest, QuotaLimiter
from cluster.providers.calling.permit_prefetch import MAX_WAIT_S, PermitPrefetcher
from cluster.providers.calling.settlements import SettlementWriter
from cluster.providers.model_catalog import cost_micros, effective_spec
from cluster.providers.prompting.prompts import unmarked
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    Prompt,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    ProviderThrottled,
    ProviderTimedOut,
    RateLimitHints,
    SessionGone,
    Transport,
    Usage,
)
from models import ai_calls
from models.ai_calls import CallResult, ModelAnswer, NewCall, RunCallScope
from models.billing.ledger import RESERVATION_LEASE_S, OutOfTokens, Reservation, TokenAllowance, release
from models.runs.run_store import check_budget
from telemetry.metrics import AI_CALL_SECONDS, AI_CALLS, AI_COST, AI_TOKENS
from telemetry.traces import span

log = structlog.get_logger("providers")

#: After a longer wait for a permit, check again that the session and the account exist.
_RECHECK_AFTER_S = 0.5
#: A call that was recorded ahead longer ago is recorded again: its reservation would expire too early.
_AHEAD_FOR_S = 60.0


@dataclass(frozen=True, slots=True)
class CallScope:
    """The user and session that calls are made for. `weight` is the user's share of a contended quota.

    The user's tokens pay for the calls, unless `run_id` names the regeneration run that does. A response that an
    interrupted attempt has not used is used by an attempt with the same `nonce` only.
    """

    user_id: uuid.UUID
    session_id: uuid.UUID
    allowance: TokenAllowance
    is_interactive: bool = True
    weight: float = 1.0
    stores_texts: bool = True
    run_id: str | None = None
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class _RecordedAhead:
    """A call that is being recorded, or is, with the prompt to send; `at` is when that began."""

    call_id: uuid.UUID
    prompt: Prompt
    max_tokens: int
    at: float
    recording: asyncio.Task[None]


class CompletedCall:
    """A call whose charge is stored, or is being written by `charging`. See model_client.ModelCall."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        call_id: uuid.UUID,
        response: ModelResponse,
        charging: asyncio.Task[None] | None = None,
    ) -> None:
        self._pool, self.call_id, self.response, self._charging = pool, call_id, response, charging

    async def reject(self) -> None:
        """Refund the call's tokens and record that its response is unusable. Idempotent."""
        if self._charging is not None:
            # Only a charge can be refunded.
            await asyncio.shield(self._charging)
        async with self._pool.connection() as connection, connection.transaction():
            await ai_calls.reject_call(connection, self.call_id)


class MeteredClient:
    """Makes calls for one scope. See model_client.ModelClient. Must be closed before its pool.

    Args:
        pool: Autocommit database connections for the ledger and the call log.
        scope: The user and session that pay for the calls.
        transport: Finds the transport of a provider by name.
        limiter: Finds the limiter of a target.
        deadline: The time on `clock` after which no call waits for a permit any longer.
        clock: The clock of `deadline` and of the measured latencies, in seconds.
        num_pending: Returns the number of calls that will follow those already started; permits are prefetched for
            them.
        settlements: Writes the charges; clients of one pool share it.
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
        settlements: SettlementWriter | None = None,
    ) -> None:
        self._pool, self._scope = pool, scope
        self._settlements = settlements or SettlementWriter(pool)
        #: Charges that are being written, and those whose writing failed.
        self._charging: set[asyncio.Task[None]] = set()
        #: The calls whose responses are stored, to be deleted once they have been used.
        self._answered: list[uuid.UUID] = []
        #: The responses that earlier attempts have not used, by digest; None until the first call.
        self._unread: dict[str, tuple[uuid.UUID, ModelAnswer]] | None = None
        self._loading_unread = asyncio.Lock()
        #: The calls that were recorded before they start, by the digest of their prompts.
        self._ahead: dict[str, _RecordedAhead] = {}
        self._transport = transport
        self._permits = PermitPrefetcher(limiter, self._permit_request, num_pending)
        self._deadline, self._clock = deadline, clock

    def prefetch_permits(self, target: ModelTarget, max_tokens: int, count: int) -> None:
        """Request permits for the first `count` calls of about `max_tokens` each before they are made."""
        self._permits.prefetch(target, max_tokens, count)

    def record_ahead(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> None:
        """Reserve and record a call that will be made soon, in the background; `call` with the same prompt sends it.

        It is discarded if it is not made, or if another call needs the tokens. The calls of a run are not recorded
        ahead: their budget is counted by what was sent.
        """
        if self._scope.run_id is not None:
            return
        digest = self._prompt_digest(target, operation, prompt)
        if digest in self._ahead or digest in (self._unread or {}):
            return
        call_id = uuid.uuid4()
        recording = asyncio.ensure_future(self._record_ahead(call_id, target, operation, prompt, max_tokens))
        # Retrieves the exception of a call that is never made.
        recording.add_done_callback(_has_failed)
        self._ahead[digest] = _RecordedAhead(call_id, prompt, max_tokens, self._clock(), recording)

    async def call(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> CompletedCall:
        """Send `prompt` once; `max_tokens` is the upper bound that is reserved, input and output together.

        The charge may not be stored yet when this returns: see `wait_until_charged`.

        Raises:
            SessionGone: the session or the account was deleted.
            ProviderError: the provider or its limiter refused the call, or the call failed.
            OutOfTokens: the user's tokens do not cover `max_tokens`.
            RunBudgetSpent: the same for the budget of a run.
        """
        digest = self._prompt_digest(target, operation, prompt)
        if (answered := await self._answered_before(digest)) is not None:
            return answered
        started = self._clock()
        # The limiter and the database are asked at the same time: nearly always both agree.
        pending_permit = self._permits.acquire(target, max_tokens)
        ahead = await self._take_recorded(digest, target, max_tokens, pending_permit)
        if ahead is not None:
            # With its own markers, so that what is sent is what is recorded.
            call_id, prompt = ahead.call_id, ahead.prompt
        else:
            call_id = uuid.uuid4()
            await self._reserve_and_record(call_id, target, operation, prompt, max_tokens, pending_permit)
        try:
            permit = await pending_permit
        except BaseException:
            await self._discard_unsent(call_id)
            raise
        outcome = CallOutcome("unused")
        try:
            waited_s = self._clock() - started
            if not await self._may_send(call_id, waited_s, is_recorded_ahead=ahead is not None):
                raise SessionGone(target.provider, "session_gone")
            # From here on the request may have reached the provider: the quota counts it as used.
            outcome = CallOutcome("refused")
            self._permits.prefetch_next(target, max_tokens, permit)
            with span(
                "provider_call", provider=target.provider, model=target.model, operation=operation, call_id=str(call_id)
            ) as call_span:
                response, charging, outcome = await self._send(call_id, target, prompt, max_tokens, digest)
                call_span.set(outcome=outcome.kind)
            return CompletedCall(self._pool, call_id, response, charging)
        except _CallFailure as failure:
            outcome = failure.outcome
            raise failure.error from failure.error.__cause__
        finally:
            await self._settle_permit(target, permit, outcome)

    async def wait_until_charged(self) -> None:
        """Return when the charge of every response so far is stored; call it before storing what was made of them.

        Raises what the writing of a charge raised: then the responses must not be used.
        """
        if self._charging:
            # `gather` would cancel the charges together with the caller.
            done, _ = await asyncio.wait(set(self._charging))
            for charging in done:
                charging.result()

    async def close(self) -> None:
        """Wait until every outcome has been reported to the limiters, and every charge is stored or has failed.

        Then delete the stored responses: what was made of them is in the cache. Those of a run stay until its item has
        ended.
        """
        await self._permits.close()
        await asyncio.gather(*self._charging, return_exceptions=True)
        try:
            await self._discard_recorded_ahead()
        except psycopg.Error as error:
            # Their reservations expire.
            log.warning("calls_not_discarded", error=type(error).__name__)
        if self._answered and self._scope.run_id is None:
            try:
                async with self._pool.connection() as connection:
                    await ai_calls.delete_read_answers(connection, self._answered)
            except psycopg.Error as error:
                # Nothing depends on it: rows that stay are deleted after some days.
                log.warning("answers_not_deleted", error=type(error).__name__)

    async def _settle_permit(self, target: ModelTarget, permit: Permit, outcome: CallOutcome) -> None:
        settling = self._permits.settle(target, permit, outcome)
        if outcome.kind != "ok":
            # The limiter must know of a failure before the next attempt; a success is reported in the background.
            await asyncio.shield(settling)

    def _permit_request(self, target: ModelTarget, tokens: int, after: str) -> PermitRequest:
        scope = self._scope
        return PermitRequest(
            user=str(scope.user_id),
            tokens=tokens,
            is_interactive=scope.is_interactive,
            weight=scope.weight,
            max_wait_s=max(0.0, min(MAX_WAIT_S[scope.is_interactive], self._deadline - self._clock())),
            # The preceding call may use its whole time first.
            lease_s=target.timeout_s * (2 if after else 1) + 30.0,
            after=after,
        )

    async def _answered_before(self, digest: str) -> CompletedCall | None:
        """The same call of an attempt that ended before it had used the response; it is paid already."""
        found = (await self._unread_answers()).pop(digest, None)
        if found is None:
            return None
        call_id, answer = found
        self._answered.append(call_id)
        log.info("answer_reused", call_id=str(call_id))
        response = ModelResponse(answer.text, Usage(), is_truncated=answer.is_truncated)
        return CompletedCall(self._pool, call_id, response)

    async def _unread_answers(self) -> dict[str, tuple[uuid.UUID, ModelAnswer]]:
        # Once for all calls: the attempts that wrote them have ended.
        async with self._loading_unread:
            if self._unread is None:
                async with self._pool.connection() as connection:
                    self._unread = await ai_calls.load_unread_answers(
                        connection, self._scope.run_id, self._scope.session_id
                    )
            return self._unread

    async def _record_ahead(
        self, call_id: uuid.UUID, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int
    ) -> None:
        call = self._new_call(target, operation, prompt)
        await self._record_user_call(self._reservation(call_id, operation, max_tokens, _AHEAD_FOR_S), call)

    async def _take_recorded(
        self, digest: str, target: ModelTarget, max_tokens: int, pending_permit: asyncio.Task[Permit]
    ) -> _RecordedAhead | None:
        """The call that was recorded ahead for this prompt; None when it must be recorded now."""
        ahead = self._ahead.get(digest)
        if ahead is None:
            return None
        try:
            done, _ = await asyncio.wait([ahead.recording])
            # Meanwhile another call may have discarded it.
            if self._ahead.pop(digest, None) is None or any(map(_has_failed, done)):
                # The call itself meets the same error, if it lasts.
                return None
            if ahead.max_tokens >= max_tokens and self._clock() - ahead.at <= _AHEAD_FOR_S:
                return ahead
            await self._discard_unsent(ahead.call_id)
        except BaseException:
            self._permits.release(target, pending_permit)
            raise
        return None

    async def _discard_recorded_ahead(self) -> bool:
        """Discard the calls that were recorded ahead and are not made yet, and return whether there were any."""
        unmade, self._ahead = list(self._ahead.values()), {}
        for ahead in unmade:
            await asyncio.wait([ahead.recording])
            await self._discard_unsent(ahead.call_id)
        return bool(unmade)

    def _reservation(self, call_id: uuid.UUID, operation: str, max_tokens: int, ahead_s: float = 0.0) -> Reservation:
        """The tokens to reserve for a call that starts within `ahead_s` seconds, and may then wait for its permit."""
        scope = self._scope
        lease_s = RESERVATION_LEASE_S + MAX_WAIT_S[scope.is_interactive] + ahead_s
        return Reservation(scope.user_id, scope.allowance, call_id, operation, max_tokens, scope.session_id, lease_s)

    def _new_call(self, target: ModelTarget, operation: str, prompt: Prompt) -> NewCall:
        return NewCall(
            task_type="describe" if operation == "summarize" else "outline",
            provider=target.provider,
            model=target.model,
            instructions=prompt.instructions,
            sent=prompt.sent_text(),
            num_redactions=prompt.num_redactions,
            stores_texts=self._scope.stores_texts,
        )

    async def _record_user_call(self, reservation: Reservation, call: NewCall) -> None:
        """Record a call that the user pays for. Raises OutOfTokens, SessionGone."""
        async with self._pool.connection() as connection:
            if not await ai_calls.reserve_and_record_call(connection, reservation, call):
                await release(connection, reservation.call_id)
                raise SessionGone(call.provider, "session_gone")

    async def _reserve_and_record(
        self,
        call_id: uuid.UUID,
        target: ModelTarget,
        operation: str,
        prompt: Prompt,
        max_tokens: int,
        pending_permit: asyncio.Task[Permit],
    ) -> None:
        """Reserve tokens and record the call; on failure return the permit, so that only a recorded call is sent."""
        call = self._new_call(target, operation, prompt)
        try:
            if self._scope.run_id is not None:
                await self._record_run_call(self._scope.run_id, call_id, target, prompt, call, max_tokens)
                return
            reservation = self._reservation(call_id, operation, max_tokens)
            try:
                await self._record_user_call(reservation, call)
            except OutOfTokens:
                # A call that can start now precedes those that follow.
                if not await self._discard_recorded_ahead():
                    raise
                await self._record_user_call(reservation, call)
        except BaseException as error:
            self._permits.release(target, pending_permit)
            if isinstance(error, asyncio.CancelledError):
                # The statement may have been executed all the same.
                await self._discard_unsent(call_id)
            raise

    async def _record_run_call(
        self, run_id: str, call_id: uuid.UUID, target: ModelTarget, prompt: Prompt, call: NewCall, max_tokens: int
    ) -> None:
        """Record a call that the budget of a run pays for. Raises RunBudgetSpent, SessionGone."""
        output_tokens = min(max_tokens, prompt.max_output_tokens + effective_spec(target).reasoning_overhead_tokens)
        max_micros = cost_micros(target, Usage(max_tokens - output_tokens, output_tokens))
        paid = RunCallScope(run_id, call_id, self._scope.user_id, self._scope.session_id)
        async with self._pool.connection() as connection, connection.transaction():
            await check_budget(connection, run_id, max_tokens, max_micros)
            if not await ai_calls.record_run_call(connection, paid, call, max_tokens, max_micros):
                raise SessionGone(target.provider, "session_gone")

    async def _may_send(self, call_id: uuid.UUID, waited_s: float, *, is_recorded_ahead: bool) -> bool:
        """Whether session and account still exist, if the call was recorded some time ago; discards it otherwise.

        After a long wait for a permit the call's clock is restarted.
        """
        if waited_s <= _RECHECK_AFTER_S and not is_recorded_ahead:
            return True
        async with self._pool.connection() as connection:
            if waited_s > _RECHECK_AFTER_S:
                accepts = await ai_calls.restart_waiting_call(connection, call_id, waited_s)
            else:
                accepts = await ai_calls.session_accepts_calls(connection, self._scope.session_id)
        if not accepts:
            await self._discard_unsent(call_id)
        return accepts

    async def _discard_unsent(self, call_id: uuid.UUID) -> None:
        async with self._pool.connection() as connection, connection.pipeline(), connection.transaction():
            await ai_calls.discard_unsent_call(connection, call_id)

    async def _send(
        self, call_id: uuid.UUID, target: ModelTarget, prompt: Prompt, max_tokens: int, digest: str
    ) -> tuple[ModelResponse, asyncio.Task[None], CallOutcome]:
        started = self._clock()
        try:
            # The SDK's own time-out applies between two bytes; this one applies to the whole call.
            async with asyncio.timeout(target.timeout_s):
                response = await self._transport(target.provider).complete(prompt, target, call_id)
        except TimeoutError as error:
            timed_out = ProviderTimedOut(target.provider, "timeout")
            timed_out.__cause__ = error
            raise await self._record_failure(call_id, timed_out, started) from error
        except ProviderError as error:
            raise await self._record_failure(call_id, error, started) from error
        except asyncio.CancelledError:
            await self._record_unsuccessful(call_id, "cancelled", "cancelled", started)
            raise
        charging = self._record_success(call_id, target, response, digest, started)
        if self._scope.run_id is not None:
            # A worker that is killed before the response is stored pays for it again.
            await asyncio.shield(charging)
        # Vendors that do not credit unused tokens count the requested maximum; the permit may have been larger.
        credits_unused = effective_spec(target).credits_unused_tokens
        used_tokens = response.usage.total_tokens if credits_unused else max_tokens
        return response, charging, CallOutcome("ok", tokens_used=used_tokens, hints=_hint_values(response.hints))

    def _record_success(
        self, call_id: uuid.UUID, target: ModelTarget, response: ModelResponse, digest: str, started: float
    ) -> asyncio.Task[None]:
        self._answered.append(call_id)
        # A task of its own: a caller that is cancelled now has caused the cost all the same.
        charging = asyncio.ensure_future(self._charge(call_id, target, response, digest, self._clock() - started))
        self._charging.add(charging)
        charging.add_done_callback(self._forget_charge)
        return charging

    async def _charge(
        self, call_id: uuid.UUID, target: ModelTarget, response: ModelResponse, digest: str, latency_s: float
    ) -> None:
        usage = response.usage
        # Takes longer than the rest of a call: the search for a model's price.
        cost = cost_micros(target, usage)
        AI_CALLS.labels(provider=target.provider, outcome="ok").inc()
        AI_CALL_SECONDS.labels(provider=target.provider).observe(latency_s)
        AI_COST.labels(provider=target.provider).inc(cost)
        AI_TOKENS.labels(provider=target.provider, kind="input").inc(usage.input_tokens)
        AI_TOKENS.labels(provider=target.provider, kind="output").inc(usage.output_tokens)
        result = CallResult(
            request_id=response.request_id,
            latency_s=latency_s,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_micros=cost,
            text=response.text if self._scope.stores_texts else None,
        )
        answer = ModelAnswer(digest, response.text, response.is_truncated)
        await self._settlements.settle(call_id, result, answer, is_paid_by_run=self._scope.run_id is not None)

    def _prompt_digest(self, target: ModelTarget, operation: str, prompt: Prompt) -> str:
        """BLAKE2b-128 of everything a response depends on, and of the nonce, as hex."""
        data, schema = unmarked(prompt.data), prompt.schema
        sent = (self._scope.nonce, target.key, operation, prompt.instructions, data, prompt.previous_attempt, schema)
        return blake2b(json.dumps(sent, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _forget_charge(self, charging: asyncio.Task[None]) -> None:
        error = None if charging.cancelled() else charging.exception()
        if error is not None:
            log.warning("charge_failed", error=type(error).__name__)
        elif not charging.cancelled():
            self._charging.discard(charging)

    async def _record_failure(self, call_id: uuid.UUID, error: ProviderError, started: float) -> _CallFailure:
        status, outcome = _classify(error)
        AI_CALLS.labels(provider=error.provider, outcome=status).inc()
        log.warning("provider_call_failed", provider=error.provider, status=status, reason=error.reason)
        await self._record_unsuccessful(call_id, status, error.reason, started)
        return _CallFailure(error, outcome)

    async def _record_unsuccessful(self, call_id: uuid.UUID, status: str, reason: str, started: float) -> None:
        latency_s = self._clock() - started
        async with self._pool.connection() as connection, connection.pipeline(), connection.transaction():
            await ai_calls.record_unsuccessful_call(connection, call_id, status, reason, latency_s)


def _has_failed(recording: asyncio.Task[None]) -> bool:
    return recording.cancelled() or recording.exception() is not None


class _CallFailure(Exception):
    """A provider's error together with the outcome that the limiter learns from it."""

    def __init__(self, error: ProviderError, outcome: CallOutcome) -> None:
        super().__init__(error, outcome)
        self.error, self.outcome = error, outcome


def _classify(error: ProviderError) -> tuple[str, CallOutcome]:
    """The status of the call's row and the outcome for the limiter."""
    if isinstance(error, ProviderThrottled):
        hints = _hint_values(error.hints)
        return "throttled", CallOutcome("throttled", retry_after_s=error.retry_after_s or 0.0, hints=hints)
    if isinstance(error, ProviderTimedOut):
        return "timeout", CallOutcome("down")
    if isinstance(error, ProviderRefused):
        return "refused", CallOutcome("refused")
    return "failed", CallOutcome("down" if isinstance(error, ProviderDown) else "refused")


def _hint_values(hints: RateLimitHints) -> dict[str, float]:
    values = {
        "requests_per_minute": hints.requests_per_minute,
        "requests_left": hints.requests_left,
        "tokens_per_minute": hints.tokens_per_minute,
        "tokens_left": hints.tokens_left,
    }
    return {name: value for name, value in values.items() if value is not None}
