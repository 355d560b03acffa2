"""Registers the durable tasks with procrastinate: which function runs a task, on which queue, when it is retried.

A task function takes its work from the job's arguments and its resources from the worker (`JobResources`).
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
import structlog
from procrastinate import App, JobContext, RetryStrategy
from psycopg_pool import AsyncConnectionPool

from cluster.billing.reconciliation import reconcile
from cluster.billing.sync import CustomerSync
from cluster.jobs.maintenance import (
    close_abandoned_sessions,
    delete_old_raw_events,
    erase_due_accounts,
    purge_session,
    requeue_stalled_jobs,
    resume_interrupted_maps,
)
from cluster.jobs.middleware import observe_job
from cluster.jobs.retention import RetentionEnforcer
from cluster.jobs.usage_warnings import UsageWarnings
from cluster.mail.queue import MailQueue, RetryUntilExpired, delete_failed_mails
from cluster.mail.session_report import SessionReporter
from cluster.maps.generation import MapGenerator
from cluster.maps.joint_maps import JointMapGenerator
from cluster.maps.loader import MapRequest
from cluster.runs.operation import RunOperator
from cluster.runs.promotion import Choice
from models.accounts.expired_rows import delete_expired_rows
from models.ai_calls import purge_call_texts, release_lost_calls
from models.billing.webhook_inbox import delete_old_events
from models.errors import Conflict, JobFailed, MapInterrupted, coded_reason
from models.jobs import (
    BATCH,
    BILLING,
    CLOSE_ABANDONED,
    CLOSE_BILLING,
    DELETE_CANDIDATES,
    DELETE_EXPIRED_ROWS,
    DELETE_FAILED_MAILS,
    DELETE_OLD_EVENTS,
    DRIVE_RUN,
    ENFORCE_RETENTION,
    ERASE_ACCOUNTS,
    GENERATE_JOINT_MAP,
    GENERATE_MAP,
    HANDLE_WEBHOOKS,
    MAIL,
    MAINTENANCE,
    MAPS,
    PREVIOUS_TASK_NAMES,
    PROMOTE_RUN,
    PURGE_AI_TEXTS,
    PURGE_SESSION,
    RECONCILE_BILLING,
    RELEASE_EXPIRED_RESERVATIONS,
    REPORT_SESSION,
    REPORTS,
    REQUEUE_STALLED,
    ROLL_BACK_RUN,
    RUNS,
    SEND_MAIL,
    SYNC_CUSTOMER,
    enqueue_session_report,
)

log = structlog.get_logger("jobs")

MAX_RETRIES = 4
#: Waits 3, 9, 27 and 81 s before the retries (procrastinate's formula is `exponential_wait ** (attempts + 1)`). A job
#: whose fifth attempt fails is dead, two minutes after its first.
RETRY_STRATEGY = RetryStrategy(exponential_wait=3, max_attempts=MAX_RETRIES)
#: A job that is requeued this often, because its worker died, is dead.
MAX_INTERRUPTIONS = 20
#: An erased account must not be charged again: this is tried for about twelve hours.
CLOSE_STRATEGY = RetryStrategy(exponential_wait=3, max_attempts=9)


@dataclass(frozen=True, slots=True)
class JobResources:
    """What a worker hands to its tasks: connections, generators and the settings that they follow."""

    pool: AsyncConnectionPool[Any]
    generator: MapGenerator
    mail_queue: MailQueue | None = None
    idle_timeout_s: float = 24 * 3600.0
    ai_text_retention_days: int = 30
    #: None: events stay as long as their session.
    raw_event_retention_days: int | None = None
    account_deletion_delay_s: float = 7 * 86400.0
    retention: RetentionEnforcer | None = None
    #: None without a Stripe key.
    billing: CustomerSync | None = None
    reporter: SessionReporter | None = None
    usage_warnings: UsageWarnings | None = None
    runs: RunOperator | None = None


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """A task that procrastinate enqueues by `cron` (UTC). Its queueing lock keeps one copy at most in the queue."""

    name: str
    cron: str
    run: Callable[[JobContext, int], Awaitable[None]]
    queue: str = MAINTENANCE


def create_job_app(dsn: str) -> App:
    """The procrastinate app with every task registered. The caller opens it."""
    app = App(
        connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=1, max_size=4),
        worker_defaults={"worker_middleware": [observe_job]},
    )
    app.task(name=GENERATE_MAP, queue=MAPS, pass_context=True, retry=RETRY_STRATEGY)(generate_map)
    app.task(name=GENERATE_JOINT_MAP, queue=MAPS, pass_context=True, retry=RETRY_STRATEGY)(generate_joint_map)
    app.task(name=PURGE_SESSION, queue=MAINTENANCE, pass_context=True, retry=RETRY_STRATEGY)(purge_deleted_session)
    app.task(name=SYNC_CUSTOMER, queue=BILLING, pass_context=True, retry=RETRY_STRATEGY)(sync_customer)
    app.task(name=CLOSE_BILLING, queue=BILLING, pass_context=True, retry=CLOSE_STRATEGY)(close_billing)
    app.task(name=SEND_MAIL, queue=MAIL, pass_context=True, retry=RetryUntilExpired())(send_mail)
    app.task(name=REPORT_SESSION, queue=REPORTS, pass_context=True, retry=RetryUntilExpired())(report_session)
    app.task(name=DRIVE_RUN, queue=RUNS, pass_context=True, retry=RETRY_STRATEGY)(drive_run)
    app.task(name=PROMOTE_RUN, queue=RUNS, pass_context=True, retry=RETRY_STRATEGY)(promote_run)
    app.task(name=ROLL_BACK_RUN, queue=RUNS, pass_context=True, retry=RETRY_STRATEGY)(roll_back_run)
    for periodic in PERIODIC_TASKS:
        task = app.task(
            name=periodic.name,
            aliases=[old for old, new in PREVIOUS_TASK_NAMES.items() if new == periodic.name],
            queue=periodic.queue,
            queueing_lock=periodic.name,
            pass_context=True,
        )(periodic.run)
        app.periodic(cron=periodic.cron)(task)
    return app


def _resources(context: JobContext) -> JobResources:
    resources: JobResources = context.additional_context["resources"]
    return resources


def _is_last_attempt(context: JobContext) -> bool:
    return context.job.attempts >= MAX_RETRIES


def _log_failed_attempt(context: JobContext, error: Exception) -> None:
    log.warning("map_attempt_failed", attempt=context.job.attempts + 1, error=type(error).__name__)


def _user_message(error: Exception) -> str:
    shown = error if isinstance(error, JobFailed) else JobFailed("the map could not be generated")
    return f"{coded_reason(shown)}; you can try again"


async def generate_map(
    context: JobContext, session_id: str, force: bool = False, request_id: str | None = None
) -> None:
    """Generate the map of a session; mark it as failed after the last attempt."""
    generator = _resources(context).generator
    if context.job.attempts >= MAX_INTERRUPTIONS:
        # Its worker died each time, perhaps because of this map: other maps must not die with it.
        error = MapInterrupted()
        await generator.fail(uuid.UUID(session_id), _user_message(error))
        raise error
    try:
        await generator.generate(MapRequest(uuid.UUID(session_id), force, context.job.priority > BATCH))
    except Exception as error:
        _log_failed_attempt(context, error)
        if _is_last_attempt(context):
            await generator.fail(uuid.UUID(session_id), _user_message(error))
        raise
    finally:
        await _warn_about_usage(context, uuid.UUID(session_id))


async def _warn_about_usage(context: JobContext, session_id: uuid.UUID) -> None:
    """Mail the owner about used tokens. A failure is logged: the next map tries again, and this map is not at fault."""
    resources = _resources(context)
    if resources.usage_warnings is None:
        return
    try:
        await resources.usage_warnings.check_owner(resources.pool, session_id)
    except Exception as error:
        log.warning("usage_warning_failed", error=type(error).__name__)


async def generate_joint_map(context: JobContext, map_id: str) -> None:
    """Generate a map over several sessions; mark it as failed after the last attempt or a permanent error."""
    resources = _resources(context)
    generator = JointMapGenerator(resources.pool, resources.generator.valkey, resources.generator.tasks)
    try:
        await generator.generate(uuid.UUID(map_id))
    except JobFailed as error:
        # The input is at fault: a retry would fail in the same way, so the job ends here as done.
        _log_failed_attempt(context, error)
        await generator.fail(uuid.UUID(map_id), _user_message(error))
    except Exception as error:
        _log_failed_attempt(context, error)
        if _is_last_attempt(context):
            await generator.fail(uuid.UUID(map_id), _user_message(error))
        raise


async def purge_deleted_session(context: JobContext, session_id: str) -> None:
    """Delete the rows of a session that its user has deleted."""
    await purge_session(_resources(context).pool, uuid.UUID(session_id))


async def send_mail(context: JobContext, user_id: str, sealed: str, useful_until: int) -> None:
    """Send a queued mail. `user_id` finds the job when the account is erased."""
    mail_queue = _resources(context).mail_queue
    assert mail_queue is not None, "this worker has no mail queue"
    async with _resources(context).pool.connection() as connection:
        await mail_queue.deliver(connection, sealed, useful_until)


async def report_session(
    context: JobContext, session_id: str, user_id: str, useful_until: int, request_id: str | None = None
) -> None:
    """Mail the report of a session. `user_id` finds the job when the account is erased."""
    resources = _resources(context)
    assert resources.reporter is not None, "this worker mails no reports"
    later = await resources.reporter.report(resources.pool, uuid.UUID(session_id), useful_until)
    if later is not None:
        delay_s = (later - datetime.now(UTC)).total_seconds()
        async with resources.pool.connection() as connection:
            await enqueue_session_report(
                connection, session_id, user_id, useful_until + round(delay_s), delay_s=max(1.0, delay_s)
            )


async def close_abandoned(context: JobContext, timestamp: int) -> None:
    """Close recordings that receive no more events, and resume maps that lost their job."""
    resources = _resources(context)
    await close_abandoned_sessions(resources.pool, resources.idle_timeout_s)
    await resume_interrupted_maps(resources.pool, resources.generator.fail)


async def release_reservations(context: JobContext, timestamp: int) -> None:
    """Release token reservations whose lease has ended."""
    async with _resources(context).pool.connection() as connection:
        await release_lost_calls(connection)


async def purge_ai_texts(context: JobContext, timestamp: int) -> None:
    """Delete stored prompts and responses older than their retention."""
    resources = _resources(context)
    async with resources.pool.connection() as connection:
        await purge_call_texts(connection, resources.ai_text_retention_days)


async def erase_accounts(context: JobContext, timestamp: int) -> None:
    """Erase closed accounts whose grace period has ended."""
    resources = _resources(context)
    await erase_due_accounts(resources.pool, resources.account_deletion_delay_s, resources.mail_queue)


async def enforce_retention(context: JobContext, timestamp: int) -> None:
    """Announce and carry out the deletion of sessions that are older than their plan keeps them."""
    resources = _resources(context)
    if resources.retention is not None:
        await resources.retention.enforce(resources.pool)


async def delete_expired(context: JobContext, timestamp: int) -> None:
    """Delete used and expired secrets, ended logins and share links."""
    async with _resources(context).pool.connection() as connection:
        counts = await delete_expired_rows(connection)
    log.info("expired_rows_deleted", num_rows=sum(counts.values()))


async def delete_raw_events(context: JobContext, timestamp: int) -> None:
    """Delete the raw events of sessions that ended longer ago than the operator keeps them."""
    resources = _resources(context)
    if resources.raw_event_retention_days is not None:
        age = timedelta(days=resources.raw_event_retention_days)
        log.info("raw_events_deleted", num_sessions=await delete_old_raw_events(resources.pool, age))


async def delete_old_failed_mails(context: JobContext, timestamp: int) -> None:
    """Delete the jobs of mails that could not be sent."""
    async with _resources(context).pool.connection() as connection:
        await delete_failed_mails(connection)


async def handle_webhooks(context: JobContext, timestamp: int = 0) -> None:
    """Apply the stored webhooks that are due."""
    # On first use: the SDK of Stripe takes a quarter of a second to import, and most servers sell nothing.
    from cluster.billing.webhooks import PAUSE_S, handle_due_events

    resources = _resources(context)
    if resources.billing is not None:
        await handle_due_events(resources.billing, pause_s=PAUSE_S)


async def sync_customer(context: JobContext, customer_id: str) -> None:
    """Fetch one customer from Stripe."""
    resources = _resources(context)
    if resources.billing is not None:
        await resources.billing.sync(customer_id)


async def close_billing(context: JobContext, customer_id: str, is_erased: bool) -> None:
    """End the subscriptions of a closed account: at the end of their period, or at once if it is erased."""
    resources = _resources(context)
    if resources.billing is not None:
        await resources.billing.close_customer(customer_id, is_erased=is_erased)


async def reconcile_billing(context: JobContext, timestamp: int) -> None:
    """Compare all subscriptions with Stripe, and delete old webhooks."""
    resources = _resources(context)
    if resources.billing is not None:
        await reconcile(resources.billing)
    async with resources.pool.connection() as connection:
        await delete_old_events(connection)


def _runs(context: JobContext) -> RunOperator:
    runs = _resources(context).runs
    assert runs is not None, "this worker works on no runs"
    return runs


async def drive_run(context: JobContext, run_id: str) -> None:
    """Work on a regeneration run until it ends."""
    await _runs(context).drive(run_id)


async def promote_run(context: JobContext, run_id: str, choice: Choice) -> None:
    """Show the maps of a run, unless an operator has rolled it back meanwhile."""
    await _unless_moved_on(_runs(context).promote(run_id, choice))


async def roll_back_run(context: JobContext, run_id: str) -> None:
    """Show the maps from before a run again, unless an operator has promoted it again meanwhile."""
    await _unless_moved_on(_runs(context).roll_back(run_id))


async def _unless_moved_on(act: Awaitable[None]) -> None:
    try:
        await act
    except Conflict as error:
        # A retry would find the same: the newer act of the operator counts.
        log.warning("run_moved_on", error=str(error))


async def delete_candidates(context: JobContext, timestamp: int) -> None:
    """Delete the maps of old runs that were never shown."""
    runs = _resources(context).runs
    if runs is not None:
        log.info("candidates_deleted", num_versions=await runs.delete_old_candidates())


async def requeue_stalled(context: JobContext, timestamp: int) -> None:
    """Requeue the jobs of dead workers."""
    await requeue_stalled_jobs(context.app)


PERIODIC_TASKS: tuple[PeriodicTask, ...] = (
    PeriodicTask(REQUEUE_STALLED, "* * * * * */5", requeue_stalled),
    PeriodicTask(RELEASE_EXPIRED_RESERVATIONS, "* * * * *", release_reservations),
    PeriodicTask(PURGE_AI_TEXTS, "* * * * *", purge_ai_texts),
    PeriodicTask(ERASE_ACCOUNTS, "*/5 * * * *", erase_accounts),
    PeriodicTask(CLOSE_ABANDONED, "*/10 * * * *", close_abandoned),
    PeriodicTask(ENFORCE_RETENTION, "17 * * * *", enforce_retention),
    PeriodicTask(HANDLE_WEBHOOKS, "* * * * *", handle_webhooks, BILLING),
    PeriodicTask(RECONCILE_BILLING, "37 * * * *", reconcile_billing, BILLING),
    # In a queue that workers of the previous version do not take jobs from.
    PeriodicTask(DELETE_EXPIRED_ROWS, "47 3 * * *", delete_expired, REPORTS),
    PeriodicTask(DELETE_OLD_EVENTS, "7 4 * * *", delete_raw_events, REPORTS),
    PeriodicTask(DELETE_CANDIDATES, "27 4 * * *", delete_candidates, RUNS),
    PeriodicTask(DELETE_FAILED_MAILS, "27 * * * *", delete_old_failed_mails),
)
