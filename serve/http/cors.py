"""CORS: which web pages and browser extensions may call the API."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from cluster.settings import Settings
from models.errors import Forbidden
from serve.http.errors import error_response

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-Request-ID",
    "X-Trailmind-Client",
)
_EXPOSED = ("Content-Length", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")


class ApiCorsMiddleware(CORSMiddleware):
    """Starlette's CORS middleware that answers preflights with 204 and no body, as the clients expect."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The response to an OPTIONS preflight."""
        response = super().preflight_response(request_headers)
        if response.status_code != 200:
            rejection = error_response(Forbidden("this origin may not call the API (TRAILMIND_CORS_ORIGINS)"))
            rejection.headers["Vary"] = response.headers.get("vary", "Origin")
            return rejection
        headers = {k: v for k, v in response.headers.items() if k not in {"content-length", "content-type"}}
        return Response(status_code=204, headers=headers)


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` with CORS for the configured origins and extensions, credentials allowed."""
    ids = "|".join("[a-p]{32}|[\\w-]+" if i == "*" else re.escape(i) for i in settings.server.extension_ids)
    return ApiCorsMiddleware(
        app,
        allow_origins=[*settings.cors_origins, settings.server.origin],
        allow_origin_regex=f"^(chrome|moz|safari-web)-extension://({ids})$" if ids else None,
        allow_methods=list(_METHODS),
        allow_headers=list(_HEADERS),
        expose_headers=list(_EXPOSED),
        allow_credentials=True,
        max_age=600,
    )
