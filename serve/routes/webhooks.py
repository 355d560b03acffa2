"""The webhooks of Stripe."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response

from models.errors import TrailmindError
from models.schemas.base import MessageReply
from serve.dependencies import app_state
from serve.routes.billing import BillingDisabled
from telemetry.metrics import WEBHOOKS_RECEIVED

router = APIRouter(prefix="/v1", tags=["billing"])

_STORED, _REPEATED = (
    msgspec.json.encode(MessageReply(message=message).model_dump()) for message in ("stored", "stored before")
)


@router.post("/webhooks/stripe", response_model=MessageReply)
async def stripe_webhook(request: Request) -> Response:
    """Store one event of Stripe; a job handles it. Stripe repeats an event that is not answered by 200."""
    # Servers that sell nothing do not load Stripe's library.
    from cluster.billing.webhooks import read_webhook

    # Stripe sends hundreds a second when subscriptions renew: no dependency injection, and no reply is encoded twice.
    state = app_state(request)
    billing = state.settings.billing
    if not billing.is_enabled:
        raise BillingDisabled("this server does not sell plans: no Stripe key is set")
    try:
        event = read_webhook(
            await request.body(),
            request.headers.get("stripe-signature"),
            billing.signing_secrets,
            is_live=billing.is_live,
        )
    except TrailmindError:
        WEBHOOKS_RECEIVED.labels(outcome="refused").inc()
        raise
    is_new = await state.webhook_inbox.store(event)
    WEBHOOKS_RECEIVED.labels(outcome="stored" if is_new else "repeated").inc()
    return Response(_STORED if is_new else _REPEATED, media_type="application/json")
