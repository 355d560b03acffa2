"""Statements behind the gauges that are read from the database; see `cluster.jobs.database_metrics` for their names.

Each returns rows of one label value and a number, or one row with a number where the gauge has no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from models.database import Connection

COUNT_SESSIONS_BY_STATUS: Final = """
    SELECT status, count(*) FROM browsing_sessions WHERE deleted_at IS NULL GROUP BY status
"""
COUNT_MAPS_BY_STATUS: Final = "SELECT status, count(*) FROM mindmaps GROUP BY status"
COUNT_PENDING_JOBS: Final = """
    SELECT queue_name, count(*) FROM procrastinate_jobs
    WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) GROUP BY queue_name
"""
COUNT_RUNNING_JOBS: Final = (
    "SELECT queue_name, count(*) FROM procrastinate_jobs WHERE status = 'doing' GROUP BY queue_name"
)
COUNT_DEAD_JOBS: Final = (
    "SELECT queue_name, count(*) FROM procrastinate_jobs WHERE status = 'failed' GROUP BY queue_name"
)
# A retry waits from the moment it may run, not from the moment it was first enqueued.
OLDEST_PENDING_JOB_S: Final = """
    SELECT j.queue_name, extract(epoch FROM now() - min(greatest(e.at, j.scheduled_at)))
    FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
    WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now()) GROUP BY j.queue_name
"""
COUNT_SUBSCRIPTIONS: Final = """
    SELECT plan, status, count(*) FROM subscriptions WHERE stripe_subscription_id IS NOT NULL GROUP BY plan, status
"""
# Cents a month; a yearly subscription counts as a twelfth of its price. Amounts in other currencies cannot be added.
MONTHLY_RECURRING_CENTS: Final = """
    SELECT coalesce(sum(CASE s.billing_interval WHEN 'yearly' THEN i.amount_cents / 12.0 ELSE i.amount_cents END), 0)
    FROM subscriptions s JOIN LATERAL (SELECT amount_cents FROM invoices
        WHERE stripe_subscription_id = s.stripe_subscription_id AND paid_at IS NOT NULL AND currency = 'usd'
            AND period_start = s.current_period_start ORDER BY created_at DESC LIMIT 1) i ON true
    WHERE s.status IN ('active', 'past_due')
"""
COUNT_WAITING_WEBHOOKS: Final = "SELECT count(*) FROM stripe_events WHERE handled_at IS NULL"
OLDEST_WAITING_WEBHOOK_S: Final = """
    SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) FROM stripe_events WHERE handled_at IS NULL
"""
COUNT_DISPUTED_CUSTOMERS: Final = "SELECT count(*) FROM billing_customers WHERE open_disputes <> '{}'"
COUNT_USERS: Final = "SELECT count(*) FROM users"
# Without a row the configured number of shards applies.
REQUESTED_SHARDS: Final = "SELECT num_shards FROM shard_map"
COUNT_DATABASE_CLIENTS: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
DATABASE_CLIENT_LIMIT: Final = "SELECT current_setting('max_connections')::int"
DATABASE_SIZE_BYTES: Final = "SELECT pg_database_size(current_database())"


async def read_gauge(connection: Connection, statement: LiteralString) -> Sequence[tuple[Any, ...]]:
    """The rows of one of this module's statements."""
    cursor = await connection.execute(statement)
    return await cursor.fetchall()
