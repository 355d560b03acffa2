"""Stripe's webhooks: verify and read one, and handle the stored ones.

A webhook only says that something happened: it is stored, and a job fetches the customer it is about. So the order, the
number of deliveries and the version of the payload do not matter. Both forms are read: snapshot events, which contain
the object, and thin events (`v2.core.event`), which name it.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from stripe import SignatureVerificationError, WebhookSignature

from cluster.billing.sync import CustomerSync
from models.billing.webhook_inbox import (
    MAX_ATTEMPTS,
    ClaimedEvent,
    ReceivedEvent,
    claim_events,
    finish_events,
    is_covered,
    postpone_events,
)
from models.errors import BadRequest, TrailmindError
from telemetry.metrics import WEBHOOKS_HANDLED

log = structlog.get_logger("billing")

#: Events come in groups: the job looks for more after this pause.
PAUSE_S = 0.25
#: How old a signature may be.
TOLERANCE_S = 300


class InvalidSignature(BadRequest):
    """No secret of ours signed this body, or the signature is too old."""

    code = "INVALID_SIGNATURE"


class WrongStripeMode(BadRequest):
    """The event is of Stripe's test mode and our key is of live mode, or the reverse."""

    code = "WRONG_STRIPE_MODE"


def read_webhook(body: bytes, signature: str | None, secrets: Sequence[str], *, is_live: bool) -> ReceivedEvent:
    """The event in a webhook. `is_live` is whether our key works in Stripe's live mode.

    Raises InvalidSignature, WrongStripeMode, or BadRequest if the signed body is no event.
    """
    _verify(body, signature, secrets)
    try:
        event = json.loads(body)
        if event["livemode"] is not is_live:
            modes = ("live", "test") if is_live else ("test", "live")
            raise WrongStripeMode(
                f"this server's key is of Stripe's {modes[0]} mode, and the event of its {modes[1]} mode"
            )
        return _thin_event(event) if event["object"] == "v2.core.event" else _snapshot_event(event)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise BadRequest("the body is not an event of Stripe") from error


def _verify(body: bytes, signature: str | None, secrets: Sequence[str]) -> None:
    for secret in secrets:
        try:
            WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
        except (SignatureVerificationError, UnicodeDecodeError):
            continue
        return
    raise InvalidSignature("the Stripe-Signature header does not fit the body")


def _snapshot_event(event: dict[str, Any]) -> ReceivedEvent:
    about = event["data"]["object"]
    customer = about["id"] if about["object"] == "customer" else about.get("customer")
    if isinstance(customer, dict):
        customer = customer["id"]
    return ReceivedEvent(
        id=_text(event["id"]),
        type=_text(event["type"]),
        object_type=_text(about["object"]),
        # Some events are about objects without an id (`balance.available`).
        object_id=_text(about.get("id", "")),
        customer_id=None if customer is None else _text(customer),
        api_version=event.get("api_version"),
        happened_at=datetime.fromtimestamp(event["created"], UTC),
    )


def _thin_event(event: dict[str, Any]) -> ReceivedEvent:
    related = event.get("related_object") or {"type": "", "id": ""}
    return ReceivedEvent(
        id=_text(event["id"]),
        type=_text(event["type"]).removeprefix("v1."),
        object_type=_text(related["type"]).removeprefix("v1."),
        object_id=_text(related["id"]),
        customer_id=_text(related["id"]) if related["type"].removeprefix("v1.") == "customer" else None,
        api_version=None,
        happened_at=datetime.fromisoformat(event["created"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value or len(value) > 255:
        raise ValueError("not a short text")
    return value


async def handle_due_events(sync: CustomerSync, *, pause_s: float = 0.0) -> int:
    """Handle the stored events that are due; returns how many. One customer's failure does not stop the others'.

    After events it waits `pause_s` and looks again, so that a stream of webhooks is handled in groups by one job.
    """
    num_handled = 0
    while True:
        if num_handled:
            await asyncio.sleep(pause_s)
        async with sync.pool.connection() as connection:
            events = await claim_events(connection)
        if not events:
            return num_handled
        num_handled += len(events)
        by_customer: dict[str, list[ClaimedEvent]] = defaultdict(list)
        for event in events:
            try:
                customer_id = event.customer_id or await sync.gateway.related_customer(
                    event.object_type, event.object_id
                )
            except Exception as error:
                await _postpone(sync, [event], error)
            else:
                # The empty text collects the events that are about no customer.
                by_customer[customer_id or ""].append(event)
        for customer_id, batch in by_customer.items():
            await _handle(sync, customer_id, batch)


async def _handle(sync: CustomerSync, customer_id: str, events: list[ClaimedEvent]) -> None:
    is_known = False
    if customer_id:
        try:
            newest = max(events, key=lambda event: event.received_at)
            async with sync.pool.connection() as connection:
                is_known = newest.customer_id is not None and await is_covered(connection, newest)
            is_known = is_known or await sync.sync(customer_id) is not None
        except Exception as error:
            await _postpone(sync, events, error)
            return
    outcome = "applied" if is_known else "ignored"
    async with sync.pool.connection() as connection:
        await finish_events(connection, [event.id for event in events], outcome)
    WEBHOOKS_HANDLED.labels(outcome=outcome).inc(len(events))


async def _postpone(sync: CustomerSync, events: list[ClaimedEvent], error: Exception) -> None:
    """Try the events again later; those without attempts left have failed."""
    ids = [event.id for event in events]
    log.warning("webhook_failed", events=ids[:10], num_events=len(ids), exc_info=error)
    problem = str(error) if isinstance(error, TrailmindError) else f"{type(error).__name__}: {error}"[:500]
    async with sync.pool.connection() as connection:
        last = [event.id for event in events if event.attempts >= MAX_ATTEMPTS]
        await finish_events(connection, last, "failed", problem)
        await postpone_events(connection, ids, problem)
    WEBHOOKS_HANDLED.labels(outcome="postponed").inc(len(ids))
