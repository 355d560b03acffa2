"""Interactive documentation at /docs, from files of our own: it works without a network and tells nobody who reads."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse

from models.errors import NotFound
from serve.dashboard import script_hashes

#: Swagger UI as this package brings it.
_FILES = Path(str(resources.files("fastapi_swagger"))) / "resources"
_ROOT = "/docs/files"
_KINDS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}


def install_docs(app: FastAPI) -> None:
    """Serve the documentation of `app`, which must have none of FastAPI's own."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Trailmind API",
            swagger_js_url=f"{_ROOT}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ROOT}/swagger-ui.css",
            swagger_favicon_url=f"{_ROOT}/favicon-32x32.png",
            # Without the first, Swagger UI sends the address of every public server to its makers' validator.
            swagger_ui_parameters={"validatorUrl": None, "docExpansion": "none", "filter": True},
        )
        page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
        return page

    @app.get(_ROOT + "/{name}", include_in_schema=False)
    async def docs_file(name: str) -> FileResponse:
        if name not in _KINDS:
            raise NotFound("there is no such file")
        return FileResponse(_FILES / name, media_type=_KINDS[name], headers={"Cache-Control": "public, max-age=86400"})


def _policy(page: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *script_hashes(page)]),
            # Swagger UI writes styles into its elements, and its style sheet has its icons inside.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
