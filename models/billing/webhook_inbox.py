"""The inbox of Stripe's webhooks: stored once per event id, claimed in batches, retried until they are applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from models.database import Connection

#: A claim that is not finished after this time is free again: the job's process has died.
CLAIM_S = 120
#: Attempts before an event is given up; the reconciliation repairs what it would have changed.
MAX_ATTEMPTS = 12
EVENT_RETENTION_DAYS = 30

# In the order of the ids, so that two servers that receive the same events cannot deadlock.
INSERT_EVENTS: Final = """
    INSERT INTO stripe_events (id, type, object_type, object_id, stripe_customer_id, api_version, happened_at)
    SELECT * FROM unnest(%(id)s::text[], %(type)s::text[], %(object_type)s::text[], %(object_id)s::text[],
        %(customer_id)s::text[], %(api_version)s::text[], %(happened_at)s::timestamptz[])
        AS e (id, type, object_type, object_id, customer_id, api_version, happened_at) ORDER BY e.id
    ON CONFLICT (id) DO NOTHING RETURNING id
"""

CLAIM_EVENTS: Final = """
    UPDATE stripe_events SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => %(claim_s)s)
    WHERE id IN (SELECT id FROM stripe_events WHERE handled_at IS NULL AND next_attempt_at <= now()
                 ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING id, type, object_type, object_id, stripe_customer_id, received_at, attempts
"""

# A fetch that began after the event was received has seen its change.
FIND_COVERED_CUSTOMER: Final = """
    SELECT 1 FROM billing_customers WHERE stripe_customer_id = %(customer)s AND fetched_at > %(received_at)s
"""

FINISH_EVENTS: Final = """
    UPDATE stripe_events SET handled_at = now(), outcome = %(outcome)s, error = %(error)s
    WHERE id = ANY(%(ids)s) AND handled_at IS NULL
"""

POSTPONE_EVENTS: Final = """
    UPDATE stripe_events SET error = %(error)s,
        next_attempt_at = now() + make_interval(secs => least(600, power(2, attempts)))
    WHERE id = ANY(%(ids)s) AND handled_at IS NULL
"""

DELETE_OLD_EVENTS: Final = """
    DELETE FROM stripe_events WHERE id IN (SELECT id FROM stripe_events
        WHERE received_at < now() - make_interval(days => %(days)s) AND handled_at IS NOT NULL LIMIT 10000)
"""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A webhook: what happened to which object. `customer_id` is None when the payload does not name it."""

    id: str
    type: str
    object_type: str
    object_id: str
    customer_id: str | None
    api_version: str | None
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event that this process handles now."""

    id: str
    type: str
    object_type: str
    object_id: str
    customer_id: str | None
    received_at: datetime
    attempts: int


async def store_events(connection: Connection, events: Sequence[ReceivedEvent]) -> set[str]:
    """Store events; returns the ids of the new ones. Repeats, also within `events`, are ignored."""
    columns = {field.name: [getattr(event, field.name) for event in events] for field in fields(ReceivedEvent)}
    cursor = await connection.execute(INSERT_EVENTS, columns)
    return {row[0] for row in await cursor.fetchall()}


async def claim_events(connection: Connection, limit: int = 500) -> list[ClaimedEvent]:
    """Up to `limit` events that are due. The caller commits before it calls Stripe."""
    cursor = await connection.execute(CLAIM_EVENTS, {"claim_s": CLAIM_S, "limit": limit})
    return [ClaimedEvent(*row) for row in await cursor.fetchall()]


async def is_covered(connection: Connection, event: ClaimedEvent) -> bool:
    """Whether a fetch that began after the event was received is stored already."""
    parameters = {"customer": event.customer_id, "received_at": event.received_at}
    return await (await connection.execute(FIND_COVERED_CUSTOMER, parameters)).fetchone() is not None


async def finish_events(connection: Connection, ids: list[str], outcome: str, error: str | None = None) -> None:
    """Mark events as handled: `applied`, `ignored` or `failed`."""
    await connection.execute(FINISH_EVENTS, {"ids": ids, "outcome": outcome, "error": error})


async def postpone_events(connection: Connection, ids: list[str], error: str) -> None:
    """Try the events again after a pause that doubles with every attempt, at most ten minutes."""
    await connection.execute(POSTPONE_EVENTS, {"ids": ids, "error": error})


async def delete_old_events(connection: Connection) -> int:
    """Delete handled events after EVENT_RETENTION_DAYS; returns how many."""
    cursor = await connection.execute(DELETE_OLD_EVENTS, {"days": EVENT_RETENTION_DAYS})
    return cursor.rowcount
