"""The state of a deployment, as operators see it: in `GET /v1/admin/status` and `trailmind status --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.schemas.base import Reply, Time

#: `off` is not configured and not missed; `attention` works, but not for long or not for all.
PartState = Literal["ok", "off", "attention", "down"]
PartName = Literal[
    "api",
    "postgresql",
    "valkey",
    "shards",
    "workers",
    "jobs",
    "backup",
    "disk",
    "mail",
    "providers",
    "alerts",
]
Problem = Literal[
    "unreachable",
    "not_running",
    "not_ready",
    "schema_old",
    "disk_full",
    "disk_low",
    "connections_short",
    "shards_missing",
    "no_worker",
    "no_heartbeat",
    "jobs_dead",
    "backlog",
    "backup_never",
    "backup_old",
    "provider_failing",
    "alerts_firing",
]


class PartStatus(Reply):
    """One part of the deployment."""

    name: PartName
    state: PartState
    problem: Problem | None = Field(default=None, description="To word the remedy in another language")
    message: str
    remedy: str | None = Field(default=None, description="What the operator does about it")


class QueueStatus(Reply):
    """Jobs of one queue."""

    queue: str
    pending: int
    running: int
    dead: int
    oldest_pending_s: float


class ProviderStatus(Reply):
    """Calls to one AI provider within the last hour."""

    provider: str
    num_ok: int
    num_failed: int
    num_throttled: int
    last_ok_at: Time | None = None
    last_error_code: str | None = None


class BackupStatus(Reply):
    """The newest backup that the database knows of."""

    name: str
    made_at: Time
    num_bytes: int
    is_encrypted: bool


class AlertStatus(Reply):
    """An alert that fires."""

    name: str
    severity: str
    since: Time
    summary: str


class StatusReply(Reply):
    """The state of a deployment. What cannot be read, because a part is down, is absent."""

    state: Literal["ok", "attention", "down"]
    at: Time
    versions: dict[str, str]
    parts: list[PartStatus]
    queues: list[QueueStatus]
    providers: list[ProviderStatus]
    alerts: list[AlertStatus] | None = None
    last_backup: BackupStatus | None = None
    database_bytes: int | None = None
    database_clients: int | None = None
    database_client_limit: int | None = None
    disk_free_bytes: int | None = None
    disk_total_bytes: int | None = None
