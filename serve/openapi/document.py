"""The OpenAPI document: FastAPI's, completed with access rules, error responses and examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from models.schemas.base import ErrorReply, Reply
from models.schemas.events import EventsBody
from serve.auth.authorization import ACCESS_RULES, SCOPES, Access, AccessRule
from serve.openapi.examples import BODY_EXAMPLES, PARAMETER_DESCRIPTIONS, REPLY_EXAMPLES

_DESCRIPTION = """
Record browsing sessions, search them, and turn them into mind maps whose labels are verifiable.

**Logging in.** `POST /v1/auth/login` returns a `token` for `Authorization: Bearer` and a `refresh_token`, which works
once: `POST /v1/auth/refresh` exchanges it for a new pair. Clients that send `X-Trailmind-Client` (`web` or
`extension`) get shorter-lived tokens; `web` gets the refresh token as an HttpOnly cookie and must send the header with
every refresh. Scripts use an API key instead of the token.

**Errors** are always `{"error": {"message", "code"}}`; the message is for people, the code for programs.

**Limits.** Responses carry `RateLimit` and `RateLimit-Policy`; 429 and 503 carry `Retry-After`.
"""

_TAGS = {
    "health": "Liveness and readiness",
    "auth": "Sign up, log in, passwords, Google, the extension's login, API keys",
    "account": "Profile, settings, data export, account deletion",
    "sessions": "Browsing sessions: recordings",
    "events": "Event ingestion, the timeline, and the ingest report (receipt)",
    "mindmaps": "Mind maps: generate, read, edit, stream, images",
    "search": "Search over all pages of all sessions",
    "sharing": "Read-only links",
    "exports": "One session as a file",
    "plans": "Plans, subscription, token usage",
    "billing": "Buying, changing and cancelling a plan; invoices; Stripe's webhooks",
    "mail": "Turning optional mails off with the link in a mail",
    "admin": "The operators' API",
}

#: status → (name of the shared response, description, code, example message)
_ERRORS: dict[int, tuple[str, str, str, str]] = {
    400: (
        "BadRequest",
        "The request is invalid",
        "VALIDATION_ERROR",
        "email: is not an e-mail address",
    ),
    401: ("Unauthorized", "Missing or invalid credentials", "UNAUTHORIZED", "invalid or expired access token"),
    402: (
        "PaymentRequired",
        "The plan does not include this, or its tokens do not cover it",
        "PLAN_UPGRADE_REQUIRED",
        "the Free plan does not include exports as json; Pro does",
    ),
    403: ("Forbidden", "The caller lacks permission", "FORBIDDEN", "access denied"),
    404: ("NotFound", "The resource does not exist, or the caller may not see it", "NOT_FOUND", "session not found"),
    409: (
        "Conflict",
        "The resource exists already, or its state forbids this",
        "CONFLICT",
        "email already exists",
    ),
    413: (
        "PayloadTooLarge",
        "The request is too large",
        "PAYLOAD_TOO_LARGE",
        "the request body is larger than 256 KB; send it in smaller parts",
    ),
    415: ("UnsupportedMediaType", "The body is not JSON", "UNSUPPORTED_MEDIA_TYPE", "the body is not JSON"),
    429: (
        "TooManyRequests",
        "Too many requests; wait `Retry-After` seconds",
        "RATE_LIMIT_EXCEEDED",
        "too many requests; wait a moment and try again",
    ),
    431: (
        "HeadersTooLarge",
        "Too many or too large headers",
        "HEADERS_TOO_LARGE",
        "at most 100 headers of 32 KB together, please",
    ),
    500: ("InternalError", "Internal error", "INTERNAL_SERVER_ERROR", "something went wrong on our side"),
    501: (
        "NotImplemented",
        "This server does not sell plans",
        "BILLING_DISABLED",
        "this server does not sell plans: no Stripe key is set",
    ),
    503: (
        "Unavailable",
        "A dependency is unavailable; retry after `Retry-After` seconds",
        "SERVICE_UNAVAILABLE",
        "the database cannot be reached; try again in a moment",
    ),
}
_EVERYWHERE = (413, 429, 431, 500, 503)
_MAY_CONFLICT = {
    "signup", "google_login", "google_code", "create_api_key", "create_share", "patch_user", "edit_mindmap",
    "undo_edit", "redo_edit", "create_map", "edit_map", "undo_map_edit", "redo_map_edit", "start", "forget_recorded",
    "delete_session", "delete_me", "delete_account", "give_plan", "give_credit", "set_hold",
    "verification_link_for_operator", "delete_map", "create_map_share",
}  # fmt: skip
_MAY_COST = {"export_session", "generate", "quote", "create_api_key"}
_MAY_SELL = {
    "buy_plan", "buy_packs", "open_portal", "change_interval", "cancel_plan", "resume_plan", "refund_plan",
}  # fmt: skip
_MORE_STATUSES = {"extension_package": {404}, "refund_invoice": {409, 501}, "stripe_webhook": {400, 501}}
_TEXT_ANSWERS = {"/health", "/ready"}


def operation_id(route: APIRoute) -> str:
    """The operation id of a route: its function's name in generated clients."""
    return f"replace_{route.name}" if "PUT" in (route.methods or ()) and route.name.startswith("update") else route.name


def install_openapi(app: FastAPI) -> None:
    """Make `app` serve our OpenAPI document at /openapi.json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        description=_DESCRIPTION.strip(),
        routes=app.routes,
        tags=[{"name": name, "description": words} for name, words in _TAGS.items()],
        servers=[{"url": "/", "description": "This server"}],
    )
    parts = document.setdefault("components", {})
    schemas: dict[str, Any] = parts.setdefault("schemas", {})
    _add_schema(schemas, EventsBody.model_json_schema(ref_template="#/components/schemas/{model}"), "EventsBody")
    _add_schema(schemas, ErrorReply.model_json_schema(ref_template="#/components/schemas/{model}"), "ErrorReply")
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for name in _reply_names():
        _omit_nulls(schemas.get(name, {}))
    for name, example in (BODY_EXAMPLES | REPLY_EXAMPLES).items():
        schemas[name]["examples"] = [example]
    parts["responses"] = {name: _error_response(*facts) for name, *facts in _ERRORS.values()}
    parts["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT or API key",
            "description": "An access token, or an API key whose scopes allow it: "
            + "; ".join(f"`{scope}`: {words}" for scope, words in SCOPES.items()),
        },
        "refresh": {"type": "http", "scheme": "bearer", "description": "A refresh token"},
        "refreshCookie": {"type": "apiKey", "in": "cookie", "name": "trailmind_refresh"},
    }
    for path, method, operation in operations(document):
        _add_access_and_errors(operation, path, ACCESS_RULES.get((method, path), AccessRule(Access.LOGIN)))
        if operation["operationId"] == "post_events":
            body = operation["requestBody"]["content"]["application/json"]
            body["schema"] = {"$ref": "#/components/schemas/EventsBody"}
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, METHOD, operation) for every operation of an OpenAPI document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "put", "post", "delete", "patch"}:
                yield path, method.upper(), operation


def _add_schema(schemas: dict[str, Any], schema: dict[str, Any], name: str) -> None:
    for inner, definition in schema.pop("$defs", {}).items():
        schemas.setdefault(inner, definition)
    schemas.setdefault(name, schema)


def _reply_names(of: type[Reply] = Reply) -> Iterator[str]:
    for kind in of.__subclasses__():
        yield kind.__name__
        yield from _reply_names(kind)


def _omit_nulls(schema: dict[str, Any]) -> None:
    """Remove null from the types of a reply: absent fields are omitted."""
    for value in schema.get("properties", {}).values():
        variants = [v for v in value.get("anyOf", []) if v.get("type") != "null"]
        if variants and len(variants) < len(value["anyOf"]):
            del value["anyOf"]
            value.update(variants[0] if len(variants) == 1 else {"anyOf": variants})
        if value.get("default", 0) is None:
            del value["default"]


def _error_response(words: str, code: str, message: str) -> dict[str, Any]:
    return {
        "description": words,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorReply"},
                "example": {"error": {"message": message, "code": code}},
            }
        },
    }


def _add_access_and_errors(operation: dict[str, Any], path: str, rule: AccessRule) -> None:
    """Add the security requirement of the operation and all its error responses."""
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    name, statuses = operation["operationId"], set(_EVERYWHERE)
    for parameter in operation.get("parameters", []):
        parameter.setdefault("description", PARAMETER_DESCRIPTIONS.get(parameter["name"], ""))
    if operation.get("parameters") or operation.get("requestBody"):
        statuses.add(400)
    if rule.access in (Access.LOGIN, Access.USER, Access.ADMIN):
        # 400 also for rules outside the schema: a session that has ended, a job that has not failed.
        statuses |= {400, 401, 403}
        operation["security"] = [{"bearer": [rule.scope] if rule.scope else []}]
        if rule.access is Access.ADMIN:
            operation["description"] = operation.get("description", "") + "\n\nFor operators."
    elif rule.access is Access.CREDENTIALS:
        statuses |= {400, 401}
    if "{" in path or (operation.get("requestBody") and rule.access in (Access.LOGIN, Access.USER, Access.ADMIN)):
        # Bodies contain ids, too.
        statuses.add(404)
    if name in _MAY_CONFLICT:
        statuses.add(409)
    if name in _MAY_COST or rule.scope:
        # Also of every operation that an API key may call: its owner's plan may no longer include API keys.
        statuses.add(402)
    if name in _MAY_SELL:
        statuses |= {400, 402, 409, 501}
    statuses |= _MORE_STATUSES.get(name, set())
    if name == "refresh":
        operation["security"] = [{"refresh": []}, {"refreshCookie": []}]
    if path in _TEXT_ANSWERS:
        statuses -= {429}
    for status in sorted(statuses):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_ERRORS[status][0]}"})
    operation["responses"] = dict(sorted(responses.items()))


def document_json(document: dict[str, Any]) -> str:
    """The document as JSON text in a stable form, as in `docs/openapi.json`."""
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=False) + "\n"
