"""Logins (refresh token families), API keys, and one-time tokens."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, column, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.accounts.users import User
from models.base import Base, CreatedAt, UuidKey

API_KEY_PREFIX = "tm_"


class ClientProgram(enum.StrEnum):
    """The kind of client of a login, from its `X-Trailmind-Client` header; `other` without one."""

    WEB = "web"
    EXTENSION = "extension"
    OTHER = "other"


class LoginFamily(Base):
    """One login and all tokens that descend from it: a refresh token family (RFC 9700, section 4.14.2).

    Only the newest refresh token is valid. Reuse of an older one means that one of two copies is stolen: the family is
    revoked.
    """

    __tablename__ = "login_families"
    __table_args__ = (
        CheckConstraint("client IN ('web', 'extension', 'other')", name="client"),
        Index("ix_login_families_user_id", "user_id"),
        Index("ix_login_families_expires_at", "expires_at"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client: Mapped[str] = mapped_column(server_default="other", default=ClientProgram.OTHER)
    #: The user's `token_version` when the password was verified: a login that races a password reset is invalid.
    token_version: Mapped[int]
    #: `jti` of the valid refresh token, and of the one before it.
    current_jti: Mapped[uuid.UUID]
    previous_jti: Mapped[uuid.UUID | None]
    #: Digest of the client's `Idempotency-Key` at the last rotation: a retry with it is not a theft.
    rotation_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    rotated_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    #: When the user proved who they are for this login; empty for one that another login has opened.
    authenticated_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]


class OneTimeToken(Base):
    """A secret that is valid once, sent by mail or shown once. Only its SHA-256 is stored."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        CheckConstraint("purpose IN ('reset', 'verify', 'extension')", name="purpose"),
        Index("ix_one_time_tokens_user_id", "user_id", "purpose"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    #: PKCE (RFC 7636): the code is exchanged only with the verifier of this S256 challenge.
    code_challenge: Mapped[str | None]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class ApiKey(Base):
    """An API key. It is shown once; only the SHA-256 of its secret half is stored."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_user_id", "user_id"),)

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    #: The last four characters, by which its owner recognizes it.
    hint: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def secret_digest(secret: str) -> bytes:
    """The SHA-256 of a random secret. No slow hash is needed: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """Whether a login or API key is valid, with its role and scopes, and the plan of a key's owner."""

    is_valid: bool
    role: str = "user"
    scopes: tuple[str, ...] = ()
    plan: str = ""


async def family_statuses(db: AsyncSession, family_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
    """The status of each login, by its token family."""
    rows = await db.execute(
        select(
            LoginFamily.id,
            LoginFamily.revoked_at.is_(None)
            & (LoginFamily.expires_at > func.now())
            & (User.status == "active")
            & (User.token_version == LoginFamily.token_version),
            User.role,
        )
        .join(User, User.id == LoginFamily.user_id)
        .where(LoginFamily.id.in_(family_ids))
    )
    found = {family_id: LoginStatus(bool(is_valid), role) for family_id, is_valid, role in rows}
    return {family_id: found.get(family_id, LoginStatus(False)) for family_id in family_ids}


async def open_family(
    db: AsyncSession, user: User, client: ClientProgram, *, jti: uuid.UUID, ttl: timedelta, is_proved: bool
) -> LoginFamily:
    """A new login of `user` with the refresh token `jti`."""
    family = LoginFamily(
        id=uuid.uuid4(),
        user_id=user.id,
        client=client,
        token_version=user.token_version,
        current_jti=jti,
        authenticated_at=datetime.now(UTC) if is_proved else None,
        expires_at=datetime.now(UTC) + ttl,
    )
    db.add(family)
    await db.flush()
    return family


async def revoke_families(
    db: AsyncSession, reason: str, *, family_id: uuid.UUID | None = None, user_id: uuid.UUID | None = None
) -> list[uuid.UUID]:
    """Revoke one login, or all logins of a user; the ids of those revoked now. Raises ValueError without either id."""
    statement = update(LoginFamily).where(LoginFamily.revoked_at.is_(None))
    if family_id is not None:
        statement = statement.where(LoginFamily.id == family_id)
    if user_id is not None:
        statement = statement.where(LoginFamily.user_id == user_id)
    if family_id is None and user_id is None:
        raise ValueError("family_id or user_id is required")
    revoked_ids = await db.scalars(
        statement.values(revoked_at=func.now(), revoked_reason=reason)
        .returning(LoginFamily.id)
        .execution_options(synchronize_session=False)
    )
    return list(revoked_ids)


async def end_all_access(db: AsyncSession, user: User, reason: str, *, keep_api_keys: bool = False) -> list[uuid.UUID]:
    """End everything by which a program acts as `user`; the ids of the ended logins and API keys, for the login cache.

    That is: all logins, also those that are being created concurrently; codes that link an extension; links that reset
    the password; and API keys, unless the owner wants to keep them.
    """
    user.token_version = User.token_version + 1
    await db.flush()
    await db.refresh(user)
    await db.execute(
        update(OneTimeToken)
        .where(
            OneTimeToken.user_id == user.id,
            OneTimeToken.purpose.in_(["extension", "reset"]),
            OneTimeToken.used_at.is_(None),
        )
        .values(used_at=func.now())
        .execution_options(synchronize_session=False)
    )
    ended_ids = await revoke_families(db, reason, user_id=user.id)
    if keep_api_keys:
        return ended_ids
    revoked_keys = await db.scalars(
        update(ApiKey)
        .where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
        .execution_options(synchronize_session=False)
    )
    return [*ended_ids, *revoked_keys]


async def issue_one_time_token(
    db: AsyncSession, user_id: uuid.UUID, purpose: str, *, ttl: timedelta, code_challenge: str | None = None
) -> str:
    """A new one-time secret. Earlier ones for the same purpose become invalid."""
    now = datetime.now(UTC)
    await db.execute(
        update(OneTimeToken)
        .where(OneTimeToken.user_id == user_id, OneTimeToken.purpose == purpose, OneTimeToken.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    # Expired tokens of the user are deleted here, so no job is needed.
    await db.execute(
        delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.expires_at < now - timedelta(days=7))
    )
    secret = secrets.token_hex(32)
    db.add(
        OneTimeToken(
            user_id=user_id,
            purpose=purpose,
            digest=secret_digest(secret),
            code_challenge=code_challenge,
            expires_at=now + ttl,
        )
    )
    await db.flush()
    return secret


async def owner_of_one_time_token(db: AsyncSession, secret: str, purpose: str) -> uuid.UUID | None:
    """The user to whom a valid token belongs, without using it up; None if it is unknown, expired or used."""
    return await db.scalar(
        select(OneTimeToken.user_id).where(
            OneTimeToken.digest == secret_digest(secret),
            OneTimeToken.purpose == purpose,
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > func.now(),
        )
    )


async def redeem_one_time_token(db: AsyncSession, secret: str, purpose: str) -> OneTimeToken | None:
    """Use up the token and return it; None if it is unknown, expired or used. Of concurrent calls one succeeds."""
    token: OneTimeToken | None = await db.scalar(
        update(OneTimeToken)
        .where(
            OneTimeToken.digest == secret_digest(secret),
            OneTimeToken.purpose == purpose,
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(OneTimeToken)
    )
    return token


def new_api_key(
    user_id: uuid.UUID, name: str, scopes: Iterable[str], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """A new API key, and its plaintext to show once."""
    key_id, secret = uuid.uuid4(), secrets.token_urlsafe(32)
    key = ApiKey(
        id=key_id,
        user_id=user_id,
        name=name,
        digest=secret_digest(secret),
        hint=secret[-4:],
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    return key, f"{API_KEY_PREFIX}{key_id.hex}_{secret}"


async def api_key_status(
    db: AsyncSession, key_id: uuid.UUID, secret: str, default_plan: str
) -> tuple[uuid.UUID, LoginStatus] | None:
    """The owner and status of an API key; None if it does not exist or the secret is wrong."""
    row = (
        await db.execute(
            select(
                ApiKey.user_id,
                ApiKey.digest,
                ApiKey.scopes,
                ApiKey.revoked_at.is_(None)
                & ((ApiKey.expires_at.is_(None)) | (ApiKey.expires_at > func.now()))
                & (User.status == "active"),
                select(column("plan"))
                .select_from(func.plan_of_user(ApiKey.user_id, default_plan, func.now()))
                .scalar_subquery(),
            )
            .join(User, User.id == ApiKey.user_id)
            .where(ApiKey.id == key_id)
        )
    ).first()
    if row is None or not hmac.compare_digest(row[1], secret_digest(secret)):
        return None
    await db.execute(
        update(ApiKey)
        .where(
            ApiKey.id == key_id,
            (ApiKey.last_used_at.is_(None)) | (ApiKey.last_used_at < func.now() - text("interval '1 minute'")),
        )
        .values(last_used_at=func.now())
    )
    # A key has the role of a user, also if its owner is an operator.
    return row[0], LoginStatus(bool(row[3]), "user", tuple(row[2]), row[4])
