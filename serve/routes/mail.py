"""Turning optional mails off with the link in a mail (RFC 8058), and links for servers that send no mail.

Of the link in a mail, GET shows a page and only POST acts.

Mail scanners open every link, so that a GET must change nothing. A mail program posts without cookies or login; the
signed token in the URL is the permission.
"""

from __future__ import annotations

import html
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from cluster.mail.messages import preferred_language
from cluster.mail.pending_links import VERIFY_TTL, verification_link
from cluster.mail.unsubscribe import UNSUBSCRIBE_PATH, unsubscribing_user
from models.accounts.audit import record_audit
from models.accounts.mail_records import opt_out
from models.accounts.users import active_user
from models.errors import Conflict, NotFound
from models.schemas.admin import VerificationLinkReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, RateLimitedByAddress, State

router = APIRouter(tags=["mail"])

Token = Annotated[str, Query(max_length=200, description="From the link in the mail")]
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "A page in the reader's language"},
    404: {
        "content": {"text/html": {}},
        "description": "The link is not valid: a page that says where to turn mails off",
    },
}
_TEXTS = {
    "en": {
        "title": "E-mail notices",
        "ask": "Stop session reports and usage warnings? Mails about your login, payments and deletions still arrive.",
        "button": "Stop these mails",
        "done": "Done: session reports and usage warnings are off. You can turn them on again in the settings.",
        "unknown": "This link is not valid. Turn e-mail notices off in the settings of your account.",
    },
    "ko": {
        "title": "메일 알림",
        "ask": "세션 보고서와 사용량 알림을 그만 받을까요? 로그인, 결제, 삭제에 관한 메일은 계속 보내 드려요.",
        "button": "이런 메일 받지 않기",
        "done": "세션 보고서와 사용량 알림을 껐어요. 설정에서 다시 켤 수 있어요.",
        "unknown": "올바르지 않은 링크예요. 계정 설정에서 메일 알림을 꺼 주세요.",
    },
}


def _page(request: Request, body: str, *, has_button: bool, status: int = 200) -> HTMLResponse:
    language = preferred_language(request.headers.get("accept-language", ""))
    texts = _TEXTS[language]
    # The form posts to the address of this page, which has the token.
    form = f'<form method="post"><button type="submit">{texts["button"]}</button></form>' if has_button else ""
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{texts["title"]} – Trailmind</title></head>'
        f"<body><main><h1>{texts['title']}</h1><p>{html.escape(texts[body])}</p>{form}</main></body></html>",
        status_code=status,
        headers={
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
        },
    )


@router.get(UNSUBSCRIBE_PATH, response_class=HTMLResponse, responses=_PAGE, dependencies=[RateLimitedByAddress])
async def show_unsubscribe_page(token: Token, state: State, request: Request) -> HTMLResponse:
    """A page with a button that turns the optional mails of an account off. Changes nothing."""
    try:
        unsubscribing_user(state.settings.auth.signing_keys, token)
    except NotFound:
        return _page(request, "unknown", has_button=False, status=404)
    return _page(request, "ask", has_button=True)


@router.post(UNSUBSCRIBE_PATH, response_class=HTMLResponse, responses=_PAGE, dependencies=[RateLimitedByAddress])
async def unsubscribe(
    token: Token, state: State, request: Request, db: DbSession, connection: DbConnection
) -> HTMLResponse:
    """Turn the optional mails of an account off: the page's button, or a mail program's `List-Unsubscribe=One-Click`.

    Safe to repeat. Mails about login, payments and deletions cannot be turned off.
    """
    try:
        user_id = unsubscribing_user(state.settings.auth.signing_keys, token)
    except NotFound:
        return _page(request, "unknown", has_button=False, status=404)
    await opt_out(connection, user_id)
    await db.commit()
    return _page(request, "done", has_button=False)


@router.post("/v1/admin/users/{user_id}/verification-link", tags=["admin"])
async def verification_link_for_operator(
    user_id: uuid.UUID, admin_id: CurrentUserId, state: State, db: DbSession
) -> VerificationLinkReply:
    """A new link that confirms the address of an account, to be passed on where no mail server sends it; audited.

    It works only in a browser that is logged in to the account. 409 where mail is sent, or if the address is confirmed.
    """
    if state.mail_queue.mailer.has_server:
        raise Conflict("this server sends the link by mail")
    user = await active_user(db, user_id)
    if user is None:
        raise NotFound("there is no such account")
    if user.email_verified_at is not None:
        raise Conflict("the address is confirmed")
    link = await verification_link(db, user_id, state.settings.server.origin)
    record_audit(db, admin_id, "user.verification_link", user_id)
    await db.commit()
    return VerificationLinkReply(link=link, expires_at=datetime.now(UTC) + VERIFY_TTL)
