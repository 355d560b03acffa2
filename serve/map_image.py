"""Responses with the image of a map."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response

from cluster.mindmap.render.images import PaletteName, ThemeName, to_svg
from cluster.mindmap.render.thumbnail import to_thumbnail
from models.mindmap.document import LayoutName, MindmapDocument

#: OpenAPI responses of a route that returns the image of a map.
IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/svg+xml": {}}, "description": "The map as an SVG image"}
}
#: Query parameters of routes that return the image of a map.
ImageLayout = Annotated[LayoutName, Query()]
ImageTheme = Annotated[ThemeName, Query()]
ImagePalette = Annotated[PaletteName, Query(description="The colours of the API's nodes, or those of the dashboard")]
#: Keeps what a link shows out of search engines and shared caches.
LINK_HEADERS = {"X-Robots-Tag": "noindex, nofollow, noarchive", "Cache-Control": "private, no-store"}
#: An image needs no script; the policy blocks injected ones.
IMAGE_CSP_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


#: "thumbnail" is a small picture without labels.
ImageSize = Annotated[Literal["full", "thumbnail"], Query(description="A thumbnail is small and has no labels")]


async def thumbnail_response(document: MindmapDocument, theme: ThemeName) -> Response:
    """The map as a small SVG image for lists."""
    svg = await asyncio.to_thread(to_thumbnail, document, theme)
    return Response(svg, media_type="image/svg+xml", headers=IMAGE_CSP_HEADERS)


async def svg_response(
    document: MindmapDocument,
    layout: LayoutName,
    theme: ThemeName,
    headers: dict[str, str] | None = None,
    *,
    palette: PaletteName = "standard",
) -> Response:
    """The map as an SVG image, rendered in a thread."""
    svg = await asyncio.to_thread(to_svg, document, layout, theme, palette=palette)
    return Response(svg, media_type="image/svg+xml", headers=(headers or {}) | IMAGE_CSP_HEADERS)
