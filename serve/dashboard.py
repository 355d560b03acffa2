"""The dashboard's built files, served at `/` by the same app as the API.

They are looked up only when no route matches, so they never shadow an API path. Files with a hash in their name are
cached forever; the page itself is revalidated. The Content-Security-Policy allows this origin only, and the page's
one inline script by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

#: The output directory of `npm run build` in clients/dashboard.
BUILT_FILES = Path(__file__).parent / "static" / "dashboard"

#: First path segments of the API: an unknown path below them gets a JSON error, not the page.
API_PREFIXES = frozenset(
    {"v1", "health", "ready", "metrics", "docs", "redoc", "openapi.json", "pictures", "webhooks", "-", "ping"}
)
_CACHE_FOREVER = "public, max-age=31536000, immutable"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_TYPES = {".woff2": "font/woff2", ".webmanifest": "application/manifest+json", ".js": "text/javascript"}

_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Trailmind</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><h1>Trailmind is running</h1>
<p>The dashboard is not part of this installation. Build it with <code>make dashboard</code> and reload.</p>
<p>The API is available: <a href="/docs">documentation</a>, <a href="/health">health</a>.</p></body></html>
"""


def script_hashes(page: str) -> list[str]:
    """The hashes of the inline scripts of `page` (HTML), in the syntax of Content-Security-Policy."""
    return [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in _INLINE_SCRIPT.findall(page)
    ]


def content_security_policy(page: str) -> str:
    """The Content-Security-Policy of `page` (HTML): this origin only, and the page's own inline scripts by hash."""
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *script_hashes(page)]),
            "style-src 'self'",
            "font-src 'self'",
            # Thumbnails are fetched with the access token and shown as blob URLs.
            "img-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class Dashboard:
    """Answers GET and HEAD with the dashboard's files, or with its page for the paths of its router.

    Every other request goes to `fallback`.
    """

    def __init__(self, fallback: ASGIApp, root: Path = BUILT_FILES) -> None:
        self._fallback, self._root = fallback, root.resolve()
        self._page: tuple[float, str, dict[str, str]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        first = path.lstrip("/").partition("/")[0]
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or first in API_PREFIXES:
            await self._fallback(scope, receive, send)
            return
        headers = Headers(scope=scope)
        file = self._file(path)
        if file is not None:
            await self._file_response(file, path, headers)(scope, receive, send)
        elif path != "/" and "text/html" not in headers.get("accept", ""):
            # An API client or a missing file: returning HTML here would confuse API clients.
            await self._fallback(scope, receive, send)
        else:
            await self._index()(scope, receive, send)

    def _file(self, path: str) -> Path | None:
        name = path.lstrip("/")
        if not name or "\x00" in name or name == "index.html" or name.endswith((".br", ".gz")):
            return None
        file = (self._root / name).resolve()
        return file if file.is_relative_to(self._root) and file.is_file() else None

    def _file_response(self, file: Path, path: str, headers: Headers) -> Response:
        media_type = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        out = {
            "Cache-Control": _CACHE_FOREVER if path.startswith("/assets/") else "no-cache",
            "Vary": "Accept-Encoding",
        }
        accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
        for coding, suffix in (("br", ".br"), ("gzip", ".gz")):
            compressed = file.with_name(file.name + suffix)
            if coding in accepted and compressed.is_file():
                return FileResponse(compressed, media_type=media_type, headers={**out, "Content-Encoding": coding})
        return FileResponse(file, media_type=media_type, headers=out)

    def _index(self) -> Response:
        """The page, read again when the file has changed, so that a new build needs no restart."""
        index = self._root / "index.html"
        try:
            changed_at = index.stat().st_mtime
            if self._page is None or self._page[0] != changed_at:
                text = index.read_text(encoding="utf-8")
                policy = {"Content-Security-Policy": content_security_policy(text), "Cache-Control": "no-cache"}
                self._page = (changed_at, text, policy)
        except OSError:
            return HTMLResponse(_NOT_BUILT, headers={"Content-Security-Policy": "default-src 'none'"})
        return HTMLResponse(self._page[1], headers=self._page[2])


def install_dashboard(app: FastAPI, root: Path = BUILT_FILES) -> None:
    """Make the dashboard answer requests that match no route of `app`."""
    app.router.default = Dashboard(app.router.default, root)


__all__ = ["API_PREFIXES", "BUILT_FILES", "Dashboard", "content_security_policy", "install_dashboard", "script_hashes"]
