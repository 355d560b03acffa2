"""Every metric that processes of the cluster record. `docs/metrics.md` documents the same list; a test compares them.

Ray sends the values to the node's agent, which exports those of all processes of the node on one port and prefixes
each name with `ray_` (see `telemetry.ray_export`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, get_args

from telemetry.instruments import NoLabels, OneOf, Registry

#: The registry of this process.
REGISTRY = Registry()

_FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
_SIZES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0)

EventVerdict = Literal["stored", "duplicate", "excluded", "invalid"]
#: Every verdict, in the order of the receipt.
EVENT_VERDICTS: tuple[EventVerdict, ...] = get_args(EventVerdict)
BufferWriter = Literal["shard", "replica"]
PoolName = Literal["api", "shard", "worker"]
MapOutcome = Literal["made", "unchanged", "offered", "failed"]
TokenKind = Literal["input", "output"]

_Method = Annotated[str, OneOf("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")]
_Provider = Annotated[str, OneOf("openai", "anthropic", "gemini", "local")]
_Task = Annotated[
    str,
    OneOf(
        "maps.generate",
        "maps.generate_joint",
        "sessions.purge",
        "sessions.enforce_retention",
        "sessions.close_abandoned",
        "sessions.delete_raw_events",
        "accounts.erase",
        "accounts.delete_expired_rows",
        "ai.release_expired_reservations",
        "ai.purge_texts",
        "jobs.requeue_stalled",
        "runs.drive",
        "runs.promote",
        "runs.roll_back",
        "runs.delete_candidates",
        "mails.send",
        "mails.report_session",
        "mails.delete_failed",
        "billing.handle_webhooks",
        "billing.sync_customer",
        "billing.reconcile",
        "billing.close_account",
    ),
]
_JobOutcome = Annotated[str, OneOf("succeeded", "retried", "dead", "interrupted")]
_CallOutcome = Annotated[str, OneOf("ok", "throttled", "refused", "failed", "timeout", "cancelled")]


class _Request(NamedTuple):
    method: _Method
    route: str
    status: str


class _Route(NamedTuple):
    method: _Method
    route: str


class _Verdict(NamedTuple):
    verdict: EventVerdict


class _Writer(NamedTuple):
    writer: BufferWriter


class _Buffers(NamedTuple):
    writer: str
    shard: str


class _JobAttempt(NamedTuple):
    task: _Task
    outcome: _JobOutcome


class _TaskOnly(NamedTuple):
    task: _Task


class _Map(NamedTuple):
    outcome: MapOutcome


class _Call(NamedTuple):
    provider: _Provider
    outcome: _CallOutcome


class _ProviderOnly(NamedTuple):
    provider: _Provider


class _Tokens(NamedTuple):
    provider: _Provider
    kind: TokenKind


class _Connections(NamedTuple):
    pool: PoolName
    state: Literal["used", "idle"]


class _Webhook(NamedTuple):
    outcome: Annotated[str, OneOf("applied", "ignored", "postponed")]


class _Received(NamedTuple):
    outcome: Annotated[str, OneOf("stored", "repeated", "refused")]


class _Denial(NamedTuple):
    what: Annotated[str, OneOf("tokens", "feature", "sessions", "storage")]


class _Mail(NamedTuple):
    outcome: Annotated[
        str,
        OneOf("sent", "delayed", "bounced", "expired", "suppressed", "opted_out", "unverified", "capped", "repeated"),
    ]


class _Quota(NamedTuple):
    provider: _Provider
    model: str


HTTP_REQUESTS = REGISTRY.counter("trailmind_http_requests_total", "HTTP requests answered", _Request)
HTTP_REQUEST_SECONDS = REGISTRY.histogram(
    "trailmind_http_request_seconds", "Time until the response was sent completely", _Route, _FAST_SECONDS
)

EVENTS_RECEIVED = REGISTRY.counter("trailmind_events_total", "Events received, by verdict", _Verdict)
FLUSH_SECONDS = REGISTRY.histogram("trailmind_flush_seconds", "Duration of one group commit", _Writer, _FAST_SECONDS)
FLUSH_EVENTS = REGISTRY.histogram("trailmind_flush_events", "Events in one group commit", _Writer, _SIZES)
FLUSH_FAILURES = REGISTRY.counter("trailmind_flush_failures_total", "Group commits that failed as a whole", _Writer)
BUFFERED_BYTES = REGISTRY.gauge("trailmind_buffered_bytes", "Bytes received and not yet committed", _Buffers)
ACTIVE_USERS = REGISTRY.gauge("trailmind_active_users", "Users in a shard's memory", _Buffers)
ACTIVATIONS = REGISTRY.counter("trailmind_activations_total", "Users loaded into memory", _Writer)
PASSIVATIONS = REGISTRY.counter("trailmind_passivations_total", "Idle users removed from memory", _Writer)

SHARD_CALLS = REGISTRY.counter("trailmind_shard_calls_total", "Calls from replicas to shards", NoLabels)
SHARD_CALL_BATCHES = REGISTRY.counter(
    "trailmind_shard_call_batches_total", "Event batches carried by the calls to shards", NoLabels
)
SHARD_FALLBACKS = REGISTRY.counter(
    "trailmind_shard_fallbacks_total", "Calls a replica handled itself because the shard was unavailable", NoLabels
)
SHARD_MAP_CHANGES = REGISTRY.counter(
    "trailmind_shard_map_changes_total", "Changes of the shard map applied by a replica", NoLabels
)

JOBS_FINISHED = REGISTRY.counter("trailmind_jobs_total", "Job attempts finished", _JobAttempt)
JOB_SECONDS = REGISTRY.histogram("trailmind_job_seconds", "Duration of one job attempt", _TaskOnly, _SLOW_SECONDS)
MAPS_FINISHED = REGISTRY.counter("trailmind_maps_total", "Map generations finished", _Map)
MAP_SECONDS = REGISTRY.histogram(
    "trailmind_map_seconds", "Time from the start of the job to the saved map", NoLabels, _SLOW_SECONDS
)
MAP_PAGES = REGISTRY.histogram("trailmind_map_pages", "Pages of the session a map was generated from", NoLabels, _SIZES)

AI_CALLS = REGISTRY.counter("trailmind_ai_calls_total", "Calls to AI providers finished", _Call)
AI_CALL_SECONDS = REGISTRY.histogram(
    "trailmind_ai_call_seconds", "Duration of one successful call to an AI provider", _ProviderOnly, _SLOW_SECONDS
)
AI_TOKENS = REGISTRY.counter("trailmind_ai_tokens_total", "Tokens billed by AI providers", _Tokens)

DATABASE_CONNECTIONS = REGISTRY.gauge(
    "trailmind_database_connections", "Connections of one process's pool", _Connections
)

PROVIDER_QUEUE_LENGTH = REGISTRY.gauge(
    "trailmind_provider_queue_length", "Calls waiting for a provider's quota", _Quota
)
PROVIDER_UTILISATION = REGISTRY.gauge(
    "trailmind_provider_utilisation_ratio", "Share of a provider's allowed calls that are in flight", _Quota
)
PROVIDER_WAIT_P95 = REGISTRY.gauge(
    "trailmind_provider_wait_p95_seconds", "95th percentile of the latest waits for quota", _Quota
)
PROVIDER_REFUSALS = REGISTRY.counter(
    "trailmind_provider_refusals_total", "Calls refused because the provider's quota was exhausted", _Quota
)

WEBHOOKS_RECEIVED = REGISTRY.counter("trailmind_webhooks_received_total", "Webhooks of Stripe received", _Received)
WEBHOOKS_HANDLED = REGISTRY.counter("trailmind_webhooks_handled_total", "Stored webhooks handled, by outcome", _Webhook)
BILLING_DRIFT = REGISTRY.counter(
    "trailmind_billing_drift_total", "Customers whose subscription differed from Stripe at a reconciliation", NoLabels
)
BILLING_DUPLICATES = REGISTRY.counter(
    "trailmind_billing_duplicates_total", "Live subscriptions found beside the current one of a customer", NoLabels
)

QUOTA_DENIALS = REGISTRY.counter(
    "trailmind_quota_denials_total", "Requests and maps that the user's plan did not allow", _Denial
)
AI_COST = REGISTRY.counter(
    "trailmind_ai_cost_microdollars_total", "Cost of calls to AI providers at their list prices", _ProviderOnly
)
MAILS = REGISTRY.counter("trailmind_mails_total", "Mails sent, delayed, refused by the server, or not sent", _Mail)


def record_connections(pool: PoolName, *, used: int, idle: int) -> None:
    """Set the gauges of a connection pool."""
    DATABASE_CONNECTIONS.labels(pool=pool, state="used").set(used)
    DATABASE_CONNECTIONS.labels(pool=pool, state="idle").set(idle)


def record_psycopg_pool(pool: PoolName, stats: Mapping[str, int]) -> None:
    """Set the gauges of a psycopg connection pool from the result of its `get_stats`."""
    idle = stats.get("pool_available", 0)
    record_connections(pool, used=stats.get("pool_size", 0) - idle, idle=idle)
