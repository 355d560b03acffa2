"""API keys for scripts: create, list, revoke."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Response
from sqlalchemy import ColumnElement, func, select, update

from models.accounts.logins import ApiKey, new_api_key
from models.accounts.users import User
from models.errors import Conflict, NotFound
from models.schemas.api_keys import ApiKeyCreate, ApiKeyCreated, ApiKeyList, ApiKeyReply
from serve.dependencies import CurrentUserId, DbSession, State
from serve.routes.usage import policy_of

router = APIRouter(prefix="/v1/auth/api-keys", tags=["auth"])
MAX_API_KEYS = 50


def _key_reply(key: ApiKey) -> ApiKeyReply:
    return ApiKeyReply.model_validate({**{f: getattr(key, f) for f in ApiKeyReply.model_fields}, "id": str(key.id)})


def _active_keys_of(user_id: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    return (ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))


@router.post("", status_code=201, response_model_exclude_none=True)
async def create_api_key(
    body: ApiKeyCreate, user_id: CurrentUserId, state: State, db: DbSession, response: Response
) -> ApiKeyCreated:
    """Make a key for a script, if the plan includes API keys. It is shown once."""
    _, policy = await policy_of(state, db, user_id)
    policy.require_api_keys()
    # Concurrent requests wait here: otherwise both could pass the check of the limit.
    await db.execute(select(User.id).where(User.id == user_id).with_for_update())
    num_keys = await db.scalar(select(func.count()).select_from(ApiKey).where(*_active_keys_of(user_id))) or 0
    if num_keys >= MAX_API_KEYS:
        raise Conflict(f"there are {MAX_API_KEYS} keys already; revoke one first")
    expires_at = datetime.now(UTC) + timedelta(days=body.expires_in_days) if body.expires_in_days else None
    key, plaintext = new_api_key(user_id, body.name, body.scopes, expires_at)
    db.add(key)
    await db.commit()
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyCreated(api_key=_key_reply(key), key=plaintext)


@router.get("", response_model_exclude_none=True)
async def list_api_keys(user_id: CurrentUserId, db: DbSession) -> ApiKeyList:
    """The caller's keys, newest first."""
    keys = await db.scalars(
        select(ApiKey)
        .where(*_active_keys_of(user_id))
        .order_by(ApiKey.created_at.desc(), ApiKey.id)
        .limit(MAX_API_KEYS)
    )
    return ApiKeyList(api_keys=[_key_reply(key) for key in keys])


@router.delete("/{key_id}", status_code=204)
async def revoke_api_key(key_id: uuid.UUID, user_id: CurrentUserId, state: State, db: DbSession) -> Response:
    """Revoke a key; it stops working within seconds."""
    revoked_id = await db.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    if revoked_id is None:
        raise NotFound("there is no such API key")
    await db.commit()
    await state.login_cache.revoke([key_id])
    return Response(status_code=204)
