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

#: What a client can word about a part. The values of each are in `cluster.jobs.status_details.SENTENCES`.
DetailCode = Literal[
    "api_ready",
    "api_ready_at",
    "api_not_ready",
    "api_unreachable",
    "all_answer",
    "shards_missing",
    "not_running",
    "database_unreachable",
    "database_size",
    "schema",
    "schema_old",
    "schema_missing",
    "connections",
    "disk_full",
    "valkey_unreachable",
    "valkey_memory",
    "valkey_memory_limited",
    "workers_running",
    "no_map_taken",
    "no_heartbeat",
    "jobs_waiting",
    "jobs_waiting_since",
    "jobs_running",
    "jobs_failed",
    "no_backup",
    "backup_encrypted",
    "backup_plain",
    "no_providers",
    "provider_calls",
    "provider_idle",
    "provider_failing",
    "disk_free",
    "no_mail_server",
    "mail_server",
    "no_alertmanager",
    "alertmanager_unreachable",
    "no_alert",
    "alerts_firing",
]
DetailValue = str | int | float


class StatusDetail(Reply):
    """A fact about a part.

    Values whose name ends with `_s` are seconds, those with `_bytes` amounts of memory; `parts` are names of parts,
    comma separated.
    """

    code: DetailCode
    values: dict[str, DetailValue] = Field(default_factory=dict)


class PartStatus(Reply):
    """One part of the deployment."""

    name: PartName
    state: PartState
    problem: Problem | None = Field(default=None, description="To word the remedy in another language")
    message: str = Field(description="The details as an English sentence")
    details: list[StatusDetail] = Field(default_factory=list, description="To word the message in another language")
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
