"""Gauges that come from the database: read once for everybody, not by every process.

What the processes themselves count is `telemetry.metrics` and leaves through Ray. `docs/metrics.md` lists both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from psycopg import AsyncConnection

from models.jobs import QUEUES
from models.recording.browsing_sessions import SessionStatus

_STATUSES = tuple(str(s) for s in SessionStatus)
_MAP_STATUSES = ("generating", "completed", "failed")


@dataclass(frozen=True, slots=True)
class DatabaseGauge:
    """A gauge and the statement that reads it: rows of label values, in order, then the number.

    Every one of `label_values` is shown, at 0 when the statement does not mention it, so that no alert waits for a
    series to appear.
    """

    name: str
    help: str
    sql: str
    labels: tuple[str, ...] = ()
    label_values: tuple[str, ...] = ()


DATABASE_GAUGES: tuple[DatabaseGauge, ...] = (
    DatabaseGauge(
        "trailmind_sessions",
        "Browsing sessions that are not deleted",
        "SELECT status, count(*) FROM browsing_sessions WHERE deleted_at IS NULL GROUP BY status",
        ("status",),
        _STATUSES,
    ),
    DatabaseGauge(
        "trailmind_mindmaps",
        "Mind maps",
        "SELECT status, count(*) FROM mindmaps GROUP BY status",
        ("status",),
        _MAP_STATUSES,
    ),
    DatabaseGauge(
        "trailmind_jobs_pending",
        "Jobs that could run now and do not yet",
        "SELECT queue_name, count(*) FROM procrastinate_jobs WHERE status = 'todo'"
        " AND (scheduled_at IS NULL OR scheduled_at <= now()) GROUP BY queue_name",
        ("queue",),
        QUEUES,
    ),
    DatabaseGauge(
        "trailmind_jobs_running",
        "Jobs a worker has in hand",
        "SELECT queue_name, count(*) FROM procrastinate_jobs WHERE status = 'doing' GROUP BY queue_name",
        ("queue",),
        QUEUES,
    ),
    DatabaseGauge(
        "trailmind_jobs_dead",
        "Jobs that were given up and wait for an operator",
        "SELECT queue_name, count(*) FROM procrastinate_jobs WHERE status = 'failed' GROUP BY queue_name",
        ("queue",),
        QUEUES,
    ),
    DatabaseGauge(
        "trailmind_jobs_oldest_pending_seconds",
        "Age of the longest waiting job",
        "SELECT j.queue_name, extract(epoch FROM now() - min(greatest(e.at, j.scheduled_at)))"
        " FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'"
        " WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now()) GROUP BY j.queue_name",
        ("queue",),
        QUEUES,
    ),
    DatabaseGauge("trailmind_users", "Accounts", "SELECT count(*) FROM users"),
    DatabaseGauge("trailmind_shards_wanted", "Session buffer shards ordered", "SELECT num_shards FROM shard_map"),
    DatabaseGauge(
        "trailmind_database_clients",
        "Connections of all programs to the database",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    ),
    DatabaseGauge(
        "trailmind_database_client_limit",
        "Connections the database allows",
        "SELECT current_setting('max_connections')::int",
    ),
    DatabaseGauge("trailmind_database_bytes", "Size of the database", "SELECT pg_database_size(current_database())"),
)


class _Families:
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def database_metrics(connection: AsyncConnection[Any], *, default_shards: int) -> bytes:
    """Every database gauge in Prometheus' text format. `default_shards` holds while nobody ordered another number."""
    families: list[Metric] = []
    for gauge in DATABASE_GAUGES:
        cursor = await connection.execute(gauge.sql)
        rows = await cursor.fetchall()
        family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
        if gauge.labels:
            found = {str(row[0]): float(row[1] or 0) for row in rows}
            # Only known values: what a newer version of us wrote is not shown under a name nobody looks for.
            for value in gauge.label_values:
                family.add_metric([value], max(0.0, found.get(value, 0.0)))
        else:
            family.add_metric([], float(rows[0][0]) if rows else float(default_shards))
        families.append(family)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry)
