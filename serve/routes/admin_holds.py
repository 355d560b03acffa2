"""The operators' API for legal holds, which keep the data of an account. Each act needs a reason and is audited."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from models.accounts.audit import record_audit
from models.accounts.legal_holds import end_hold, find_hold_reason, place_hold
from models.errors import Conflict, NotFound
from models.schemas.admin import HoldBody, HoldReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession

router = APIRouter(prefix="/v1/admin", tags=["admin"])


@router.get("/users/{user_id}/hold", response_model_exclude_none=True)
async def get_hold(user_id: uuid.UUID, _: CurrentUserId, connection: DbConnection) -> HoldReply:
    """Whether the data of an account is held, and why."""
    reason = await find_hold_reason(connection, user_id)
    return HoldReply(is_held=reason is not None, reason=reason)


@router.put("/users/{user_id}/hold", response_model_exclude_none=True)
async def set_hold(
    user_id: uuid.UUID, body: HoldBody, admin_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> HoldReply:
    """Place a legal hold on an account, or end it. While it lasts nothing of the account is deleted."""
    if body.is_held:
        if not await place_hold(connection, user_id, body.reason):
            raise NotFound("there is no such account")
    elif not await end_hold(connection, user_id):
        raise Conflict("the data of this account is not held")
    record_audit(db, admin_id, "hold.placed" if body.is_held else "hold.ended", user_id, reason=body.reason)
    await db.commit()
    return HoldReply(is_held=body.is_held, reason=body.reason if body.is_held else None)
