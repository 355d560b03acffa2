"""Authorization: one table of access rules, one function that applies them.

Every route of the API has a rule here; `tests/acceptance/test_authorization.py` walks the OpenAPI document and fails
for a route without one. A route without a rule requires a login and rejects API keys.
"""

from __future__ import annotations

import enum
import hmac
import uuid
from dataclasses import dataclass

import structlog
from fastapi import Request

from models.accounts.logins import API_KEY_PREFIX, LoginStatus, api_key_status, secret_digest
from models.billing.policy import require_api_access
from models.errors import Forbidden, Unauthorized
from serve.identity.access_tokens import bearer_token
from serve.state import AppState


class Access(enum.StrEnum):
    """The kind of caller that a route accepts."""

    PUBLIC = "public"  #: every caller
    CREDENTIALS = "credentials"  #: every caller; the route checks a secret, so calls are limited per address
    LINK = "link"  #: a caller with the secret in the URL; calls are limited per address
    LOGIN = "login"  #: a logged-in user; API keys are rejected
    USER = "user"  #: a logged-in user, or an API key with the rule's scope
    ADMIN = "admin"  #: a logged-in operator


SCOPES = {
    "sessions:read": "Read sessions, timelines, maps, search results and exports",
    "sessions:write": "Start, change, stop and delete sessions; generate maps; share",
    "events:write": "Send events",
    "usage:read": "Read plan and usage",
}


@dataclass(frozen=True, slots=True)
class AccessRule:
    """The access rule of a route; `scope` is the one that an API key needs."""

    access: Access
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The authenticated caller. Either `family_id` (a login) or `api_key_id` is set."""

    user_id: uuid.UUID
    role: str = "user"
    family_id: uuid.UUID | None = None
    api_key_id: uuid.UUID | None = None


_PUBLIC, _CREDENTIALS, _LINK = AccessRule(Access.PUBLIC), AccessRule(Access.CREDENTIALS), AccessRule(Access.LINK)
_LOGIN, _ADMIN = AccessRule(Access.LOGIN), AccessRule(Access.ADMIN)
_READ, _WRITE = AccessRule(Access.USER, "sessions:read"), AccessRule(Access.USER, "sessions:write")
_EVENTS, _USAGE = AccessRule(Access.USER, "events:write"), AccessRule(Access.USER, "usage:read")

_S = "/v1/sessions/{session_id}"
ACCESS_RULES: dict[tuple[str, str], AccessRule] = {
    ("GET", "/health"): _PUBLIC,
    ("GET", "/ready"): _PUBLIC,
    ("GET", "/pictures/{token}"): _LINK,
    # Accounts
    ("POST", "/v1/auth/signup"): _CREDENTIALS,
    ("POST", "/v1/auth/login"): _CREDENTIALS,
    ("POST", "/v1/auth/refresh"): _CREDENTIALS,
    ("POST", "/v1/auth/logout"): _LOGIN,
    ("POST", "/v1/auth/logout-all"): _LOGIN,
    ("GET", "/v1/auth/logins"): _LOGIN,
    ("DELETE", "/v1/auth/logins/{login_id}"): _LOGIN,
    ("GET", "/v1/auth/me"): _LOGIN,
    ("POST", "/v1/auth/password"): _LOGIN,
    ("POST", "/v1/auth/forgot-password"): _CREDENTIALS,
    ("POST", "/v1/auth/reset-password"): _CREDENTIALS,
    ("POST", "/v1/auth/verify-email"): _CREDENTIALS,
    ("POST", "/v1/auth/send-verification"): _LOGIN,
    ("GET", "/v1/auth/google/config"): _PUBLIC,
    ("POST", "/v1/auth/google"): _CREDENTIALS,
    ("POST", "/v1/auth/google/begin"): _CREDENTIALS,
    ("POST", "/v1/auth/google/code"): _CREDENTIALS,
    ("POST", "/v1/auth/extension/code"): _LOGIN,
    ("POST", "/v1/auth/extension/exchange"): _CREDENTIALS,
    ("POST", "/v1/auth/api-keys"): _LOGIN,
    ("GET", "/v1/auth/api-keys"): _LOGIN,
    ("DELETE", "/v1/auth/api-keys/{key_id}"): _LOGIN,
    ("GET", "/v1/users/me"): _LOGIN,
    ("GET", "/v1/users/me/settings"): _LOGIN,
    ("PATCH", "/v1/users/me/settings"): _LOGIN,
    ("GET", "/v1/users/me/export"): _LOGIN,
    ("POST", "/v1/users/me/deletion"): _LOGIN,
    ("DELETE", "/v1/auth/me"): _LOGIN,
    # Plans
    ("GET", "/v1/server"): _PUBLIC,
    ("GET", "/v1/extension"): _PUBLIC,
    ("GET", "/v1/plans"): _PUBLIC,
    ("GET", "/v1/subscription/plans"): _PUBLIC,
    ("GET", "/v1/subscription"): _USAGE,
    ("GET", "/v1/usage"): _USAGE,
    ("GET", "/v1/usage/history"): _USAGE,
    # Billing. An API key cannot spend money.
    ("GET", "/v1/billing"): _LOGIN,
    ("POST", "/v1/billing/checkout"): _LOGIN,
    ("GET", "/v1/billing/checkouts/{checkout_id}"): _LOGIN,
    ("POST", "/v1/billing/packs"): _LOGIN,
    ("POST", "/v1/billing/portal"): _LOGIN,
    ("GET", "/v1/billing/preview"): _LOGIN,
    ("POST", "/v1/billing/interval"): _LOGIN,
    ("POST", "/v1/billing/cancel"): _LOGIN,
    ("POST", "/v1/billing/resume"): _LOGIN,
    ("POST", "/v1/billing/refund"): _LOGIN,
    ("GET", "/v1/billing/invoices"): _LOGIN,
    # Authenticated by the signature of the body. Not limited: all of Stripe's calls come from a few addresses.
    ("POST", "/v1/webhooks/stripe"): _PUBLIC,
    # The signed token in the link names the account; a mail program posts without a login.
    ("GET", "/v1/mail/unsubscribe"): _LINK,
    ("POST", "/v1/mail/unsubscribe"): _LINK,
    # Deleting parts of recordings, and receipts of deletions
    ("POST", "/v1/forget"): _WRITE,
    ("GET", "/v1/receipts"): _READ,
    ("GET", "/v1/receipts/{receipt_id}"): _READ,
    # Search, sharing, exports
    ("GET", "/v1/search"): _READ,
    ("GET", f"{_S}/receipt"): _READ,
    ("GET", f"{_S}/export"): _READ,
    ("POST", f"{_S}/shares"): _WRITE,
    ("GET", f"{_S}/shares"): _READ,
    ("DELETE", f"{_S}/shares/{{share_id}}"): _WRITE,
    ("GET", "/v1/shared/{token}"): _LINK,
    ("GET", "/v1/shared/{token}/image"): _LINK,
    # Sessions
    ("POST", "/v1/sessions/start"): _WRITE,
    ("GET", "/v1/sessions"): _READ,
    ("GET", _S): _READ,
    ("PUT", _S): _WRITE,
    ("PATCH", _S): _WRITE,
    ("DELETE", _S): _WRITE,
    ("PATCH", f"{_S}/pause"): _WRITE,
    ("PATCH", f"{_S}/resume"): _WRITE,
    ("POST", f"{_S}/stop"): _WRITE,
    ("POST", f"{_S}/restore"): _WRITE,
    # Events
    ("POST", f"{_S}/events"): _EVENTS,
    ("GET", f"{_S}/events"): _READ,
    ("GET", f"{_S}/events/stats"): _READ,
    ("GET", f"{_S}/timeline"): _READ,
    ("GET", f"{_S}/pages/{{page_id}}"): _READ,
    # Maps
    ("GET", f"{_S}/mindmap"): _READ,
    ("POST", f"{_S}/mindmap/generate"): _WRITE,
    ("POST", f"{_S}/mindmap/quote"): _READ,
    ("GET", f"{_S}/disclosures"): _READ,
    ("GET", f"{_S}/mindmap/image"): _READ,
    ("POST", f"{_S}/mindmap/picture"): _WRITE,
    ("DELETE", f"{_S}/mindmap/picture"): _WRITE,
    ("GET", f"{_S}/stream"): _READ,
    ("PATCH", f"{_S}/mindmap"): _WRITE,
    ("POST", f"{_S}/mindmap/undo"): _WRITE,
    ("POST", f"{_S}/mindmap/redo"): _WRITE,
    ("GET", f"{_S}/mindmap/edits"): _READ,
    ("GET", f"{_S}/mindmap/versions"): _READ,
    ("GET", f"{_S}/mindmap/versions/{{number}}"): _READ,
    ("GET", f"{_S}/mindmap/versions/{{number}}/diff"): _READ,
    ("GET", f"{_S}/mindmap/versions/{{number}}/diff/{{other}}"): _READ,
    ("POST", f"{_S}/mindmap/versions/{{number}}/restore"): _WRITE,
    ("POST", "/v1/maps"): _WRITE,
    ("GET", "/v1/maps"): _READ,
    ("GET", "/v1/maps/{map_id}"): _READ,
    ("POST", "/v1/maps/{map_id}/generate"): _WRITE,
    ("DELETE", "/v1/maps/{map_id}"): _WRITE,
    ("GET", "/v1/maps/{map_id}/image"): _READ,
    ("GET", "/v1/maps/{map_id}/export"): _READ,
    ("GET", "/v1/maps/{map_id}/stream"): _READ,
    ("GET", "/v1/maps/{map_id}/pages/{page_id}"): _READ,
    ("POST", "/v1/maps/{map_id}/shares"): _WRITE,
    ("GET", "/v1/maps/{map_id}/shares"): _READ,
    ("DELETE", "/v1/maps/{map_id}/shares/{share_id}"): _WRITE,
    ("POST", "/v1/maps/{map_id}/picture"): _WRITE,
    ("DELETE", "/v1/maps/{map_id}/picture"): _WRITE,
    ("PATCH", "/v1/maps/{map_id}"): _WRITE,
    ("POST", "/v1/maps/{map_id}/undo"): _WRITE,
    ("POST", "/v1/maps/{map_id}/redo"): _WRITE,
    ("GET", "/v1/maps/{map_id}/versions"): _READ,
    ("GET", "/v1/maps/{map_id}/versions/{number}"): _READ,
    ("GET", "/v1/maps/{map_id}/versions/{number}/diff"): _READ,
    ("POST", "/v1/maps/{map_id}/versions/{number}/restore"): _WRITE,
    ("GET", "/v1/threads"): _READ,
    ("POST", "/v1/threads/link"): _WRITE,
    ("POST", "/v1/threads/unlink"): _WRITE,
    # Operators
    ("GET", "/v1/admin/users"): _ADMIN,
    ("GET", "/v1/admin/users/{user_id}"): _ADMIN,
    ("PATCH", "/v1/admin/users/{user_id}"): _ADMIN,
    ("GET", "/v1/admin/users/{user_id}/billing"): _ADMIN,
    ("PUT", "/v1/admin/users/{user_id}/plan"): _ADMIN,
    ("POST", "/v1/admin/users/{user_id}/credits"): _ADMIN,
    ("POST", "/v1/admin/invoices/{invoice_id}/refund"): _ADMIN,
    ("POST", "/v1/admin/users/{user_id}/verification-link"): _ADMIN,
    ("GET", "/v1/admin/users/{user_id}/hold"): _ADMIN,
    ("PUT", "/v1/admin/users/{user_id}/hold"): _ADMIN,
    ("GET", "/v1/admin/sessions"): _ADMIN,
    ("GET", "/v1/admin/status"): _ADMIN,
    ("GET", "/v1/admin/runs"): _ADMIN,
    ("GET", "/v1/admin/runs/{run_id}"): _ADMIN,
    ("GET", "/v1/admin/runs/{run_id}/report"): _ADMIN,
    ("POST", "/v1/admin/runs/{run_id}/actions"): _ADMIN,
    ("GET", "/v1/admin/jobs"): _ADMIN,
    ("POST", "/v1/admin/jobs/{job_id}/retry"): _ADMIN,
    ("DELETE", "/v1/admin/jobs/{job_id}"): _ADMIN,
    ("GET", "/v1/admin/ai/configs"): _ADMIN,
    ("PUT", "/v1/admin/ai/configs/{task_type}"): _ADMIN,
    ("DELETE", "/v1/admin/ai/configs/{task_type}"): _ADMIN,
    ("GET", "/v1/admin/audit"): _ADMIN,
}
#: Credential routes with the generous limit: refresh tokens are too long to guess, and a dashboard with many tabs
#: refreshes often.
_PUBLIC_RATE_PATHS = {"/v1/auth/refresh"}


_MAX_CACHED_KEYS = 10_000


def rule_for(request: Request) -> AccessRule:
    """The rule of the route that matched."""
    path = getattr(request.scope.get("route"), "path", "")
    return ACCESS_RULES.get((request.method, path), _LOGIN)


async def authenticate(state: AppState, request: Request) -> Identity:
    """The caller of `Authorization: Bearer` with an access token or an API key. Raises Unauthorized or Forbidden."""
    token = bearer_token(request.headers.get("authorization"))
    if token.startswith(API_KEY_PREFIX):
        return await _by_api_key(state, request, token)
    claims = state.login_tokens.verify(token, "access")
    status = await state.login_cache.get(claims.family_id)
    if not status.is_valid:
        raise Unauthorized("invalid or expired access token")
    return Identity(claims.user_id, status.role, family_id=claims.family_id)


async def _by_api_key(state: AppState, request: Request, token: str) -> Identity:
    key_hex, _, secret = token.removeprefix(API_KEY_PREFIX).partition("_")
    try:
        key_id = uuid.UUID(hex=key_hex)
    except ValueError:
        raise Unauthorized("invalid or revoked API key") from None
    cached = state.api_keys.get(key_id)
    owner = cached[1] if cached is not None and hmac.compare_digest(cached[0], secret_digest(secret)) else None

    async def load() -> LoginStatus:
        nonlocal owner
        async with state.session_factory() as db:
            owner_and_status = await api_key_status(db, key_id, secret, state.settings.default_plan)
            await db.commit()
        if owner_and_status is None:
            return LoginStatus(False)
        owner, status = owner_and_status
        return status

    # The cache is keyed by the key's id: use it only for a secret that this replica has verified.
    status = await (state.login_cache.get_key(key_id, load) if owner is not None else load())
    if not status.is_valid or owner is None:
        raise Unauthorized("invalid or revoked API key")
    if len(state.api_keys) > _MAX_CACHED_KEYS:
        state.api_keys.clear()
    state.api_keys[key_id] = (secret_digest(secret), owner)
    rule = rule_for(request)
    if rule.access is not Access.USER:
        raise Forbidden("this needs a person who logged in, not an API key")
    if rule.scope not in status.scopes:
        raise Forbidden(f"this API key lacks the scope {rule.scope}")
    # A key outlives the plan that allowed it, and works again when the user returns to one that does. Last, so that
    # only operations which a key may call answer 402.
    require_api_access(status.plan or state.settings.default_plan)
    return Identity(owner, api_key_id=key_id)


async def authorize(state: AppState, request: Request) -> Identity:
    """The authenticated caller, if the rule of the route allows it. Raises Unauthorized, Forbidden or RateLimited."""
    identity = await authenticate(state, request)
    structlog.contextvars.bind_contextvars(user_id=str(identity.user_id))
    rule = rule_for(request)
    if rule.access is Access.ADMIN and identity.role != "admin":
        raise Forbidden("only operators may do this")
    if rule is _EVENTS:
        await state.rate_limiter.check_events(request, str(identity.user_id))
    else:
        await state.rate_limiter.check(request, state.rate_limiter.user, str(identity.user_id))
    return identity


async def check_anonymous_rate(state: AppState, request: Request) -> None:
    """Count a call of a route without a login by its client address. Raises RateLimited."""
    rule = rule_for(request)
    if rule.access is Access.CREDENTIALS and request.scope["path"] not in _PUBLIC_RATE_PATHS:
        policy = state.rate_limiter.credentials
    else:
        policy = state.rate_limiter.public
    await state.rate_limiter.check(request, policy, state.client_addresses.key_of(request))
