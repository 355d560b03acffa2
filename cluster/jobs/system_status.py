"""The state of a deployment in one value: which parts work, what waits, what was saved, and what to do.

Every part is read on its own, so that the others are reported when one is down. The thresholds are those of the alerts
in `kuberay/components/monitoring/prometheusrule.yaml`, for operators without Prometheus.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import redis.asyncio
from psycopg.errors import DiskFull
from redis.exceptions import RedisError

from cluster.jobs.alertmanager import firing_alerts
from cluster.providers.configuration import provider_endpoints
from cluster.settings import Settings
from models import gauges, system_status
from models.billing.storage import readable_bytes
from models.database import Connection, check_disk
from models.jobs import MAPS, QUEUES
from models.migrations.run import latest_revision
from models.schemas.status import (
    AlertStatus,
    BackupStatus,
    PartStatus,
    ProviderStatus,
    QueueStatus,
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


async def collect_status(settings: Settings, others: Sequence[PartStatus] = ()) -> StatusReply:
    """The state of the deployment of `settings`; `others` are parts that the caller has examined.

    Nothing is raised because a part is down. At most about ten seconds pass.
    """
    reply = StatusReply(
        state="ok", at=datetime.now(UTC), versions=_own_versions(), parts=list(others), queues=[], providers=[]
    )
    await asyncio.gather(_read_database(settings, reply), _read_valkey(settings, reply), _read_alerts(settings, reply))
    _read_disk(settings, reply)
    reply.parts.append(_mail(settings))
    order = {"api": 0, "postgresql": 1, "valkey": 2, "shards": 3, "workers": 4, "jobs": 5}
    reply.parts.sort(key=lambda part: (order.get(part.name, 9), part.name))
    states = {part.state for part in reply.parts}
    reply.state = "down" if "down" in states else "attention" if "attention" in states else "ok"
    return reply


def shards_part(num_responding: int, num_shards: int) -> PartStatus:
    """The session buffer shards, of which `num_responding` answer."""
    if num_responding == num_shards:
        return PartStatus(name="shards", state="ok", message="all answer")
    return PartStatus(
        name="shards",
        state="attention",
        problem="shards_missing",
        message=f"{num_shards - num_responding} of {num_shards} do not answer; replicas write directly meanwhile",
        remedy="Ray restarts a dead shard within seconds; `trailmind cluster shards` shows how many are requested",
    )


def _own_versions() -> dict[str, str]:
    return {
        "trailmind": importlib.metadata.version("trailmind"),
        "python": platform.python_version(),
        "ray": importlib.metadata.version("ray"),
        "schema_expected": latest_revision(),
    }


async def _read_database(settings: Settings, reply: StatusReply) -> None:
    if settings.database.url is None:
        reply.parts.append(
            PartStatus(
                name="postgresql",
                state="down",
                problem="not_running",
                message="the embedded PostgreSQL is not running",
                remedy="start the server with `trailmind up`, or set DATABASE_URL",
            )
        )
        return
    try:
        async with (
            asyncio.timeout(_READ_TIMEOUT_S),
            await psycopg.AsyncConnection.connect(
                settings.database.postgres_dsn, connect_timeout=_CONNECT_TIMEOUT_S, autocommit=True
            ) as connection,
        ):
            await _read_tables(settings, connection, reply)
    except (psycopg.Error, OSError, TimeoutError) as error:
        reply.parts.append(
            PartStatus(
                name="postgresql",
                state="down",
                problem="unreachable",
                message=f"does not answer ({type(error).__name__}): events wait in the browsers",
                remedy="start it, or correct DATABASE_URL; `trailmind doctor` shows the error",
            )
        )


async def _one(connection: Connection, statement: Any) -> Any:
    row = await (await connection.execute(statement)).fetchone()
    return row[0] if row else None


async def _read_tables(settings: Settings, connection: Connection, reply: StatusReply) -> None:
    reply.versions["postgresql"] = str(await _one(connection, system_status.POSTGRESQL_VERSION)).split()[0]
    try:
        schema = await _one(connection, READ_REVISION)
    except psycopg.errors.UndefinedTable:
        schema = None
    reply.versions["schema"] = schema or "none"
    reply.database_bytes = await _one(connection, gauges.DATABASE_SIZE_BYTES)
    reply.database_clients = await _one(connection, gauges.COUNT_DATABASE_CLIENTS)
    reply.database_client_limit = await _one(connection, gauges.DATABASE_CLIENT_LIMIT)
    reply.parts.append(await _postgresql(connection, reply, schema))
    if schema is None or schema < reply.versions["schema_expected"]:
        return  # the tables below may lack
    rows = {
        "pending": dict(await gauges.read_gauge(connection, gauges.COUNT_PENDING_JOBS)),
        "running": dict(await gauges.read_gauge(connection, gauges.COUNT_RUNNING_JOBS)),
        "dead": dict(await gauges.read_gauge(connection, gauges.COUNT_DEAD_JOBS)),
        "oldest_pending_s": dict(await gauges.read_gauge(connection, gauges.OLDEST_PENDING_JOB_S)),
    }
    reply.queues = [
        QueueStatus(queue=queue, **{name: max(0, counts.get(queue, 0)) for name, counts in rows.items()})
        for queue in QUEUES
        if any(queue in counts for counts in rows.values())
    ]
    num_workers = await _one(connection, system_status.COUNT_WORKERS) or 0
    reply.parts += [_workers(num_workers, reply.queues), _jobs(reply.queues)]
    backup = await system_status.last_backup(connection)
    if backup is not None:
        reply.last_backup = BackupStatus.model_validate(backup)
    data_age_s = await _one(connection, system_status.OLDEST_ACCOUNT_S)
    reply.parts.append(_backup(settings, backup, float(data_age_s or 0.0), reply.at))
    reply.providers = [ProviderStatus.model_validate(calls) for calls in await system_status.provider_calls(connection)]
    reply.parts.append(_providers(settings, reply.providers))


async def _postgresql(connection: Connection, reply: StatusReply, schema: str | None) -> PartStatus:
    facts = f"version {reply.versions['postgresql']}, {readable_bytes(reply.database_bytes or 0)}"
    clients, limit = reply.database_clients or 0, reply.database_client_limit or 1
    connections = f"{clients} of {limit} connections"
    part = PartStatus(name="postgresql", state="ok", message=f"{facts}, schema {schema}, {connections}")
    expected = reply.versions["schema_expected"]
    if schema is None or schema < expected:
        part.state, part.problem = "down", "schema_old"
        part.message = f"{facts}, schema {schema or 'missing'}, but this program needs {expected}"
        part.remedy = "run `trailmind migrate`"
        return part
    try:
        await check_disk(connection)
    except DiskFull:
        part.state, part.problem = "down", "disk_full"
        part.message = f"{facts}; its disk is full: nothing can be stored, reading still works"
        part.remedy = "free or enlarge its disk; nothing needs a restart afterwards"
        return part
    if clients > _CONNECTIONS_SHARE * limit:
        part.state, part.problem = "attention", "connections_short"
        part.remedy = "lower TRAILMIND_DB_POOL_SIZE or the number of replicas, or raise max_connections"
    return part


def _workers(num_workers: int, queues: Sequence[QueueStatus]) -> PartStatus:
    maps = next((queue for queue in queues if queue.queue == MAPS), None)
    part = PartStatus(name="workers", state="ok", message=f"{num_workers} running")
    if maps is not None and not maps.running and maps.oldest_pending_s > _NO_WORKER_S:
        part.state, part.problem = "down", "no_worker"
        part.message = (
            f"{num_workers} running, none takes a map; one waits for {format_duration(maps.oldest_pending_s)}"
        )
        part.remedy = "look for the reason in the logs of GenerationWorker; the maps are made once a worker runs"
    elif num_workers == 0:
        part.state, part.problem = "attention", "no_heartbeat"
        part.message = "none sends a heartbeat"
        part.remedy = "start the server; where workers scale to zero, one starts with the next job"
    return part


def _jobs(queues: Sequence[QueueStatus]) -> PartStatus:
    pending, dead = sum(queue.pending for queue in queues), sum(queue.dead for queue in queues)
    oldest = max((queue.oldest_pending_s for queue in queues), default=0.0)
    waiting = f", the oldest for {format_duration(oldest)}" if pending else ""
    running = sum(queue.running for queue in queues)
    part = PartStatus(
        name="jobs", state="ok", message=f"{pending} wait{waiting}, {running} run, {dead} failed for all attempts"
    )
    if dead:
        part.state, part.problem = "attention", "jobs_dead"
        part.remedy = "`trailmind jobs` shows the reasons, `trailmind jobs retry ID` runs one again"
    elif any(queue.pending > _BACKLOG for queue in queues):
        part.state, part.problem = "attention", "backlog"
        part.remedy = "raise TRAILMIND_MAX_WORKERS, or see whether a provider's quota is exhausted"
    return part


def _backup(settings: Settings, backup: StoredBackup | None, data_age_s: float, now: datetime) -> PartStatus:
    limit = _BACKUP_AGE_S.get(settings.environment, _PRIVATE_BACKUP_AGE_S)
    remedy = "`trailmind backup DIRECTORY` makes one, `trailmind backup --help` shows how it is encrypted"
    if backup is None:
        is_due = data_age_s > limit
        return PartStatus(
            name="backup",
            state="attention" if is_due else "off",
            problem="backup_never" if is_due else None,
            message="none was made",
            remedy=remedy,
        )
    age_s = max(0.0, (now - backup.made_at).total_seconds())
    kind = "encrypted" if backup.is_encrypted else "not encrypted"
    part = PartStatus(
        name="backup",
        state="ok",
        message=f"{format_duration(age_s)} old, {readable_bytes(backup.num_bytes)}, {kind}: {backup.name}",
    )
    if age_s > limit:
        part.state, part.problem, part.remedy = "attention", "backup_old", remedy
    return part


def _providers(settings: Settings, calls: Sequence[ProviderStatus]) -> PartStatus:
    configured = sorted(provider_endpoints(settings))
    if not configured:
        return PartStatus(name="providers", state="off", message="no key is set: maps are made without a model")
    failing = [
        call
        for call in calls
        if call.num_failed >= _FAILED_CALLS and call.num_failed > _FAILED_SHARE * (call.num_ok + call.num_failed)
    ]
    known = {call.provider: call for call in calls}
    facts = ", ".join(
        f"{name}: {known[name].num_ok} calls in the last hour" if name in known else f"{name}: no call in the last hour"
        for name in configured
    )
    if not failing:
        return PartStatus(name="providers", state="ok", message=facts)
    names = ", ".join(
        f"{call.provider} ({call.num_failed} of {call.num_ok + call.num_failed} calls, "
        f"{call.last_error_code or 'unknown reason'})"
        for call in failing
    )
    return PartStatus(
        name="providers",
        state="attention",
        problem="provider_failing",
        message=f"calls fail: {names}",
        remedy="check the provider's status page, the key and the name of the model; maps use the next provider",
    )


async def _read_valkey(settings: Settings, reply: StatusReply) -> None:
    if settings.valkey.url is None:
        reply.parts.append(
            PartStatus(
                name="valkey",
                state="down",
                problem="not_running",
                message="the embedded Valkey is not running",
                remedy="start the server with `trailmind up`, or set REDIS_URL",
            )
        )
        return
    client = redis.asyncio.Redis.from_url(
        settings.valkey.connection_url, socket_connect_timeout=_CONNECT_TIMEOUT_S, socket_timeout=_CONNECT_TIMEOUT_S
    )
    try:
        info: dict[str, Any] = await client.info()
    except (RedisError, OSError, TimeoutError) as error:
        part = PartStatus(
            name="valkey",
            state="down",
            problem="unreachable",
            message=f"does not answer ({type(error).__name__}): progress is not shown live, rate limits are not shared",
            remedy="start it, or correct REDIS_URL; recording continues",
        )
    else:
        version = str(info.get("valkey_version") or info.get("redis_version") or "unknown")
        reply.versions["valkey"] = version
        used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
        of_limit = f" of {readable_bytes(limit)}" if limit else ""
        part = PartStatus(
            name="valkey", state="ok", message=f"version {version}, {readable_bytes(used)}{of_limit} used"
        )
    finally:
        await client.aclose()
    reply.parts.append(part)


def _read_disk(settings: Settings, reply: StatusReply) -> None:
    path = next((p for p in (settings.data_dir, *settings.data_dir.parents) if p.exists()), settings.data_dir)
    usage = shutil.disk_usage(path)
    reply.disk_free_bytes, reply.disk_total_bytes = usage.free, usage.total
    part = PartStatus(
        name="disk",
        state="ok",
        message=f"{readable_bytes(usage.free)} of {readable_bytes(usage.total)} free at {settings.data_dir}",
    )
    if usage.free < min(_LOW_DISK_BYTES, _LOW_DISK_SHARE * usage.total):
        part.state, part.problem = "attention", "disk_low"
        part.remedy = "free space, or move the data directory (TRAILMIND_DATA_DIR) while the server is stopped"
    reply.parts.append(part)


def _mail(settings: Settings) -> PartStatus:
    if settings.mail.server_url is None:
        return PartStatus(
            name="mail",
            state="off",
            message="no mail server is set: forgotten passwords cannot be reset by mail",
            remedy="set TRAILMIND_SMTP_URL; `trailmind mail links` prints pending links",
        )
    return PartStatus(name="mail", state="ok", message="a mail server is set; `trailmind mail check` connects to it")


async def _read_alerts(settings: Settings, reply: StatusReply) -> None:
    url = settings.server.alertmanager_url
    if url is None:
        reply.parts.append(
            PartStatus(
                name="alerts",
                state="off",
                message="no Alertmanager is set: the lines of this page are all that is watched",
                remedy="set TRAILMIND_ALERTMANAGER_URL where Alertmanager runs",
            )
        )
        return
    try:
        reply.alerts = await firing_alerts(url)
    except (httpx2.HTTPError, ValueError) as error:
        reply.parts.append(
            PartStatus(
                name="alerts",
                state="attention",
                problem="unreachable",
                message=f"Alertmanager does not answer ({type(error).__name__}): alerts may reach no person",
                remedy="check TRAILMIND_ALERTMANAGER_URL and Alertmanager itself",
            )
        )
        return
    reply.parts.append(_alerts(reply.alerts))


def _alerts(alerts: Sequence[AlertStatus]) -> PartStatus:
    serious = [alert for alert in alerts if alert.severity in {"critical", "warning"}]
    if not serious:
        return PartStatus(name="alerts", state="ok", message="none fires")
    names = ", ".join(sorted({alert.name for alert in serious}))
    return PartStatus(
        name="alerts",
        state="down" if any(alert.severity == "critical" for alert in serious) else "attention",
        problem="alerts_firing",
        message=f"{len(serious)} fire: {names}",
        remedy="docs/runbook.md has a section for each",
    )


def format_duration(seconds: float) -> str:
    """A duration in its two largest units, such as “2 h 5 min”."""
    minutes = int(seconds) // 60
    if minutes < 1:
        return f"{int(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h"
