"""What was asked of AI providers, with which settings, and the answers kept so that nothing is asked twice."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey

#: The two operations, and the row both fall back to.
TASK_TYPES = ("describe", "outline", "default")


class AiConfig(Base):
    """Who does a task: the chain of models in order, and how each is asked. Read anew for every map.

    `chain` is a list of `{"provider", "model"}`, each with optional `requests_per_minute`, `tokens_per_minute`,
    `max_concurrent` and `context_tokens` that replace the catalog's.
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
    """One call to a provider, written before it is made and completed after. Its id is the ledger's `call_id`."""

    __tablename__ = "ai_calls"
    __table_args__ = (
        CheckConstraint(
            "status IN ('sent', 'ok', 'unusable', 'throttled', 'refused', 'failed', 'timeout', 'cancelled', 'lost')",
            name="status",
        ),
        Index("ix_ai_calls_user_started", "user_id", "started_at"),
        Index("ix_ai_calls_session_id", "session_id"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="SET NULL"))
    task_type: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="sent", default="sent")
    #: A short code of ours; never the provider's sentence, which may repeat the prompt.
    error_code: Mapped[str | None]
    provider_request_id: Mapped[str | None]
    started_at: Mapped[CreatedAt]
    waited_ms: Mapped[int] = mapped_column(server_default="0", default=0)
    latency_ms: Mapped[int | None]
    #: Of the input, `cached_tokens` came from the provider's cache; of the output, `reasoning_tokens` were thought.
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    cost_micros: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    #: What was sent, for when the text itself is no longer kept.
    num_chars: Mapped[int] = mapped_column(server_default="0", default=0)
    text_digest: Mapped[str]
    num_redactions: Mapped[int] = mapped_column(server_default="0", default=0)


class AiCallText(Base):
    """The text of a call, as long as the retention setting says; gone with the session or the account."""

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
    """An answer that passed its checks, kept so that a retry or a second session with the same page pays nothing.

    `session_id` is the session that used it last: the row goes when that one is erased, so nothing outlives the
    pages it was made from.
    """

    __tablename__ = "ai_checkpoints"
    __table_args__ = (
        PrimaryKeyConstraint("user_id", "digest", "prompt_version", "model"),
        Index("ix_ai_checkpoints_session_id", "session_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: Of everything the answer depends on: operation, page content, language.
    digest: Mapped[str]
    prompt_version: Mapped[int]
    #: `provider/model`.
    model: Mapped[str]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class ProviderQuota(Base):
    """The shared truth about one provider and model: what every cluster's limiter has spent and learnt.

    Unlogged: cheap to write, and empty after a crash of PostgreSQL, from which limiters start cold.
    """

    __tablename__ = "provider_windows"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    key: Mapped[str] = mapped_column(primary_key=True)
    #: Raised by every change: who writes says which version they changed.
    version: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    state: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
