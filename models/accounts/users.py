"""Accounts and their settings."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.errors import Unauthorized


class User(Base):
    """One user's account. `email` is stored as typed; `lower(email)` is unique among all accounts."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email_lower", func.lower(text("email")), unique=True),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
        CheckConstraint("role IN ('user', 'admin')", name="role"),
    )

    id: Mapped[UuidKey]
    email: Mapped[str]
    password_hash: Mapped[str | None]
    google_id: Mapped[str | None] = mapped_column(unique=True)
    avatar_url: Mapped[str | None]
    auth_provider: Mapped[str] = mapped_column(server_default="email", default="email")
    email_verified_at: Mapped[datetime | None]
    role: Mapped[str] = mapped_column(server_default="user", default="user")
    status: Mapped[str] = mapped_column(server_default="active", default="active")
    #: Incremented to revoke all tokens issued before (password reset, "log out everywhere").
    token_version: Mapped[int] = mapped_column(server_default="0", default=0)
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    @property
    def can_log_in(self) -> bool:
        """Whether the account has a way to log in; a sign-up by mail has none before its owner chooses a password."""
        return self.password_hash is not None or self.google_id is not None


class UserSettings(Base):
    """The settings of a user; a missing row means the defaults."""

    __tablename__ = "user_settings"
    __table_args__ = (
        CheckConstraint("language IN ('ko', 'en')", name="language"),
        CheckConstraint("theme IN ('light', 'dark', 'system')", name="theme"),
        CheckConstraint("model_use IN ('ask', 'vendor', 'local')", name="model_use"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(server_default="ko", default="ko")
    #: Without a choice, `language` is a default that says nothing about the user.
    is_language_chosen: Mapped[bool] = mapped_column(server_default="false", default=False)
    theme: Mapped[str] = mapped_column(server_default="system", default="system")
    email_notifications: Mapped[bool] = mapped_column(server_default="true", default=True)
    excluded_domains: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    #: Sites that are recorded although a default rule excludes them.
    allowed_domains: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    #: Unused. Kept for replicas of the previous version, which read it.
    capture: Mapped[dict[str, object]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    #: IANA name; None until a client has told it. Optional mails are not sent at night.
    time_zone: Mapped[str | None]
    #: When tokens are used up: `local` generates maps without a model, `refuse` returns 402.
    when_out_of_tokens: Mapped[str] = mapped_column(server_default="local", default="local")
    #: Which models may receive page text (`models.accounts.model_use`).
    model_use: Mapped[str] = mapped_column(server_default="ask", default="ask")
    #: When the user agreed that datasets of the operator contain their sessions; null without consent.
    datasets_agreed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    @property
    def chosen_language(self) -> str | None:
        """The language that the user has chosen."""
        return self.language if self.is_language_chosen else None


async def user_by_email(db: AsyncSession, email: str) -> User | None:
    """The account with this address, case-insensitive, with any status."""
    return await db.scalar(select(User).where(func.lower(User.email) == email.lower()))


async def active_user(db: AsyncSession, user_id: uuid.UUID) -> User | None:
    """The account, or None if it is closed or erased."""
    return await db.scalar(select(User).where(User.id == user_id, User.status == "active"))


async def require_active_user(db: AsyncSession, user_id: uuid.UUID) -> User:
    """The account. Raises Unauthorized if it was closed or erased."""
    user = await active_user(db, user_id)
    if user is None:
        raise Unauthorized("user not found")
    return user
