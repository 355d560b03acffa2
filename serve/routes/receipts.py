"""Forget a page, a site or a time, and the receipts of everything the caller has deleted."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from cluster.mail.session_report import KIND as SESSION_REPORT
from cluster.maps.live_maps import forget_cached_map
from cluster.maps.notifications import notify
from models.accounts.data_kinds import counts_by_kind
from models.accounts.erasure_receipts import Receipt, list_receipts
from models.errors import NotFound
from models.lifecycle.forget import forget
from models.recording.forgetting import ForgetTarget
from models.recording.timeline_store import epoch_ms
from models.schemas.receipts import (
    ErasureReceiptEnvelope,
    ErasureReceiptReply,
    ForgetBody,
    ForgetReply,
    ReceiptList,
)
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State

router = APIRouter(prefix="/v1", tags=["account"])


def receipt_reply(receipt: Receipt) -> ErasureReceiptReply:
    """The receipt as API resource."""
    return ErasureReceiptReply(
        id=str(receipt.id),
        scope=receipt.scope,
        session_ids=[str(session_id) for session_id in receipt.session_ids],
        created_at=receipt.created_at,
        erased_at=receipt.erased_at,
        counts=counts_by_kind(receipt.counts) if receipt.counts is not None else None,
        total=sum((receipt.counts or {}).values()),
    )


@router.get("/receipts", response_model_exclude_none=True)
async def receipts(user_id: CurrentUserId, connection: DbConnection) -> ReceiptList:
    """The newest receipts of the caller, at most 200."""
    return ReceiptList(receipts=[receipt_reply(receipt) for receipt in await list_receipts(connection, user_id)])


@router.get("/receipts/{receipt_id}", response_model_exclude_none=True)
async def read_receipt(
    receipt_id: uuid.UUID, user_id: CurrentUserId, connection: DbConnection
) -> ErasureReceiptEnvelope:
    """One receipt of the caller."""
    found = await list_receipts(connection, user_id, receipt_id)
    if not found:
        raise NotFound("there is no such receipt")
    return ErasureReceiptEnvelope(receipt=receipt_reply(found[0]))


@router.post("/forget", response_model_exclude_none=True)
async def forget_recorded(
    body: ForgetBody, user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection
) -> ForgetReply:
    """Delete what was recorded of a page, a site or a time, and everything derived from the sessions it was in.

    The versions and edits of their maps, their share links, the texts that models received and returned, and their
    search entries are deleted; the maps are generated again from what is left. A session of which nothing is left is
    deleted. This cannot be undone. Open recordings must be stopped first.
    """
    target = ForgetTarget(
        body.page_id,
        body.domain,
        epoch_ms(body.since) if body.since else None,
        epoch_ms(body.until) if body.until else None,
    )
    forgotten = await forget(connection, user_id, target, body.session_id)
    [receipt] = await list_receipts(connection, user_id, forgotten.receipt_id)
    await db.commit()
    # Mails in the outbox of a server without a mail server name the pages of a session.
    await state.mail_queue.mailer.erase_sent(user_id, SESSION_REPORT)
    for session_id in forgotten.session_ids:
        await forget_cached_map(state.valkey, session_id)
        await notify(state.valkey, session_id, "mindmap", {"status": "generating", "stage": "queued", "percent": 0})
    return ForgetReply(receipt=receipt_reply(receipt), open_recordings=forgotten.num_open)
