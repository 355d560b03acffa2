"""The state of a deployment in one value: which parts work, what waits, what was saved, and what to do.

Every part is read on its own, so that the others are reported when one is down. The thresholds are those of the alerts
in `kuberay/components/monitoring/prometheusrule.yaml`, for operators without Prometheus.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import redis.asyncio
from psycopg.errors import DiskFull
from redis.exceptions import RedisError

from cluster.jobs.alertmanager import firing_alerts
from cluster.jobs.status_details import detail, part_status
from cluster.providers.configuration import provider_endpoints
from cluster.settings import Settings
from models import gauges, system_status
from models.database import Connection, check_disk
from models.jobs import MAPS, QUEUES
from models.migrations.run import latest_revision
from models.schemas.status import (
    AlertStatus,
    DetailCode,
    PartState,
    PartStatus,
    ProviderStatus,
    QueueStatus,
    StatusDetail,
    StatusReply,
)
from models.system_status import StoredBackup
from models.table_checksums import READ_REVISION

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 10.0
_LOW_DISK_SHARE = 0.1
_LOW_DISK_BYTES = 2 * 1024**3
_BACKLOG = 100
_NO_WORKER_S = 240.0
_CONNECTIONS_SHARE = 0.8
#: A server of an organisation has a backup every night, a private one when its owner thinks of it.
_BACKUP_AGE_S = {"production": 26 * 3600.0}
_PRIVATE_BACKUP_AGE_S = 7 * 86_400.0
#: A provider fails when at least this many calls of the last hour did, and more than a tenth.
_FAILED_CALLS, _FAILED_SHARE = 3, 0.1
_CHECKED_PARTS = {"disk": "postgresql", "schema": "postgresql"}


async def collect_status(settings: Settings, others: Sequence[PartStatus] = ()) -> StatusReply:
    """The state of the deployment of `settings`; `others` are parts that the caller has examined.

    Nothing is raised because a part is down. At most about ten seconds pass.
    """
    at = datetime.now(UTC)
    reads = [
        *await asyncio.gather(_read_database(settings, at), _read_valkey(settings), _read_alerts(settings)),
        _read_disk(settings),
        _Read((_mail(settings),)),
    ]
    facts: dict[str, Any] = {"queues": [], "providers": []}
    versions, parts = _own_versions(), list(others)
    for read in reads:
        facts |= read.facts
        versions |= read.versions
        parts += read.parts
    parts.sort(key=_order)
    return StatusReply.model_validate({**facts, "state": _worst(parts), "at": at, "versions": versions, "parts": parts})


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of one store: its parts, versions, and other fields of the reply."""

    parts: tuple[PartStatus, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def _order(part: PartStatus) -> tuple[int, str]:
    first = ("api", "postgresql", "valkey", "shards", "workers", "jobs")
    return (first.index(part.name) if part.name in first else len(first), part.name)


def _worst(parts: Sequence[PartStatus]) -> str:
    states = {part.state for part in parts}
    return "down" if "down" in states else "attention" if "attention" in states else "ok"


def parts_of_readiness(checks: Mapping[str, str], ready: StatusDetail) -> list[PartStatus]:
    """The parts that only a running server can report: the API itself, which says `ready` if it is, and its shards.

    Args:
        checks: What `GET /ready` says of each check; “ok” if it has passed.
        ready: The detail of an API whose checks have all passed.
    """
    # The disk and the schema that are checked are those of the database.
    failed = {_CHECKED_PARTS.get(check, check) for check, sentence in checks.items() if sentence != "ok"}
    if failed:
        state: PartState = "down" if "postgresql" in failed else "attention"
        unready = detail("api_not_ready", parts=",".join(sorted(failed)))
        api = part_status("api", state, unready, problem="not_ready", remedy="see the parts below")
    else:
        api = part_status("api", "ok", ready)
    return [api, _shards(checks["shards"])] if "shards" in checks else [api]


def _shards(sentence: str) -> PartStatus:
    """The shards by the sentence of the readiness check, “1 of 4 do not answer”."""
    counts = re.match(r"(\d+) of (\d+) ", sentence)
    if sentence == "ok":
        return _shards_part(0, 0)
    if counts is None:
        return PartStatus(name="shards", state="attention", problem="shards_missing", message=sentence)
    missing, requested = (int(number) for number in counts.groups())
    return _shards_part(requested - missing, requested)


def _shards_part(num_responding: int, num_shards: int) -> PartStatus:
    """The session buffer shards, of which `num_responding` answer."""
    if num_responding == num_shards:
        return part_status("shards", "ok", detail("all_answer"))
    return part_status(
        "shards",
        "attention",
        detail("shards_missing", missing=num_shards - num_responding, total=num_shards),
        problem="shards_missing",
        remedy="Ray restarts a dead shard within seconds; `trailmind cluster shards` shows how many are requested",
    )


def _own_versions() -> dict[str, str]:
    return {
        "trailmind": importlib.metadata.version("trailmind"),
        "python": platform.python_version(),
        "ray": importlib.metadata.version("ray"),
        "schema_expected": latest_revision(),
    }


async def _read_database(settings: Settings, at: datetime) -> _Read:
    if settings.database.url is None:
        part = part_status(
            "postgresql",
            "down",
            detail("not_running"),
            problem="not_running",
            remedy="start the server with `trailmind up`, or set DATABASE_URL",
        )
        return _Read((part,))
    try:
        async with (
            asyncio.timeout(_READ_TIMEOUT_S),
            await psycopg.AsyncConnection.connect(
                settings.database.postgres_dsn, connect_timeout=_CONNECT_TIMEOUT_S, autocommit=True
            ) as connection,
        ):
            return await _read_tables(settings, connection, at)
    except (psycopg.Error, OSError, TimeoutError) as error:
        # Also when it was lost half-way: what was read before is not true any more.
        part = part_status(
            "postgresql",
            "down",
            detail("database_unreachable", reason=type(error).__name__),
            problem="unreachable",
            remedy="start it, or correct DATABASE_URL; `trailmind doctor` shows the error",
        )
        return _Read((part,))


async def _one(connection: Connection, statement: Any) -> Any:
    row = await (await connection.execute(statement)).fetchone()
    return row[0] if row else None


async def _read_tables(settings: Settings, connection: Connection, at: datetime) -> _Read:
    version = str(await _one(connection, system_status.POSTGRESQL_VERSION)).split()[0]
    try:
        schema = await _one(connection, READ_REVISION)
    except psycopg.errors.UndefinedTable:
        schema = None
    versions = {"postgresql": version, "schema": schema or "none"}
    facts: dict[str, Any] = {
        "database_bytes": await _one(connection, gauges.DATABASE_SIZE_BYTES),
        "database_clients": await _one(connection, gauges.COUNT_DATABASE_CLIENTS),
        "database_client_limit": await _one(connection, gauges.DATABASE_CLIENT_LIMIT),
    }
    postgresql = await _postgresql(connection, versions, facts, schema)
    if schema is None or schema < latest_revision():
        return _Read((postgresql,), versions, facts)  # the tables below may lack
    rows = {
        "pending": dict(await gauges.read_gauge(connection, gauges.COUNT_PENDING_JOBS)),
        "running": dict(await gauges.read_gauge(connection, gauges.COUNT_RUNNING_JOBS)),
        "dead": dict(await gauges.read_gauge(connection, gauges.COUNT_DEAD_JOBS)),
        "oldest_pending_s": dict(await gauges.read_gauge(connection, gauges.OLDEST_PENDING_JOB_S)),
    }
    queues = [
        QueueStatus(queue=queue, **{name: max(0, counts.get(queue, 0)) for name, counts in rows.items()})
        for queue in QUEUES
        if any(queue in counts for counts in rows.values())
    ]
    num_workers = await _one(connection, system_status.COUNT_WORKERS) or 0
    backup = await system_status.last_backup(connection)
    data_age_s = await _one(connection, system_status.OLDEST_ACCOUNT_S)
    providers = [ProviderStatus.model_validate(calls) for calls in await system_status.provider_calls(connection)]
    parts = (
        postgresql,
        _workers(num_workers, queues),
        _jobs(queues),
        _backup(settings, backup, float(data_age_s or 0.0), at),
        _providers(settings, providers),
    )
    return _Read(parts, versions, {**facts, "queues": queues, "last_backup": backup, "providers": providers})


async def _postgresql(
    connection: Connection, versions: Mapping[str, str], facts: Mapping[str, Any], schema: str | None
) -> PartStatus:
    clients, limit = facts["database_clients"] or 0, facts["database_client_limit"] or 1
    size = detail("database_size", version=versions["postgresql"], used_bytes=facts["database_bytes"] or 0)
    expected = latest_revision()
    if schema is None or schema < expected:
        lag = (
            detail("schema_old", schema=schema, expected=expected)
            if schema is not None
            else detail("schema_missing", expected=expected)
        )
        return part_status("postgresql", "down", size, lag, problem="schema_old", remedy="run `trailmind migrate`")
    try:
        await check_disk(connection)
    except DiskFull:
        remedy = "free or enlarge its disk; nothing needs a restart afterwards"
        return part_status("postgresql", "down", size, detail("disk_full"), problem="disk_full", remedy=remedy)
    details = (size, detail("schema", schema=schema), detail("connections", count=clients, limit=limit))
    if clients <= _CONNECTIONS_SHARE * limit:
        return part_status("postgresql", "ok", *details)
    remedy = "lower TRAILMIND_DB_POOL_SIZE or the number of replicas, or raise max_connections"
    return part_status("postgresql", "attention", *details, problem="connections_short", remedy=remedy)


def _workers(num_workers: int, queues: Sequence[QueueStatus]) -> PartStatus:
    maps = next((queue for queue in queues if queue.queue == MAPS), None)
    running = detail("workers_running", count=num_workers)
    if maps is not None and not maps.running and maps.oldest_pending_s > _NO_WORKER_S:
        return part_status(
            "workers",
            "down",
            running,
            detail("no_map_taken", waiting_s=maps.oldest_pending_s),
            problem="no_worker",
            remedy="look for the reason in the logs of GenerationWorker; the maps are made once a worker runs",
        )
    if num_workers == 0:
        remedy = "start the server; where workers scale to zero, one starts with the next job"
        return part_status("workers", "attention", detail("no_heartbeat"), problem="no_heartbeat", remedy=remedy)
    return part_status("workers", "ok", running)


def _jobs(queues: Sequence[QueueStatus]) -> PartStatus:
    pending, dead = sum(queue.pending for queue in queues), sum(queue.dead for queue in queues)
    oldest_s = max((queue.oldest_pending_s for queue in queues), default=0.0)
    facts = (
        detail("jobs_waiting_since", count=pending, oldest_s=oldest_s) if pending else detail("jobs_waiting", count=0),
        detail("jobs_running", count=sum(queue.running for queue in queues)),
        detail("jobs_failed", count=dead),
    )
    if dead:
        remedy = "`trailmind jobs` shows the reasons, `trailmind jobs retry ID` runs one again"
        return part_status("jobs", "attention", *facts, problem="jobs_dead", remedy=remedy)
    if any(queue.pending > _BACKLOG for queue in queues):
        remedy = "raise TRAILMIND_MAX_WORKERS, or see whether a provider's quota is exhausted"
        return part_status("jobs", "attention", *facts, problem="backlog", remedy=remedy)
    return part_status("jobs", "ok", *facts)


def _backup(settings: Settings, backup: StoredBackup | None, data_age_s: float, now: datetime) -> PartStatus:
    limit = _BACKUP_AGE_S.get(settings.environment, _PRIVATE_BACKUP_AGE_S)
    remedy = "`trailmind backup DIRECTORY` makes one, `trailmind backup --help` shows how it is encrypted"
    if backup is None:
        if data_age_s <= limit:
            return part_status("backup", "off", detail("no_backup"), remedy=remedy)
        return part_status("backup", "attention", detail("no_backup"), problem="backup_never", remedy=remedy)
    age_s = max(0.0, (now - backup.made_at).total_seconds())
    code: DetailCode = "backup_encrypted" if backup.is_encrypted else "backup_plain"
    facts = detail(code, age_s=age_s, size_bytes=backup.num_bytes, name=backup.name)
    if age_s > limit:
        return part_status("backup", "attention", facts, problem="backup_old", remedy=remedy)
    return part_status("backup", "ok", facts)


def _providers(settings: Settings, calls: Sequence[ProviderStatus]) -> PartStatus:
    configured = sorted(provider_endpoints(settings))
    if not configured:
        return part_status("providers", "off", detail("no_providers"))
    failing = [
        call
        for call in calls
        if call.num_failed >= _FAILED_CALLS and call.num_failed > _FAILED_SHARE * (call.num_ok + call.num_failed)
    ]
    if not failing:
        num_ok = {call.provider: call.num_ok for call in calls}
        facts = [
            detail("provider_calls", provider=name, count=num_ok[name])
            if name in num_ok
            else detail("provider_idle", provider=name)
            for name in configured
        ]
        return part_status("providers", "ok", *facts)
    failures = [
        detail(
            "provider_failing",
            provider=call.provider,
            failed=call.num_failed,
            count=call.num_ok + call.num_failed,
            reason=call.last_error_code or "?",
        )
        for call in failing
    ]
    remedy = "check the provider's status page, the key and the name of the model; maps use the next provider"
    return part_status("providers", "attention", *failures, problem="provider_failing", remedy=remedy)


async def _read_valkey(settings: Settings) -> _Read:
    if settings.valkey.url is None:
        part = part_status(
            "valkey",
            "down",
            detail("not_running"),
            problem="not_running",
            remedy="start the server with `trailmind up`, or set REDIS_URL",
        )
        return _Read((part,))
    client = redis.asyncio.Redis.from_url(
        settings.valkey.connection_url, socket_connect_timeout=_CONNECT_TIMEOUT_S, socket_timeout=_CONNECT_TIMEOUT_S
    )
    try:
        info: dict[str, Any] = await client.info()
    except (RedisError, OSError, TimeoutError) as error:
        part = part_status(
            "valkey",
            "down",
            detail("valkey_unreachable", reason=type(error).__name__),
            problem="unreachable",
            remedy="start it, or correct REDIS_URL; recording continues",
        )
        return _Read((part,))
    finally:
        await client.aclose()
    version = str(info.get("valkey_version") or info.get("redis_version") or "unknown")
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    memory = (
        detail("valkey_memory_limited", version=version, used_bytes=used, limit_bytes=limit)
        if limit
        else detail("valkey_memory", version=version, used_bytes=used)
    )
    return _Read((part_status("valkey", "ok", memory),), {"valkey": version})


def _read_disk(settings: Settings) -> _Read:
    path = next((p for p in (settings.data_dir, *settings.data_dir.parents) if p.exists()), settings.data_dir)
    usage = shutil.disk_usage(path)
    free = detail("disk_free", free_bytes=usage.free, total_bytes=usage.total, path=str(settings.data_dir))
    if usage.free >= min(_LOW_DISK_BYTES, _LOW_DISK_SHARE * usage.total):
        part = part_status("disk", "ok", free)
    else:
        remedy = "free space, or move the data directory (TRAILMIND_DATA_DIR) while the server is stopped"
        part = part_status("disk", "attention", free, problem="disk_low", remedy=remedy)
    return _Read((part,), facts={"disk_free_bytes": usage.free, "disk_total_bytes": usage.total})


def _mail(settings: Settings) -> PartStatus:
    if settings.mail.server_url is None:
        return part_status(
            "mail",
            "off",
            detail("no_mail_server"),
            remedy="set TRAILMIND_SMTP_URL; `trailmind mail links` prints pending links",
        )
    return part_status("mail", "ok", detail("mail_server"))


async def _read_alerts(settings: Settings) -> _Read:
    url = settings.server.alertmanager_url
    if url is None:
        part = part_status(
            "alerts",
            "off",
            detail("no_alertmanager"),
            remedy="set TRAILMIND_ALERTMANAGER_URL where Alertmanager runs",
        )
        return _Read((part,))
    try:
        alerts = await firing_alerts(url)
    except (httpx2.HTTPError, ValueError) as error:
        part = part_status(
            "alerts",
            "attention",
            detail("alertmanager_unreachable", reason=type(error).__name__),
            problem="unreachable",
            remedy="check TRAILMIND_ALERTMANAGER_URL and Alertmanager itself",
        )
        return _Read((part,))
    return _Read((_alerts(alerts),), facts={"alerts": alerts})


def _alerts(alerts: Sequence[AlertStatus]) -> PartStatus:
    serious = [alert for alert in alerts if alert.severity in {"critical", "warning"}]
    if not serious:
        return part_status("alerts", "ok", detail("no_alert"))
    names = ", ".join(sorted({alert.name for alert in serious}))
    return part_status(
        "alerts",
        "down" if any(alert.severity == "critical" for alert in serious) else "attention",
        detail("alerts_firing", count=len(serious), names=names),
        problem="alerts_firing",
        remedy="docs/runbook.md has a section for each",
    )
