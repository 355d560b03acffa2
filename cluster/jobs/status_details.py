"""What the status page says about the parts of a deployment: codes with values, and the English sentence of each.

The dashboard words the codes in the language of its user; `trailmind status` prints the sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.billing.storage import readable_bytes
from models.schemas.status import DetailCode, DetailValue, PartName, PartState, PartStatus, Problem, StatusDetail

PART_TITLES: Final[Mapping[PartName, str]] = {
    "api": "API",
    "postgresql": "PostgreSQL",
    "valkey": "Valkey",
    "shards": "Shards",
    "workers": "Workers",
    "jobs": "Jobs",
    "alerts": "Alerts",
    "backup": "Backup",
    "disk": "Disk",
    "mail": "Mail",
    "providers": "AI providers",
}

#: Values whose name ends with `_s` are durations in seconds, those with `_bytes` amounts of memory; `parts` are names
#: of parts, comma separated.
SENTENCES: Final[Mapping[DetailCode, str]] = {
    "api_ready": "ready",
    "api_ready_at": "ready at {origin}",
    "api_not_ready": "answers, but is not ready: {parts}",
    "api_unreachable": "{origin} does not answer ({reason})",
    "all_answer": "all answer",
    "shards_missing": "{missing} of {total} without an answer, replicas write directly meanwhile",
    "not_running": "the embedded server is not running",
    "database_unreachable": "does not answer ({reason}): events wait in the browsers",
    "database_size": "version {version}, {used_bytes}",
    "schema": "schema {schema}",
    "schema_old": "schema {schema}, but this program needs {expected}",
    "schema_missing": "without a schema, but this program needs {expected}",
    "connections": "{count} of {limit} connections",
    "disk_full": "its disk is full: nothing can be stored, reading still works",
    "valkey_unreachable": "does not answer ({reason}): progress is not shown live, rate limits are not shared",
    "valkey_memory": "version {version}, {used_bytes} used",
    "valkey_memory_limited": "version {version}, {used_bytes} of {limit_bytes} used",
    "workers_running": "{count} running",
    "no_map_taken": "none takes a map, one waits for {waiting_s}",
    "no_heartbeat": "none sends a heartbeat",
    "jobs_waiting": "{count} waiting",
    "jobs_waiting_since": "{count} waiting, the oldest for {oldest_s}",
    "jobs_running": "{count} running",
    "jobs_failed": "{count} failed for all attempts",
    "no_backup": "none was made",
    "backup_encrypted": "{age_s} old, {size_bytes}, encrypted: {name}",
    "backup_plain": "{age_s} old, {size_bytes}, not encrypted: {name}",
    "no_providers": "no key is set: maps are made without a model",
    "provider_calls": "{provider}: calls in the last hour: {count}",
    "provider_idle": "{provider}: no call in the last hour",
    "provider_failing": "{provider}: {failed} of {count} calls failed ({reason})",
    "disk_free": "{free_bytes} of {total_bytes} free at {path}",
    "no_mail_server": "no mail server is set: forgotten passwords cannot be reset by mail",
    "mail_server": "a mail server is set, `trailmind mail check` connects to it",
    "no_alertmanager": "no Alertmanager is set: the lines of this page are all that is watched",
    "alertmanager_unreachable": "Alertmanager does not answer ({reason}): alerts may reach no person",
    "no_alert": "none fires",
    "alerts_firing": "{count} firing: {names}",
}


def detail(code: DetailCode, **values: DetailValue) -> StatusDetail:
    """The detail `code` with its values."""
    return StatusDetail(code=code, values=values)


def part_status(
    name: PartName,
    state: PartState,
    *details: StatusDetail,
    problem: Problem | None = None,
    remedy: str | None = None,
) -> PartStatus:
    """A part with its details, also as one English sentence."""
    message = "; ".join(_sentence(each) for each in details)
    return PartStatus(name=name, state=state, problem=problem, message=message, details=list(details), remedy=remedy)


def _sentence(each: StatusDetail) -> str:
    return SENTENCES[each.code].format(**{name: _text(name, value) for name, value in each.values.items()})


def _text(name: str, value: DetailValue) -> str:
    if name.endswith("_s"):
        return format_duration(float(value))
    if name == "parts":
        return ", ".join(title for part, title in PART_TITLES.items() if part in str(value).split(","))
    return readable_bytes(int(value)) if name.endswith("_bytes") else str(value)


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
