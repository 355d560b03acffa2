"""Request and response bodies of the operators' API."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from models.runs.run_store import RunCounts
from models.schemas.base import Body, Reply, Time
from models.schemas.billing import SMALLEST_UNIT, BillingInterval, InvoiceReply


class AdminUser(Reply):
    """An account without pages, titles and texts."""

    id: str
    email: str
    role: Literal["user", "admin"]
    status: Literal["active", "inactive"]
    email_verified: bool
    plan: Literal["free", "pro", "enterprise"]
    num_sessions: int
    storage_bytes: int
    storage_limit_bytes: int | None = Field(default=None, description="The operator's limit, else the plan's")
    created_at: Time
    deleted_at: Time | None = None


class AdminUserList(Reply):
    """One page of accounts, newest first."""

    users: list[AdminUser]
    total: int


class AdminUserPatch(Body):
    """Absent fields stay unchanged. `inactive` closes the account, `active` reopens a closed one.

    `storage_limit_bytes` replaces the limit of the plan; null returns to it.
    """

    role: Literal["user", "admin"] | None = None
    status: Literal["active", "inactive"] | None = None
    storage_limit_bytes: int | None = Field(default=None, ge=0, le=2**50)


class AdminUserEnvelope(Reply):
    """`{"user": …}`"""

    user: AdminUser


class VerificationLinkReply(Reply):
    """A link that confirms an address, for the operator to pass on."""

    link: str
    expires_at: Time


#: Why an operator acts; kept in the audit log.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class PlanOverrideBody(Body):
    """A plan for an account, which ends at `until`. Without `plan` the account returns to what it pays for."""

    plan: Literal["free", "pro", "enterprise"] | None = None
    reason: Reason
    until: Time | None = None


class PlanOverrideReply(Reply):
    """The plan that an operator has given."""

    plan: Literal["free", "pro", "enterprise"]
    reason: str
    until: Time | None = None
    created_at: Time


class HoldBody(Body):
    """A legal hold to place, or to end."""

    is_held: bool
    reason: Reason


class HoldReply(Reply):
    """Whether the data of an account is held, and why."""

    is_held: bool
    reason: str | None = None


class RunProgressReply(RunCounts, Reply):
    """How far a run is: numbers of maps by state, and what its calls have taken.

    `maps_per_minute` and `seconds_left` are known while the run works and has finished maps in the last minute.
    """

    processed: int
    maps_per_minute: float | None = None
    seconds_left: float | None = None


class RunReply(Reply):
    """A regeneration run. `reason` says why it was stopped; budgets are hard ceilings."""

    id: str
    status: Literal["running", "paused", "stopped", "cancelled", "finished", "promoted", "rolled_back"]
    reason: str | None = None
    provider: str | None = Field(default=None, description="The provider instead of the configured ones")
    model: str | None = None
    token_budget: int | None = None
    cost_budget_micros: int | None = None
    num_canary: int
    is_canary_passed: bool
    promotion: Literal["none", "gate", "all"]
    created_at: Time
    finished_at: Time | None = None
    progress: RunProgressReply


class RunList(Reply):
    """One page of runs, newest first."""

    runs: list[RunReply]
    total: int


class FailedRunItem(Reply):
    """A map that a run could not make, and why."""

    session_id: str
    attempts: int
    error: str | None = None


class RunEnvelope(Reply):
    """A run with its first failed maps."""

    run: RunReply
    failed: list[FailedRunItem]


class RunActionBody(Body):
    """What to do with a run. Only `resume` reads the budgets, only `promote` reads `every`.

    `promote` shows the maps that pass the gates of the run, with `every` all of them.
    """

    action: Literal["pause", "resume", "cancel", "retry", "promote", "roll_back"]
    every: bool = False
    token_budget: Annotated[int, Field(ge=1, le=2**53)] | None = None
    cost_budget_micros: Annotated[int, Field(ge=1, le=2**53)] | None = None


class CreditBody(Body):
    """Tokens for an account; `credit_id` is chosen by the caller and makes repeats harmless."""

    credit_id: uuid.UUID
    tokens: Annotated[int, Field(ge=1, le=100_000_000)]
    reason: Reason


class RefundBody(Body):
    """A refund; without `amount_cents` what is left of the payment is returned."""

    amount_cents: Annotated[int, Field(ge=1, le=100_000_000, description=SMALLEST_UNIT)] | None = None
    reason: Reason


class AdminSubscription(Reply):
    """What an account pays for."""

    id: str
    plan: Literal["pro", "enterprise"]
    status: Literal["active", "past_due", "trialing"]
    interval: BillingInterval
    pending_interval: BillingInterval | None = None
    cancel_at_period_end: bool
    current_period_end: Time
    grace_until: Time | None = None


class AccountBilling(Reply):
    """Plan and payments of an account. `token_limit` is absent when tokens are not limited."""

    plan: Literal["free", "pro", "enterprise"]
    default_plan: Literal["free", "pro", "enterprise"]
    tokens_used: int
    token_limit: int | None = None
    granted_tokens_left: int
    override: PlanOverrideReply | None = None
    subscription: AdminSubscription | None = None
    is_disputed: bool
    invoices: list[InvoiceReply]


class AccountBillingEnvelope(Reply):
    """`{"billing": …}`"""

    billing: AccountBilling


class AdminSession(Reply):
    """The state of a session without its content."""

    id: str
    user_id: str
    session_status: Literal["recording", "paused", "processing", "completed", "failed"]
    map_status: Literal["pending", "generating", "completed", "failed"] | None = None
    failure_reason: str | None = None
    num_events: int
    num_pages: int
    started_at: Time
    ended_at: Time | None = None
    deleted_at: Time | None = None


class AdminSessionList(Reply):
    """One page of sessions, newest first, and the number of sessions in each state."""

    sessions: list[AdminSession]
    total: int
    by_status: dict[str, int]


class JobReply(Reply):
    """A job that is not finished."""

    id: int
    task: str
    queue: str
    state: Literal["pending", "running", "retrying", "dead", "cancelled", "aborting", "aborted"]
    attempts: int
    priority: int
    session_id: str | None = None
    reason: str | None = None
    ordered_at: Time | None = None
    scheduled_at: Time | None = None


class JobList(Reply):
    """Jobs, newest first."""

    jobs: list[JobReply]


class ModelChoice(Body):
    """One model of a chain, with limits that override the catalog. `local` ends the chain."""

    provider: Literal["openai", "anthropic", "gemini", "local"]
    model: Annotated[str, StringConstraints(pattern=r"^[\w.:/@-]{1,128}$")]
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] | None = None
    context_tokens: Annotated[int, Field(ge=4_096, le=10_000_000)] | None = None


TaskType = Literal["describe", "outline", "default"]


class AiConfigBody(Body):
    """The models of a task, in the order they are tried, and the call parameters."""

    chain: list[ModelChoice] = Field(min_length=1, max_length=10)
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=256, le=128_000)] | None = None
    timeout_s: Annotated[float, Field(ge=1, le=240)] | None = None
    is_enabled: bool = True


class AiConfigReply(AiConfigBody):
    """The configuration of a task, and when it was last changed."""

    task_type: TaskType
    updated_at: Time


class AiConfigEnvelope(Reply):
    """`{"config": …}`"""

    config: AiConfigReply


class AiConfigList(Reply):
    """The configured tasks; a task without a configuration uses `default`, and without that the built-in chain."""

    configs: list[AiConfigReply]


class AuditReply(Reply):
    """One action of an operator."""

    id: str
    actor_id: str | None = None
    action: str
    subject: str
    facts: dict[str, Any]
    at: Time


class AuditList(Reply):
    """The audit log, newest first."""

    entries: list[AuditReply]
