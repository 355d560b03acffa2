"""Swagger UI at /docs, from bundled files: it works offline and makes no request to other servers."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse

from models.errors import NotFound
from serve.dashboard import script_hashes

#: The files of Swagger UI in the package fastapi_swagger.
_FILES = Path(str(resources.files("fastapi_swagger"))) / "resources"
_ROOT = "/docs/files"
_KINDS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}


def install_docs(app: FastAPI) -> None:
    """Serve Swagger UI for `app`, whose own `docs_url` must be None."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Trailmind API",
            swagger_js_url=f"{_ROOT}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ROOT}/swagger-ui.css",
            swagger_favicon_url=f"{_ROOT}/favicon-32x32.png",
            # Without `validatorUrl: None`, Swagger UI sends the URL of a public server to validator.swagger.io.
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
            # Swagger UI sets inline styles, and its style sheet embeds icons as data URLs.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
