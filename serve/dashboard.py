"""The dashboard: its built files, served at `/` by the same app as the API.

Asked only when no route matches, so an API path is never shadowed. Every file may be kept by the browser for ever
under its hashed name; the page itself is checked each time. Nothing on the page may come from elsewhere: the
Content-Security-Policy names this origin alone, and the page's one inline script by its hash.
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

#: Where `npm run build` in clients/dashboard puts its files.
BUILT_FILES = Path(__file__).parent / "static" / "dashboard"

#: First parts of addresses that belong to programs: a wrong one is answered as an API does, not with a page.
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
<p>The API is here all the same: <a href="/docs">documentation</a>, <a href="/health">health</a>.</p></body></html>
"""


def script_hashes(page: str) -> list[str]:
    """The inline scripts of `page` (HTML) as a Content-Security-Policy names them."""
    return [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in _INLINE_SCRIPT.findall(page)
    ]


def content_security_policy(page: str) -> str:
    """The policy of `page` (HTML): this origin only, no inline script but those it has, by hash."""
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *script_hashes(page)]),
            "style-src 'self'",
            "font-src 'self'",
            # Thumbnails are fetched with the login and shown from memory.
            "img-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class Dashboard:
    """Answers GET and HEAD with the dashboard's files or, for any address of its own, its page.

    The rest is for `otherwise` to answer.
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
        found = self._file(path)
        if found is not None:
            await self._send_file(found, path, headers)(scope, receive, send)
        elif path != "/" and "text/html" not in headers.get("accept", ""):
            # A program, or a file that is not there: a page instead would only be a riddle.
            await self._fallback(scope, receive, send)
        else:
            await self._index()(scope, receive, send)

    def _file(self, path: str) -> Path | None:
        name = path.lstrip("/")
        if not name or "\x00" in name or name == "index.html" or name.endswith((".br", ".gz")):
            return None
        wanted = (self._root / name).resolve()
        return wanted if wanted.is_relative_to(self._root) and wanted.is_file() else None

    def _send_file(self, found: Path, path: str, headers: Headers) -> Response:
        kind = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        out = {
            "Cache-Control": _CACHE_FOREVER if path.startswith("/assets/") else "no-cache",
            "Vary": "Accept-Encoding",
        }
        accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
        for coding, suffix in (("br", ".br"), ("gzip", ".gz")):
            packed = found.with_name(found.name + suffix)
            if coding in accepted and packed.is_file():
                return FileResponse(packed, media_type=kind, headers={**out, "Content-Encoding": coding})
        return FileResponse(found, media_type=kind, headers=out)

    def _index(self) -> Response:
        """The page. Read again when it has changed, so that a build shows without a restart."""
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
    """Let the dashboard answer whatever no route of `app` does."""
    app.router.default = Dashboard(app.router.default, root)


__all__ = ["API_PREFIXES", "BUILT_FILES", "Dashboard", "content_security_policy", "install_dashboard", "script_hashes"]
