"""The packed browser extension, made for this server: it knows the address without asking."""

from __future__ import annotations

import io
import json
import zipfile
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from models.errors import NotFound
from serve.dependencies import RateLimitedByAddress, State

router = APIRouter(prefix="/v1", tags=["health"])
#: Written by `make extension`.
PACKAGE = Path(__file__).parents[1] / "static" / "extension" / "trailmind.zip"
#: The file in the package that names the server (`clients/extension/src/settings.ts`).
SERVER_FILE = "server.json"


@router.get(
    "/extension",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "The extension as a zip archive"}},
    dependencies=[RateLimitedByAddress],
)
def extension_package(request: Request, state: State) -> Response:
    """The browser extension for this server. Needs no login; 404 when this installation does not contain it.

    It talks to the public address of the server, or without one to the address at which it is downloaded.
    """
    if not PACKAGE.exists():
        raise NotFound("the extension is not part of this installation; build it with `make extension`")
    # A server at home has no public address: other machines know it by a name of their network.
    origin = state.settings.server.public_url or str(request.base_url)
    body = _package_for(origin.rstrip("/"), PACKAGE, PACKAGE.stat().st_mtime_ns)
    headers = {"Content-Disposition": 'attachment; filename="trailmind-extension.zip"', "Cache-Control": "no-cache"}
    return Response(body, media_type="application/zip", headers=headers)


@lru_cache(maxsize=4)
def _package_for(origin: str, package: Path, built_at_ns: int) -> bytes:  # noqa: ARG001
    """The package with the address of the server. `built_at_ns` distinguishes builds in the cache."""
    match = f"{urlsplit(origin).scheme}://{urlsplit(origin).hostname}/*"
    packed = io.BytesIO()
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "manifest.json":
                content = _with_server(content, match)
            target.writestr(entry, content)
        target.writestr(SERVER_FILE, json.dumps({"serverUrl": origin}))
    return packed.getvalue()


def _with_server(manifest: bytes, match: str) -> bytes:
    """The manifest with permission to call the server and to receive messages of its dashboard."""
    fields = json.loads(manifest)
    connectable = fields["externally_connectable"]
    fields["host_permissions"] = list(dict.fromkeys([*fields["host_permissions"], match]))
    connectable["matches"] = list(dict.fromkeys([*connectable["matches"], match]))
    return json.dumps(fields).encode()
