"""The operators' API: accounts, sessions, jobs, AI configuration. Changes are audited; content is not shown."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.jobs.admin import discard_job, list_jobs, retry_job
from cluster.jobs.status_details import detail
from cluster.jobs.system_status import collect_status, parts_of_readiness
from models.accounts.audit import AuditEntry, record_audit
from models.accounts.logins import end_all_access
from models.accounts.users import User
from models.ai_calls import AiConfig
from models.billing.policy import load_policy
from models.billing.storage import load_storage, set_storage_limit
from models.errors import BadRequest, Conflict, NotFound
from models.mindmap.versions import Mindmap
from models.recording.browsing_sessions import BrowsingSession, SessionStatus
from models.schemas.admin import (
    AdminSession,
    AdminSessionList,
    AdminUser,
    AdminUserEnvelope,
    AdminUserList,
    AdminUserPatch,
    AiConfigBody,
    AiConfigEnvelope,
    AiConfigList,
    AiConfigReply,
    AuditList,
    AuditReply,
    JobList,
    JobReply,
    TaskType,
)
from models.schemas.base import MessageReply
from models.schemas.status import StatusReply
from serve.database import session_connection
from serve.dependencies import CurrentUserId, DbSession, State
from serve.routes.health import run_checks
from serve.state import AppState

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


class CannotDeleteDefault(BadRequest):
    """The configuration `default` cannot be deleted: every task falls back to it."""

    code = "CANNOT_DELETE_DEFAULT"


async def _user_reply(state: AppState, db: AsyncSession, user: User) -> AdminUser:
    storage = await load_storage(await session_connection(db), user.id, state.settings.default_plan)
    policy = await load_policy(db, user, state.settings.default_plan)
    sessions = await db.scalar(
        select(func.count()).select_from(BrowsingSession).where(BrowsingSession.user_id == user.id)
    )
    return AdminUser(
        id=str(user.id),
        email=user.email,
        role=user.role,
        status=user.status,
        email_verified=user.email_verified_at is not None,
        plan=policy.plan.id,
        num_sessions=sessions or 0,
        storage_bytes=storage.num_bytes,
        storage_limit_bytes=storage.limit_bytes,
        created_at=user.created_at,
        deleted_at=user.deleted_at,
    )


@router.get("/users", response_model_exclude_none=True)
async def list_users(
    _: CurrentUserId,
    state: State,
    db: DbSession,
    q: Annotated[str | None, Query(max_length=254, description="Part of an e-mail address")] = None,
    status: Annotated[Literal["active", "inactive"] | None, Query()] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> AdminUserList:
    """Accounts, newest first."""
    conditions = []
    if q:
        if "\x00" in q:
            raise BadRequest("q: contains a NUL character")
        conditions.append(func.lower(User.email).contains(q.lower(), autoescape=True))
    if status:
        conditions.append(User.status == status)
    total = await db.scalar(select(func.count()).select_from(User).where(*conditions)) or 0
    order = (User.created_at.desc(), User.id)
    users = await db.scalars(select(User).where(*conditions).order_by(*order).limit(limit).offset(offset))
    return AdminUserList(users=[await _user_reply(state, db, user) for user in users.all()], total=total)


async def _get_user(db: AsyncSession, user_id: uuid.UUID) -> User:
    user = await db.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound("there is no such account")
    return user


@router.get("/users/{user_id}", response_model_exclude_none=True)
async def get_account(user_id: uuid.UUID, _: CurrentUserId, state: State, db: DbSession) -> AdminUserEnvelope:
    """One account."""
    return AdminUserEnvelope(user=await _user_reply(state, db, await _get_user(db, user_id)))


@router.patch("/users/{user_id}", response_model_exclude_none=True)
async def patch_user(
    user_id: uuid.UUID, body: AdminUserPatch, admin_id: CurrentUserId, state: State, db: DbSession
) -> AdminUserEnvelope:
    """Change the role of an account, close it or reopen it. Operators cannot change their own account."""
    if user_id == admin_id:
        raise Conflict("operators do not change their own account")
    user = await _get_user(db, user_id)
    changes = body.model_dump(exclude_none=True, exclude={"storage_limit_bytes"})
    if body.role == "admin" and user.email_verified_at is None:
        raise Conflict("the address of this account is not confirmed, so its user may not be the owner of the address")
    if body.role is not None:
        user.role = body.role
    if body.status is not None and body.status != user.status:
        user.status = body.status
        user.deleted_at = datetime.now(UTC) if body.status == "inactive" else None
    revoked_ids = await end_all_access(db, user, "admin", keep_api_keys=True) if changes else []
    if "storage_limit_bytes" in body.model_fields_set:
        await set_storage_limit(await session_connection(db), user_id, body.storage_limit_bytes)
        changes["storage_limit_bytes"] = body.storage_limit_bytes
    if changes:
        record_audit(db, admin_id, "user.changed", user_id, **changes)
    reply = await _user_reply(state, db, user)
    await db.commit()
    await state.login_cache.revoke(revoked_ids)
    if "storage_limit_bytes" in changes:
        await state.shards.reload_user(user_id)
    return AdminUserEnvelope(user=reply)


@router.get("/sessions", response_model_exclude_none=True)
async def list_all_sessions(
    _: CurrentUserId,
    db: DbSession,
    status: Annotated[SessionStatus | None, Query()] = None,
    user_id: Annotated[uuid.UUID | None, Query()] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> AdminSessionList:
    """Sessions, newest first, and their number by status."""
    conditions = [BrowsingSession.user_id == user_id] if user_id else []
    counts = await db.execute(
        select(BrowsingSession.status, func.count()).where(*conditions).group_by(BrowsingSession.status)
    )
    by_status = {state: int(n) for state, n in counts.all()}
    if status is not None:
        conditions.append(BrowsingSession.status == status)
    rows = await db.execute(
        select(BrowsingSession, Mindmap.status)
        .outerjoin(Mindmap, Mindmap.session_id == BrowsingSession.id)
        .where(*conditions)
        .order_by(BrowsingSession.started_at.desc(), BrowsingSession.id)
        .limit(limit)
        .offset(offset)
    )
    return AdminSessionList(
        sessions=[
            AdminSession(
                id=str(session.id),
                user_id=str(session.user_id),
                session_status=session.status,
                map_status=map_status,
                failure_reason=session.failure_reason,
                num_events=session.num_events,
                num_pages=session.num_pages,
                started_at=session.started_at,
                ended_at=session.ended_at,
                deleted_at=session.deleted_at,
            )
            for session, map_status in rows.all()
        ],
        total=by_status.get(status, 0) if status is not None else sum(by_status.values()),
        by_status=by_status,
    )


@router.get("/status", response_model_exclude_none=True)
async def read_status(_: CurrentUserId, state: State) -> StatusReply:
    """Which parts work, what waits, the last backup, disk and alerts, and what an operator does about it.

    The same as `trailmind status`, which also works while the API does not.
    """
    parts = parts_of_readiness(await run_checks(state), detail("api_ready"))
    return await collect_status(state.settings, parts)


@router.get("/jobs", response_model_exclude_none=True)
async def list_all_jobs(
    _: CurrentUserId,
    state: State,
    status: Annotated[Literal["pending", "running", "retrying", "dead"] | None, Query()] = None,
    queue: Annotated[Literal["maps", "maintenance", "mail", "billing", "runs"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> JobList:
    """Jobs that are not finished."""
    jobs = await list_jobs(state.settings.database.postgres_dsn, state=status, queue=queue, limit=limit)
    return JobList(jobs=[JobReply.model_validate(job) for job in jobs])


JobId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/jobs/{job_id}/retry")
async def retry_dead_job(job_id: JobId, admin_id: CurrentUserId, state: State, db: DbSession) -> MessageReply:
    """Retry a failed job."""
    sentence = await retry_job(state.settings.database.postgres_dsn, job_id)
    record_audit(db, admin_id, "job.retried", job_id)
    await db.commit()
    return MessageReply(message=sentence)


@router.delete("/jobs/{job_id}", status_code=204)
async def discard_dead_job(job_id: JobId, admin_id: CurrentUserId, state: State, db: DbSession) -> Response:
    """Discard a failed job."""
    await discard_job(state.settings.database.postgres_dsn, job_id)
    record_audit(db, admin_id, "job.discarded", job_id)
    await db.commit()
    return Response(status_code=204)


def _config_reply(config: AiConfig) -> AiConfigReply:
    return AiConfigReply(
        task_type=config.task_type,
        chain=config.chain,
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        timeout_s=config.timeout_s,
        is_enabled=config.is_enabled,
        updated_at=config.updated_at,
    )


@router.get("/ai/configs", response_model_exclude_none=True)
async def list_ai_configs(_: CurrentUserId, db: DbSession) -> AiConfigList:
    """The configured models of each task."""
    configs = await db.scalars(select(AiConfig).order_by(AiConfig.task_type))
    return AiConfigList(configs=[_config_reply(config) for config in configs])


@router.put("/ai/configs/{task_type}", response_model_exclude_none=True)
async def put_ai_config(
    task_type: TaskType, body: AiConfigBody, admin_id: CurrentUserId, db: DbSession
) -> AiConfigEnvelope:
    """Configure the models of a task. Applies to all replicas from the next map on."""
    # The row exists before it is locked, so that two operators can configure the same task at the same time.
    await db.execute(insert(AiConfig).values(task_type=task_type, chain=[]).on_conflict_do_nothing())
    config = await db.get_one(AiConfig, task_type, with_for_update=True)
    fields = body.model_dump()
    for name, value in fields.items():
        setattr(config, name, value)
    config.chain = [choice.model_dump(exclude_none=True) for choice in body.chain]
    config.updated_by, config.updated_at = admin_id, datetime.now(UTC)
    record_audit(db, admin_id, "ai_config.set", task_type, **body.model_dump(exclude_none=True))
    await db.commit()
    return AiConfigEnvelope(config=_config_reply(config))


@router.delete("/ai/configs/{task_type}", status_code=204)
async def delete_ai_config(task_type: TaskType, admin_id: CurrentUserId, db: DbSession) -> Response:
    """Delete the configuration of a task, which then uses `default`."""
    if task_type == "default":
        raise CannotDeleteDefault("the default cannot be deleted; every task falls back to it")
    deleted = await db.scalar(delete(AiConfig).where(AiConfig.task_type == task_type).returning(AiConfig.task_type))
    if deleted is None:
        raise NotFound("nothing is configured for this task")
    record_audit(db, admin_id, "ai_config.deleted", task_type)
    await db.commit()
    return Response(status_code=204)


@router.get("/audit", response_model_exclude_none=True)
async def list_audit(_: CurrentUserId, db: DbSession, limit: Limit = 50, offset: Offset = 0) -> AuditList:
    """The audit log of operators' actions, newest first."""
    entries = await db.scalars(
        select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id).limit(limit).offset(offset)
    )
    return AuditList(
        entries=[
            AuditReply(
                id=str(entry.id),
                actor_id=str(entry.actor_id) if entry.actor_id else None,
                action=entry.action,
                subject=entry.subject,
                facts=entry.facts,
                at=entry.at,
            )
            for entry in entries
        ]
    )
