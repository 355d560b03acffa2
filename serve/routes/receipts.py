"""Receipts of what the caller has deleted: sessions, and forgotten pages, sites and times."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from models.accounts.erasure_receipts import Receipt, list_receipts
from models.errors import NotFound
from models.schemas.receipts import ErasureReceiptEnvelope, ErasureReceiptReply, ReceiptList
from serve.dependencies import CurrentUserId, DbConnection

router = APIRouter(prefix="/v1/receipts", tags=["account"])


def receipt_reply(receipt: Receipt) -> ErasureReceiptReply:
    """The receipt as API resource."""
    return ErasureReceiptReply(
        id=str(receipt.id),
        scope=receipt.scope,
        session_ids=[str(session_id) for session_id in receipt.session_ids],
        created_at=receipt.created_at,
        erased_at=receipt.erased_at,
        counts=receipt.counts,
        total=sum((receipt.counts or {}).values()),
    )


@router.get("", response_model_exclude_none=True)
async def receipts(user_id: CurrentUserId, connection: DbConnection) -> ReceiptList:
    """The newest receipts of the caller, at most 200."""
    return ReceiptList(receipts=[receipt_reply(receipt) for receipt in await list_receipts(connection, user_id)])


@router.get("/{receipt_id}", response_model_exclude_none=True)
async def read_receipt(
    receipt_id: uuid.UUID, user_id: CurrentUserId, connection: DbConnection
) -> ErasureReceiptEnvelope:
    """One receipt of the caller."""
    found = await list_receipts(connection, user_id, receipt_id)
    if not found:
        raise NotFound("there is no such receipt")
    return ErasureReceiptEnvelope(receipt=receipt_reply(found[0]))
