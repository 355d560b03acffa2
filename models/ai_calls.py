"""Calls to model providers: configuration, call log, sent texts, cached responses, and the statements on these tables.

A call is one row of `ai_calls`, written together with its token reservation before the request is sent and completed
together with its settlement afterwards. A process that is killed in between leaves a row with status `sent` and a
reservation that expires.

Every function takes an open database connection and never commits.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.billing import ledger
from models.billing.ledger import Reservation
from models.database import Connection


class AiConfig(Base):
    """The model chain of a task and its call parameters. Read for every map, so that a change applies at once.

    `chain` is a list of `{"provider", "model"}`, each with optional `requests_per_minute`, `tokens_per_minute`,
    `max_concurrent` and `context_tokens` that override the model catalog. The row `default` applies to tasks without a
    row.
    """

    __tablename__ = "ai_configs"
    __table_args__ = (
        CheckConstraint("task_type IN ('describe', 'outline', 'default')", name="task_type"),
        CheckConstraint("temperature BETWEEN 0 AND 2", name="temperature"),
        CheckConstraint("max_output_tokens BETWEEN 256 AND 128000", name="max_output_tokens"),
        CheckConstraint("timeout_s BETWEEN 1 AND 240", name="timeout_s"),
    )

    task_type: Mapped[str] = mapped_column(primary_key=True)
    chain: Mapped[list[Any]]
    temperature: Mapped[float | None]
    max_output_tokens: Mapped[int | None]
    timeout_s: Mapped[float | None]
    is_enabled: Mapped[bool] = mapped_column(server_default="true", default=True)
    updated_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    updated_at: Mapped[UpdatedAt]


class AiCall(Base):
    """One call to a provider, written before the request is sent. Its id is the `call_id` of the ledger."""

    __tablename__ = "ai_calls"
    __table_args__ = (
        CheckConstraint(
            "status IN ('sent', 'ok', 'unusable', 'throttled', 'refused', 'failed', 'timeout', 'cancelled', 'lost')",
            name="status",
        ),
        Index("ix_ai_calls_user_started", "user_id", "started_at"),
        Index("ix_ai_calls_session_id", "session_id"),
        # Rows are written in the order of their time.
        Index("ix_ai_calls_started_at", "started_at", postgresql_using="brin"),
        Index("ix_ai_calls_run_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="SET NULL"))
    #: The regeneration run that pays for the call, and what it has set aside for it; null when the user pays.
    run_id: Mapped[str | None] = mapped_column(ForeignKey("map_runs.id", ondelete="SET NULL"))
    reserved_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    reserved_micros: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    task_type: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="sent", default="sent")
    #: Our own short code. The provider's message is not stored: it may repeat the prompt.
    error_code: Mapped[str | None]
    provider_request_id: Mapped[str | None]
    #: When the call was recorded: it is sent at once, or after the calls before it, at most a minute later.
    started_at: Mapped[CreatedAt]
    waited_ms: Mapped[int] = mapped_column(server_default="0", default=0)
    latency_ms: Mapped[int | None]
    #: `cached_tokens` are part of `input_tokens`, `reasoning_tokens` are part of `output_tokens`.
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    cost_micros: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    #: Size and digest of the sent text remain after the text is deleted.
    num_chars: Mapped[int] = mapped_column(server_default="0", default=0)
    text_digest: Mapped[str]
    num_redactions: Mapped[int] = mapped_column(server_default="0", default=0)


class AiCallText(Base):
    """The text of a call, deleted after the retention time, or with the session or the account."""

    __tablename__ = "ai_call_texts"
    __table_args__ = (
        Index("ix_ai_call_texts_session_id", "session_id"),
        Index("ix_ai_call_texts_created_at", "created_at"),
    )

    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ai_calls.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    instructions: Mapped[str]
    sent: Mapped[str]
    answer: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class AiCachedResponse(Base):
    """A validated response, cached so that a retry or a second session with the same page causes no call.

    `session_id` is the session that used it last. The row is deleted with that session, so that no response outlives
    the pages it was derived from.
    """

    __tablename__ = "ai_checkpoints"
    __table_args__ = (
        PrimaryKeyConstraint("user_id", "digest", "prompt_version", "model"),
        Index("ix_ai_checkpoints_session_id", "session_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: Digest of everything the response depends on: operation, page content, language.
    digest: Mapped[str]
    prompt_version: Mapped[int]
    #: `provider/model`.
    model: Mapped[str]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class UnreadAnswer(Base):
    """The response to a call, until what was made of it is stored or the attempt at its map has ended.

    Written by the transaction that completes and charges the call. When the worker is killed before the response has
    been used, the next attempt reads it, and the call is not made and paid again. After an attempt that has failed it
    is. The name of the table is from when only regeneration runs had it.
    """

    __tablename__ = "ai_run_answers"
    __table_args__ = (
        Index("ix_ai_run_answers_session_id", "session_id"),
        Index("ix_ai_run_answers_created_at", "created_at"),
    )

    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ai_calls.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    #: Digest of everything that was sent, and of the model.
    digest: Mapped[str]
    answer: Mapped[str]
    is_truncated: Mapped[bool]
    created_at: Mapped[CreatedAt]


# --- statements -------------------------------------------------------------------------------------------------------

LOAD_AI_CONFIGS: Final = (
    "SELECT task_type, chain, temperature, max_output_tokens, timeout_s, is_enabled FROM ai_configs"
)

#: Reserves and records in one round trip, all or nothing. The call is recorded only while session and account are
#: active; without a row the caller must release the reservation.
RESERVE_AND_RECORD_CALL: Final = (
    f"WITH booked AS MATERIALIZED (SELECT outcome, tokens_left FROM {ledger.RESERVE_CLAUSE}),"
    " call AS (INSERT INTO ai_calls (id, user_id, session_id, task_type, provider, model, status, started_at,"
    " num_chars, text_digest, num_redactions) SELECT %(call)s, u.id, s.id, %(task)s, %(provider)s, %(model)s, 'sent',"
    " clock_timestamp(), %(chars)s, %(digest)s, %(redactions)s FROM booked, browsing_sessions s, users u"
    " WHERE booked.outcome = 'reserved' AND s.id = %(session)s AND s.deleted_at IS NULL AND u.id = %(user)s"
    " AND u.status = 'active' RETURNING id, session_id),"
    " kept AS (INSERT INTO ai_call_texts (call_id, session_id, instructions, sent)"
    " SELECT id, session_id, %(instructions)s, %(sent)s FROM call WHERE %(keeps)s)"
    " SELECT outcome, tokens_left, EXISTS (SELECT FROM call) FROM booked"
)
#: As above for a call that a regeneration run pays for; the caller holds the lock of the run's budget. A row only while
#: session and account are active.
RECORD_RUN_CALL: Final = (
    "WITH call AS (INSERT INTO ai_calls (id, user_id, session_id, run_id, reserved_tokens, reserved_micros, task_type,"
    " provider, model, status, started_at, num_chars, text_digest, num_redactions) SELECT %(call)s, u.id, s.id,"
    " %(run)s, %(tokens)s, %(micros)s, %(task)s, %(provider)s, %(model)s, 'sent', clock_timestamp(), %(chars)s,"
    " %(digest)s, %(redactions)s FROM browsing_sessions s, users u WHERE s.id = %(session)s AND s.deleted_at IS NULL"
    " AND u.id = %(user)s AND u.status = 'active' RETURNING id, session_id),"
    " kept AS (INSERT INTO ai_call_texts (call_id, session_id, instructions, sent)"
    " SELECT id, session_id, %(instructions)s, %(sent)s FROM call WHERE %(keeps)s) SELECT id FROM call"
)
#: Completes the call and stores its response, with its text where texts are kept.
_COMPLETE_CLAUSES: Final = (
    "call AS (UPDATE ai_calls SET status = 'ok', provider_request_id = %(request)s, latency_ms = %(latency)s,"
    " input_tokens = %(input)s, output_tokens = %(output)s, cached_tokens = %(cached)s,"
    " reasoning_tokens = %(reasoning)s, cost_micros = %(cost)s WHERE id = %(call)s RETURNING id, session_id),"
    " unread AS (INSERT INTO ai_run_answers (call_id, session_id, digest, answer, is_truncated)"
    " SELECT call.id, s.id, %(prompt_digest)s, %(response)s, %(is_truncated)s FROM call JOIN browsing_sessions s"
    " ON s.id = call.session_id WHERE s.deleted_at IS NULL ON CONFLICT (call_id) DO NOTHING),"
    " texts AS (UPDATE ai_call_texts SET answer = %(answer)s FROM call WHERE call_id = call.id)"
)
COMPLETE_RUN_CALL: Final = f"WITH {_COMPLETE_CLAUSES} SELECT FROM call"
#: The calls of a user and those of a run do not share responses: another budget has paid.
LOAD_UNREAD_ANSWERS: Final = (
    "SELECT a.digest, c.id, a.answer, a.is_truncated FROM ai_run_answers a JOIN ai_calls c ON c.id = a.call_id"
    " WHERE a.session_id = %(session)s AND c.run_id IS NOT DISTINCT FROM %(run)s ORDER BY c.started_at DESC"
)
DELETE_RUN_ANSWERS: Final = (
    "DELETE FROM ai_run_answers a USING ai_calls c WHERE a.session_id = %(session)s AND c.id = a.call_id"
    " AND c.run_id = %(run)s"
)
DELETE_READ_ANSWERS: Final = "DELETE FROM ai_run_answers WHERE call_id = ANY(%(calls)s)"
#: Of items that never ended, such as those of a cancelled run, and of maps that were not attempted again.
DELETE_OLD_ANSWERS: Final = (
    "DELETE FROM ai_run_answers WHERE call_id IN (SELECT call_id FROM ai_run_answers"
    " WHERE created_at < clock_timestamp() - make_interval(days => %(days)s) LIMIT %(max_rows)s)"
)
#: No ledger entry expires for these.
MARK_RUN_CALLS_LOST: Final = (
    "UPDATE ai_calls SET status = 'lost', error_code = 'caller_gone' WHERE run_id IS NOT NULL AND status = 'sent'"
    " AND started_at < clock_timestamp() - make_interval(secs => %(lease_s)s)"
)
#: Completes the call, stores the response and settles the reservation in one round trip.
COMPLETE_CALL: Final = f"WITH {_COMPLETE_CLAUSES}, {ledger.SETTLE_CLAUSE}"
#: Restarts the clock of a call that waited for its permit; no row when the session or the account was deleted.
RESTART_WAITING_CALL: Final = (
    "UPDATE ai_calls c SET waited_ms = %(waited)s, started_at = clock_timestamp() FROM browsing_sessions s, users u"
    " WHERE c.id = %(call)s AND s.id = c.session_id AND s.deleted_at IS NULL AND u.id = c.user_id"
    " AND u.status = 'active'"
)
DELETE_UNSENT_CALL: Final = "DELETE FROM ai_calls WHERE id = %(call)s"
RECORD_UNSUCCESSFUL_CALL: Final = (
    "UPDATE ai_calls SET status = %(status)s, error_code = %(error)s, latency_ms = %(latency)s WHERE id = %(call)s"
)
MARK_CALL_UNUSABLE: Final = (
    "UPDATE ai_calls SET status = 'unusable', error_code = 'unusable_answer' WHERE id = %(call)s"
)
MARK_CALLS_LOST: Final = (
    "UPDATE ai_calls SET status = 'lost', error_code = 'caller_gone' WHERE id = ANY(%(calls)s) AND status = 'sent'"
)
DELETE_OLD_CALL_TEXTS: Final = (
    "DELETE FROM ai_call_texts WHERE call_id IN (SELECT t.call_id FROM ai_call_texts t"
    " JOIN ai_calls c ON c.id = t.call_id WHERE t.created_at < clock_timestamp() - make_interval(days => %(days)s)"
    " AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = c.user_id) LIMIT %(max_rows)s)"
)
SESSION_ACCEPTS_CALLS: Final = (
    "SELECT FROM browsing_sessions s JOIN users u ON u.id = s.user_id"
    " WHERE s.id = %(session)s AND s.deleted_at IS NULL AND u.status = 'active'"
)

#: Marks the responses as used by the session, so that they are deleted with that session at the earliest.
LOAD_CACHED_RESPONSES: Final = (
    "UPDATE ai_checkpoints SET session_id = %(session)s WHERE user_id = %(user)s AND digest = ANY(%(digests)s)"
    " AND prompt_version = %(version)s AND model = ANY(%(models)s) RETURNING digest, model, answer"
)
#: A deleted session stores no responses.
SAVE_CACHED_RESPONSE: Final = (
    "INSERT INTO ai_checkpoints (user_id, digest, prompt_version, model, session_id, answer)"
    " SELECT %(user)s, %(digest)s, %(version)s, %(model)s, s.id, %(answer)s FROM browsing_sessions s"
    " WHERE s.id = %(session)s AND s.deleted_at IS NULL"
    " ON CONFLICT (user_id, digest, prompt_version, model)"
    " DO UPDATE SET answer = excluded.answer, session_id = excluded.session_id"
)
COUNT_CACHED_DIGESTS: Final = (
    "SELECT count(DISTINCT digest) FROM ai_checkpoints WHERE user_id = %(user)s AND digest = ANY(%(digests)s)"
)

#: Seconds until a call of a run that has not ended is taken for lost: longer than it may wait for a permit and run.
RUN_CALL_LEASE_S = 900.0
#: A map that is not attempted again for so long has its calls made again.
UNREAD_ANSWER_DAYS = 7

# --- configuration ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """The stored configuration of one task; None means the catalog's value. See AiConfig."""

    chain: Sequence[Mapping[str, Any]]
    temperature: float | None = None
    max_output_tokens: int | None = None
    timeout_s: float | None = None
    is_enabled: bool = True


async def load_task_configs(connection: Connection) -> dict[str, TaskConfig]:
    """The stored configurations by task type, `default` included."""
    cursor = await connection.execute(LOAD_AI_CONFIGS)
    return {task_type: TaskConfig(*columns) for task_type, *columns in await cursor.fetchall()}


# --- calls ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call about to be sent. `sent` is the user's text in the prompt, `instructions` are ours."""

    task_type: str
    provider: str
    model: str
    instructions: str
    sent: str
    num_redactions: int
    stores_texts: bool


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a successful call. Cached tokens are part of the input, reasoning tokens of the output."""

    request_id: str | None
    latency_s: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_micros: int
    #: The response text, or None when texts are not stored.
    text: str | None

    @property
    def total_tokens(self) -> int:
        """The tokens that the ledger settles."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class RunCallScope:
    """The run that pays for a call, and the session and its user that the call is made for."""

    run_id: str
    call_id: uuid.UUID
    user_id: uuid.UUID
    session_id: uuid.UUID


def _call_parameters(call: NewCall) -> dict[str, Any]:
    return {
        "task": call.task_type,
        "provider": call.provider,
        "model": call.model,
        "chars": len(call.sent),
        "digest": blake2b(call.sent.encode("utf-8", "replace"), digest_size=16).hexdigest(),
        "redactions": call.num_redactions,
        "instructions": storable_text(call.instructions) if call.stores_texts else "",
        "sent": storable_text(call.sent) if call.stores_texts else "",
        "keeps": call.stores_texts,
    }


def _result_parameters(result: CallResult) -> dict[str, Any]:
    return {
        "request": (result.request_id or "")[:200] or None,
        "latency": round(result.latency_s * 1000),
        "input": result.input_tokens,
        "output": result.output_tokens,
        "cached": result.cached_tokens,
        "reasoning": result.reasoning_tokens,
        "cost": result.cost_micros,
        "answer": storable_text(result.text) if result.text is not None else None,
    }


async def reserve_and_record_call(connection: Connection, reservation: Reservation, call: NewCall) -> bool:
    """Reserve tokens and record the call as `sent`; returns False when the session or the account was deleted.

    After False the caller must release the reservation.

    Raises:
        OutOfTokens: the allowance and the grants do not cover the reservation.
        NotFound: the account does not exist.
    """
    cursor = await connection.execute(
        RESERVE_AND_RECORD_CALL,
        {
            **reservation.parameters(),
            **_call_parameters(call),
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    outcome, tokens_left, is_recorded = row
    reservation.raise_if_refused(outcome, tokens_left)
    return bool(is_recorded)


async def record_run_call(
    connection: Connection, scope: RunCallScope, call: NewCall, tokens: int, cost_micros: int
) -> bool:
    """Record a call of at most `tokens` and `cost_micros` as `sent`, paid by a regeneration run.

    Returns False when the session or the account was deleted. The caller holds the lock of the run's budget
    (`models.runs.run_store.check_budget`).
    """
    cursor = await connection.execute(
        RECORD_RUN_CALL,
        {
            "run": scope.run_id,
            "call": scope.call_id,
            "user": scope.user_id,
            "session": scope.session_id,
            "tokens": tokens,
            "micros": cost_micros,
            **_call_parameters(call),
        },
    )
    return await cursor.fetchone() is not None


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The response to a call. `prompt_digest` stands for everything that was sent, and the model."""

    prompt_digest: str
    text: str
    is_truncated: bool

    def parameters(self) -> dict[str, Any]:
        """By the names that the statements use."""
        return {
            "prompt_digest": self.prompt_digest,
            "response": storable_text(self.text),
            "is_truncated": self.is_truncated,
        }


async def complete_run_call(
    connection: Connection, call_id: uuid.UUID, result: CallResult, answer: ModelAnswer
) -> None:
    """Record a successful call that a regeneration run pays for, with its response. Idempotent."""
    await connection.execute(COMPLETE_RUN_CALL, {"call": call_id, **_result_parameters(result), **answer.parameters()})


async def load_unread_answers(
    connection: Connection, run_id: str | None, session_id: uuid.UUID
) -> dict[str, tuple[uuid.UUID, ModelAnswer]]:
    """The calls that were answered for this session in earlier attempts, and the responses, by digest of the prompt.

    `run_id` is the run that paid for them, None for calls that the user has paid.
    """
    cursor = await connection.execute(LOAD_UNREAD_ANSWERS, {"run": run_id, "session": session_id})
    return {
        digest: (call_id, ModelAnswer(digest, text, is_truncated))
        async for digest, call_id, text, is_truncated in cursor
    }


async def delete_run_answers(connection: Connection, run_id: str, session_id: uuid.UUID) -> None:
    """Delete the responses that were stored for the next attempt of an item."""
    await connection.execute(DELETE_RUN_ANSWERS, {"run": run_id, "session": session_id})


async def delete_read_answers(connection: Connection, call_ids: Sequence[uuid.UUID]) -> None:
    """Delete the responses to these calls: what was made of them is stored."""
    await connection.execute(DELETE_READ_ANSWERS, {"calls": list(call_ids)})


async def complete_call(connection: Connection, call_id: uuid.UUID, result: CallResult, answer: ModelAnswer) -> None:
    """Record a successful call with its response, and settle its tokens. Idempotent.

    Raises:
        NotFound: no tokens were reserved for this call.
    """
    cursor = await connection.execute(
        COMPLETE_CALL,
        {
            "call": call_id,
            "used": result.total_tokens,
            **_result_parameters(result),
            **answer.parameters(),
        },
    )
    if cursor.rowcount == 0:
        # Settled before, or never reserved: `settle` distinguishes the two.
        await ledger.settle(connection, call_id, result.total_tokens)


async def restart_waiting_call(connection: Connection, call_id: uuid.UUID, waited_s: float) -> bool:
    """Record that the call starts now, after `waited_s`; returns False when the session or account was deleted."""
    cursor = await connection.execute(RESTART_WAITING_CALL, {"call": call_id, "waited": round(waited_s * 1000)})
    return cursor.rowcount == 1


async def discard_unsent_call(connection: Connection, call_id: uuid.UUID) -> None:
    """Delete the row of a call that was never sent and release its reservation."""
    await ledger.release(connection, call_id)
    await connection.execute(DELETE_UNSENT_CALL, {"call": call_id})


async def record_unsuccessful_call(
    connection: Connection, call_id: uuid.UUID, status: str, error_code: str, latency_s: float
) -> None:
    """Record that a call failed or was cancelled, and release its reservation."""
    await ledger.release(connection, call_id)
    await connection.execute(
        RECORD_UNSUCCESSFUL_CALL,
        {"call": call_id, "status": status, "error": error_code[:60], "latency": round(latency_s * 1000)},
    )


async def reject_call(connection: Connection, call_id: uuid.UUID) -> None:
    """Record that the response failed validation, and refund its tokens. Idempotent."""
    await ledger.refund(connection, call_id)
    await connection.execute(MARK_CALL_UNUSABLE, {"call": call_id})


async def release_lost_calls(connection: Connection, max_rows: int = 1000) -> int:
    """Release expired reservations and mark their calls as lost; returns the number of reservations."""
    call_ids = await ledger.release_expired_reservations(connection, max_rows)
    if call_ids:
        await connection.execute(MARK_CALLS_LOST, {"calls": call_ids})
    await connection.execute(MARK_RUN_CALLS_LOST, {"lease_s": RUN_CALL_LEASE_S})
    return len(call_ids)


async def purge_call_texts(connection: Connection, days: int, max_rows: int = 5000) -> int:
    """Delete sent texts and responses older than `days`; returns the number of calls.

    Texts of accounts under a legal hold stay. Responses that were not used for UNREAD_ANSWER_DAYS go with them.
    """
    await connection.execute(DELETE_OLD_ANSWERS, {"days": UNREAD_ANSWER_DAYS, "max_rows": max_rows})
    cursor = await connection.execute(DELETE_OLD_CALL_TEXTS, {"days": days, "max_rows": max_rows})
    return cursor.rowcount


async def session_accepts_calls(connection: Connection, session_id: uuid.UUID) -> bool:
    """Whether the session exists and its account is active."""
    cursor = await connection.execute(SESSION_ACCEPTS_CALLS, {"session": session_id})
    return await cursor.fetchone() is not None


def storable_text(text: str) -> str:
    """`text` without NUL, which PostgreSQL rejects, and without lone surrogates, which UTF-8 cannot encode."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


# --- cached responses -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResponseKey:
    """Where responses are cached: per user and prompt version; `session_id` is the session that uses them."""

    user_id: uuid.UUID
    session_id: uuid.UUID
    prompt_version: int


async def load_cached_responses(
    connection: Connection, key: ResponseKey, models: Sequence[str], digests: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The cached responses by digest. With several models, the first of `models` that has a response wins."""
    cursor = await connection.execute(
        LOAD_CACHED_RESPONSES,
        {
            "session": key.session_id,
            "user": key.user_id,
            "digests": list(digests),
            "version": key.prompt_version,
            "models": list(models),
        },
    )
    rank = {model: number for number, model in enumerate(models)}
    rows = sorted(await cursor.fetchall(), key=lambda row: -rank[row[1]])
    return {digest: response for digest, _, response in rows}


async def save_cached_response(
    connection: Connection, key: ResponseKey, model: str, digest: str, response: Mapping[str, Any]
) -> None:
    """Cache a validated response. Idempotent; does nothing when the session was deleted."""
    await connection.execute(
        SAVE_CACHED_RESPONSE,
        {
            "user": key.user_id,
            "digest": digest,
            "version": key.prompt_version,
            "model": model,
            "answer": Jsonb(dict(response)),
            "session": key.session_id,
        },
    )


async def count_cached_digests(connection: Connection, user_id: uuid.UUID, digests: Sequence[str]) -> int:
    """How many of `digests` have a cached response of any model."""
    cursor = await connection.execute(COUNT_CACHED_DIGESTS, {"user": user_id, "digests": list(digests)})
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0
