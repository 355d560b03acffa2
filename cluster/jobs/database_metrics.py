"""Gauges that are read from the database, once per scrape, instead of by every process.

The metrics that processes count themselves are in `telemetry.metrics` and are exported through Ray. `docs/metrics.md`
lists both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import LiteralString

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily

from models import gauges
from models.billing.plans import PLANS
from models.database import Connection
from models.jobs import QUEUES
from models.recording.browsing_sessions import SessionStatus

_SESSION_STATUSES = tuple(str(status) for status in SessionStatus)
_SUBSCRIPTION_STATUSES = ("active", "past_due", "trialing", "canceled", "incomplete", "unpaid", "paused")
#: Plans that Stripe can charge for.
_PAID_PLANS = tuple(plan_id for plan_id in PLANS if plan_id != "free")
_MAP_STATUSES = ("generating", "completed", "failed")


@dataclass(frozen=True, slots=True)
class DatabaseGauge:
    """A gauge and the statement that reads it.

    With `labels` the statement returns rows of their values and a number. Every one of `label_values` is exported, as 0
    when no row has it, so that an alert never lacks its series.
    """

    name: str
    help: str
    statement: LiteralString
    labels: tuple[str, ...] = ()
    label_values: tuple[tuple[str, ...], ...] = ()


def _each(values: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((value,) for value in values)


DATABASE_GAUGES: tuple[DatabaseGauge, ...] = (
    DatabaseGauge(
        "trailmind_sessions",
        "Browsing sessions that are not deleted",
        gauges.COUNT_SESSIONS_BY_STATUS,
        ("status",),
        _each(_SESSION_STATUSES),
    ),
    DatabaseGauge("trailmind_mindmaps", "Mind maps", gauges.COUNT_MAPS_BY_STATUS, ("status",), _each(_MAP_STATUSES)),
    DatabaseGauge(
        "trailmind_jobs_pending", "Jobs that may run now and wait", gauges.COUNT_PENDING_JOBS, ("queue",), _each(QUEUES)
    ),
    DatabaseGauge(
        "trailmind_jobs_running", "Jobs that a worker runs", gauges.COUNT_RUNNING_JOBS, ("queue",), _each(QUEUES)
    ),
    DatabaseGauge(
        "trailmind_jobs_dead",
        "Jobs that have used up their attempts",
        gauges.COUNT_DEAD_JOBS,
        ("queue",),
        _each(QUEUES),
    ),
    DatabaseGauge(
        "trailmind_jobs_oldest_pending_seconds",
        "Age of the oldest pending job",
        gauges.OLDEST_PENDING_JOB_S,
        ("queue",),
        _each(QUEUES),
    ),
    DatabaseGauge(
        "trailmind_subscriptions",
        "Subscriptions at Stripe",
        gauges.COUNT_SUBSCRIPTIONS,
        ("plan", "status"),
        tuple(product(_PAID_PLANS, _SUBSCRIPTION_STATUSES)),
    ),
    DatabaseGauge(
        "trailmind_monthly_recurring_cents",
        "Revenue per month of the subscriptions that are paid in US dollars",
        gauges.MONTHLY_RECURRING_CENTS,
    ),
    DatabaseGauge("trailmind_webhooks_waiting", "Webhooks not yet handled", gauges.COUNT_WAITING_WEBHOOKS),
    DatabaseGauge(
        "trailmind_webhooks_oldest_seconds",
        "Age of the oldest webhook not yet handled",
        gauges.OLDEST_WAITING_WEBHOOK_S,
    ),
    DatabaseGauge("trailmind_disputed_customers", "Customers with a disputed payment", gauges.COUNT_DISPUTED_CUSTOMERS),
    DatabaseGauge("trailmind_users", "Accounts", gauges.COUNT_USERS),
    DatabaseGauge("trailmind_shards_wanted", "Requested session buffer shards", gauges.REQUESTED_SHARDS),
    DatabaseGauge(
        "trailmind_database_clients", "Connections of all programs to the database", gauges.COUNT_DATABASE_CLIENTS
    ),
    DatabaseGauge(
        "trailmind_database_client_limit", "Connections that the database allows", gauges.DATABASE_CLIENT_LIMIT
    ),
    DatabaseGauge("trailmind_database_bytes", "Size of the database", gauges.DATABASE_SIZE_BYTES),
)


class _StaticCollector:
    """Hands families that are complete already to a Prometheus registry."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def database_metrics(connection: Connection, *, default_shards: int) -> bytes:
    """Every database gauge in Prometheus' text format.

    `default_shards` is the number of shards where no other was requested.
    """
    families: list[Metric] = []
    for gauge in DATABASE_GAUGES:
        rows = await gauges.read_gauge(connection, gauge.statement)
        if not gauge.labels:
            family = GaugeMetricFamily(gauge.name, gauge.help)
            family.add_metric([], float(rows[0][0]) if rows else float(default_shards))
        else:
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            numbers = {tuple(map(str, row[:-1])): float(row[-1] or 0) for row in rows}
            # Known values only: a newer version of the product may have written others.
            for values in gauge.label_values:
                family.add_metric(values, max(0.0, numbers.get(values, 0.0)))
        families.append(family)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StaticCollector(families))
    return generate_latest(registry)
