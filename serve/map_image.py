"""A map as a picture in an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi.responses import Response

from cluster.mindmap.render.images import ThemeName, to_svg
from models.mindmap.document import LayoutName, MindmapDocument

#: What OpenAPI says of a route that answers with a picture.
IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/svg+xml": {}}, "description": "The map as a picture"}
}
#: A picture needs no script; should one ever get in, it does not run.
IMAGE_CSP_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


async def svg_response(
    document: MindmapDocument, layout: LayoutName, theme: ThemeName, headers: dict[str, str] | None = None
) -> Response:
    """The map as an SVG picture, drawn off the event loop."""
    svg = await asyncio.to_thread(to_svg, document, layout, theme)
    return Response(svg, media_type="image/svg+xml", headers=(headers or {}) | IMAGE_CSP_HEADERS)
