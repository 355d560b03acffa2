"""Error responses, all in one shape: `{"error": {"message", "code"}}`."""

from __future__ import annotations

import math
from inspect import isawaitable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg.errors import ForeignKeyViolation
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import OperationalError as SqlOperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models.database import outage
from models.errors import TrailmindError, Unavailable, ValidationFailed
from telemetry.metrics import QUOTA_DENIALS

log = structlog.get_logger("serve")

#: The codes of errors that the framework raises.
HTTP_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT_EXCEEDED",
    503: "SERVICE_UNAVAILABLE",
}


#: The codes of errors that say that a plan does not allow something, by what it is.
_DENIALS = {
    "TOKEN_LIMIT_EXCEEDED": "tokens",
    "PLAN_UPGRADE_REQUIRED": "feature",
    "CONCURRENT_SESSION_LIMIT": "sessions",
    "STORAGE_LIMIT": "storage",
}


def error_response(error: TrailmindError) -> JSONResponse:
    """The response for one of our own errors."""
    body: dict[str, Any] = {"message": str(error), "code": error.code}
    if isinstance(error, ValidationFailed) and error.fields:
        body["details"] = [{"field": field, "message": message} for field, message in error.fields]
    if error.values:
        body["values"] = error.values
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return JSONResponse({"error": body}, status_code=error.status, headers=headers)


def _from_validation(error: RequestValidationError) -> ValidationFailed:
    fields = []
    for detail in error.errors():
        if detail["type"] in {"json_invalid", "missing"} and detail["loc"] == ("body",):
            return ValidationFailed("the body is missing" if detail["type"] == "missing" else "not valid JSON")
        if detail["type"] == "json_invalid":
            return ValidationFailed("the body is not valid JSON")
        path = ".".join(str(part) for part in detail["loc"] if part not in {"body", "query", "path", "header"})
        message = detail["msg"].removeprefix("Value error, ")
        fields.append((path or "body", message[0].lower() + message[1:]))
    sentence = "; ".join(f"{field}: {message}" for field, message in fields[:3])
    return ValidationFailed(sentence or "the request is not valid", fields)


async def response_to(app: FastAPI, request: Request, error: Exception) -> Response:
    """The response of the handler that `app` has for `error`, as Starlette selects it. Raises `error` without one."""
    for kind in type(error).__mro__:
        if (handler := app.exception_handlers.get(kind)) is not None:
            response = handler(request, error)
            return await response if isawaitable(response) else response
    raise error


def install_error_handlers(app: FastAPI) -> None:
    """Register handlers so that `app` answers every failure in our shape."""

    @app.exception_handler(TrailmindError)
    async def trailmind_error(request: Request, error: TrailmindError) -> JSONResponse:
        if error.code in _DENIALS:
            QUOTA_DENIALS.labels(what=_DENIALS[error.code]).inc()
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(_from_validation(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        message = {404: "no such address", 405: "this address does not take that method"}.get(
            error.status_code, str(error.detail)
        )
        code = HTTP_CODES.get(error.status_code, "ERROR")
        return JSONResponse(
            {"error": {"message": message, "code": code}}, status_code=error.status_code, headers=error.headers
        )

    async def database_error(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, IntegrityError) and isinstance(error.orig, ForeignKeyViolation):
            return await deleted_meanwhile(request, error)
        if (
            isinstance(error, DBAPIError)
            and not isinstance(error, SqlOperationalError)
            and not error.connection_invalidated
        ):
            return await unexpected_error(request, error)
        log.warning("database_unreachable", error=type(error).__name__)
        return error_response(Unavailable(f"{outage(error)}; try again in a moment", 2.0))

    async def deleted_meanwhile(request: Request, error: Exception) -> JSONResponse:
        # A row that this request found is gone when it is changed or referenced; sent again, it finds that out.
        log.info("row_deleted_meanwhile", error=type(error).__name__)
        return error_response(Unavailable("another request has deleted it meanwhile; try again", 1.0))

    async def valkey_error(request: Request, error: Exception) -> JSONResponse:
        log.warning("valkey_unreachable", operation="request", error=type(error).__name__)
        return error_response(Unavailable("this cannot be done right now; try again in a moment", 2.0))

    async def unexpected_error(request: Request, error: Exception) -> JSONResponse:
        # Safe to log: our exception messages contain neither page text nor tokens.
        log.error("unexpected_error", error=type(error).__name__, exc_info=error)
        return JSONResponse(
            {"error": {"message": "something went wrong on our side", "code": "INTERNAL_SERVER_ERROR"}}, status_code=500
        )

    app.add_exception_handler(StaleDataError, deleted_meanwhile)
    app.add_exception_handler(ObjectDeletedError, deleted_meanwhile)
    app.add_exception_handler(ForeignKeyViolation, deleted_meanwhile)
    app.add_exception_handler(DBAPIError, database_error)
    app.add_exception_handler(PoolTimeout, database_error)
    app.add_exception_handler(OperationalError, database_error)
    app.add_exception_handler(RedisError, valkey_error)
    app.add_exception_handler(Exception, unexpected_error)
