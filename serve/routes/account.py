"""The caller's account: profile, settings, data export, deletion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import account_closed_mail, erasure_receipt_mail
from cluster.mail.queue import NOTICE_TTL
from models.accounts.audit import record_audit
from models.accounts.data_kinds import counts_by_kind
from models.accounts.erasure import count_user_rows, erase_user
from models.accounts.logins import end_all_access
from models.accounts.users import User, UserSettings, require_active_user
from models.billing.purchases import end_billing
from models.database import Connection
from models.errors import Forbidden
from models.schemas.accounts import DeletionBody, DeletionReceipt, UserEnvelope
from models.schemas.settings import SettingsEnvelope, SettingsPatch, SettingsReply
from serve.account_export import account_archive
from serve.auth.login import REFRESH_COOKIE, REFRESH_COOKIE_PATH, user_reply
from serve.auth.owner_proof import require_owner
from serve.dependencies import CurrentIdentity, CurrentUserId, DbConnection, DbSession, State
from serve.mail_language import mail_language
from serve.state import AppState

router = APIRouter(tags=["account"])


def settings_reply(settings: UserSettings | None) -> SettingsReply:
    """The user's settings, or the defaults."""
    if settings is None:
        return SettingsReply(
            language="ko",
            is_language_chosen=False,
            theme="system",
            email_notifications=True,
            time_zone=None,
            excluded_domains=[],
            allowed_domains=[],
            when_out_of_tokens="local",
            model_use="ask",
            allows_datasets=False,
        )
    return SettingsReply(
        language=settings.language,
        is_language_chosen=settings.is_language_chosen,
        theme=settings.theme,
        email_notifications=settings.email_notifications,
        time_zone=settings.time_zone,
        excluded_domains=list(settings.excluded_domains),
        allowed_domains=list(settings.allowed_domains),
        when_out_of_tokens=settings.when_out_of_tokens,
        model_use=settings.model_use,
        allows_datasets=settings.datasets_agreed_at is not None,
    )


@router.get("/v1/users/me", response_model_exclude_none=True)
async def get_user(user_id: CurrentUserId, db: DbSession) -> UserEnvelope:
    """The caller's account."""
    return UserEnvelope(user=user_reply(await require_active_user(db, user_id)))


@router.get("/v1/users/me/settings", response_model_exclude_none=True)
async def get_settings(user_id: CurrentUserId, db: DbSession) -> SettingsEnvelope:
    """The caller's settings."""
    return SettingsEnvelope(settings=settings_reply(await db.get(UserSettings, user_id)))


@router.patch("/v1/users/me/settings", response_model_exclude_none=True)
async def patch_settings(body: SettingsPatch, user_id: CurrentUserId, state: State, db: DbSession) -> SettingsEnvelope:
    """Change settings. Excluded and allowed domains apply from the next event on, also to a running recording."""
    await require_active_user(db, user_id)
    # The row lock serializes concurrent changes, so the row exists first: a new user's browser stores its language and
    # its time zone at the same time.
    await db.execute(insert(UserSettings).values(user_id=user_id).on_conflict_do_nothing())
    settings = await db.get_one(UserSettings, user_id, with_for_update=True)
    for name, value in body.model_dump(exclude_none=True, exclude={"allows_datasets"}).items():
        setattr(settings, name, value)
    if body.allows_datasets is False:
        settings.datasets_agreed_at = None
    elif body.allows_datasets and settings.datasets_agreed_at is None:
        settings.datasets_agreed_at = datetime.now(UTC)
    if body.language is not None:
        settings.is_language_chosen = True
    await db.flush()
    await db.refresh(settings)
    reply = settings_reply(settings)
    await db.commit()
    if body.excluded_domains is not None or body.allowed_domains is not None:
        await state.shards.reload_user(user_id)
    return SettingsEnvelope(settings=reply)


@router.get(
    "/v1/users/me/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "All data of the account as a zip archive"}},
)
async def export_everything(user_id: CurrentUserId, state: State, db: DbSession) -> StreamingResponse:
    """All data of the caller: account, settings, sessions, events, page texts, highlights, maps, usage."""
    await require_active_user(db, user_id)
    name = f"trailmind-{datetime.now(UTC):%Y%m%d}.zip"
    return StreamingResponse(
        account_archive(state, user_id),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _close_account(
    state: AppState, db: AsyncSession, connection: Connection, user: User, request: Request, *, at_once: bool
) -> DeletionReceipt:
    delay = timedelta(seconds=0 if at_once else state.settings.privacy.account_deletion_delay_s)
    # API keys of a closed account are invalid; they work again if an operator reopens it.
    revoked_ids = await end_all_access(db, user, "closed", keep_api_keys=True)
    language, address = await mail_language(db, user.id, request), user.email
    if not delay:
        user_id = user.id
        await end_billing(connection, user_id, is_erased=True)
        counts = counts_by_kind(await erase_user(connection, user_id))
        record_audit(db, None, "account.erased", user_id, **counts)
        if state.mail_queue.mailer.has_server:
            receipt = erasure_receipt_mail(language, str(user_id), counts)
            await state.mail_queue.enqueue_to_former_user(connection, address, receipt, ttl=NOTICE_TTL)
    else:
        user.status, user.deleted_at = "inactive", datetime.now(UTC)
        await db.flush()
        user_id = user.id
        counts = counts_by_kind(await count_user_rows(connection, user_id))
        await end_billing(connection, user_id, is_erased=False)
        record_audit(db, user_id, "account.closed", user_id)
        mail = account_closed_mail(language, max(1, delay.days))
        await state.mail_queue.enqueue(connection, user_id, address, mail, ttl=NOTICE_TTL)
    await db.commit()
    if not delay:
        await state.mail_queue.mailer.erase_sent(user_id)
    await state.login_cache.revoke(revoked_ids)
    await state.shards.reload_user(user_id)
    return DeletionReceipt(
        status="scheduled" if delay else "erased",
        erased_at=datetime.now(UTC) + delay,
        counts=counts,
        total=sum(counts.values()),
    )


def _delete_refresh_cookie(response: Response) -> None:
    response.delete_cookie(REFRESH_COOKIE, path=REFRESH_COOKIE_PATH, httponly=True, samesite="strict")


@router.post("/v1/users/me/deletion")
async def delete_account(
    identity: CurrentIdentity,
    state: State,
    db: DbSession,
    connection: DbConnection,
    request: Request,
    response: Response,
    body: Annotated[DeletionBody | None, Body()] = None,
) -> DeletionReceipt:
    """Close the account and erase all its data: after the grace period, or at once.

    Needs the password, or a login of the last ten minutes if the account has none. All logins of the account end at
    once. The reply is the deletion receipt.
    """
    options = body or DeletionBody()
    user = await require_active_user(db, identity.user_id)
    await require_owner(state, db, request, identity, user, options.password)
    receipt = await _close_account(state, db, connection, user, request, at_once=options.now)
    _delete_refresh_cookie(response)
    return receipt


@router.delete("/v1/auth/me", status_code=204)
async def delete_me(
    identity: CurrentIdentity,
    state: State,
    db: DbSession,
    connection: DbConnection,
    request: Request,
    hard: Annotated[bool, Query()] = False,
    body: Annotated[DeletionBody | None, Body()] = None,
) -> Response:
    """Close the account, as `POST /v1/users/me/deletion` does; with `hard` (test environment only) erase it at once.

    Needs the password, or a login of the last ten minutes if the account has none. Tests that erase their accounts with
    `hard` need neither.
    """
    options = body or DeletionBody()
    user = await require_active_user(db, identity.user_id)
    if hard and state.settings.environment != "test":
        raise Forbidden("hard delete is only allowed in test environment")
    if not hard:
        await require_owner(state, db, request, identity, user, options.password)
    await _close_account(state, db, connection, user, request, at_once=hard or options.now)
    response = Response(status_code=204)
    _delete_refresh_cookie(response)
    return response
