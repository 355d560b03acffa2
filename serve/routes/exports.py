"""Exports of one session as JSON, Markdown, OPML, FreeMind, SVG, PNG or CSV; `export_map` is also for joint maps."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import regex
from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
from cluster.mindmap.render.images import PaletteName, ThemeName, to_svg
from cluster.mindmap.render.png import MAX_SIDE_PX, scaled_width
from cluster.providers.configuration import provider_endpoints
from cluster.providers.planning.consent import provider_names
from models.errors import NotFound
from models.mindmap.document import LayoutName, MindmapDocument
from models.mindmap.versions import load_current_document
from models.recording.browsing_sessions import BrowsingSession, owned_session, parse_session_id
from models.recording.timeline import Timeline
from models.recording.timeline_store import from_epoch_ms, load_timeline
from models.schemas.exports import ExportFormat, MapExportFormat
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.map_image import IMAGE_CSP_HEADERS
from serve.routes.events import highlight_reply, visit_fields
from serve.routes.usage import policy_of
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["exports"])

_TYPES: dict[str, tuple[str, str]] = {
    "json": ("application/json", "json"),
    "markdown": ("text/markdown; charset=utf-8", "md"),
    "opml": ("text/x-opml; charset=utf-8", "opml"),
    "freemind": ("application/x-freemind; charset=utf-8", "mm"),
    "svg": ("image/svg+xml", "svg"),
    "png": ("image/png", "png"),
    "csv": ("text/csv; charset=utf-8", "csv"),
}
_TEXTS: dict[str, Callable[[MindmapDocument], str]] = {
    "markdown": to_markdown,
    "opml": to_opml,
    "freemind": to_freemind,
}
# Spreadsheets skip blanks and characters that are not seen before a formula, and read full-width signs as signs.
_FORMULA = regex.compile(r"[\t\r\n]|[\s\p{Default_Ignorable_Code_Point}\p{Cc}]*[=+\-@＝＋－＠]")
#: Folded nodes that a request may name: the topics and sub-topics of a long session.
MAX_FOLDED = 200
_COLUMNS = (
    "kind",
    "started_at",
    "ended_at",
    "active_seconds",
    "title",
    "url",
    "is_revisit",
    "max_scroll_depth",
    "text",
    "note",
)


def timeline_csv(timelines: Sequence[Timeline]) -> str:
    """The timelines of one or several sessions as CSV: visits and highlights in chronological order.

    It begins with a byte order mark, without which Excel reads UTF-8 as the encoding of the system. A cell that a
    spreadsheet would run as a formula is prefixed with an apostrophe (CSV injection): page titles are untrusted text.
    """
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    rows: list[tuple[int, list[Any]]] = []
    for v in (visit for timeline in timelines for visit in timeline.visits):
        times = [
            from_epoch_ms(v.started_ms).isoformat(),
            from_epoch_ms(v.ended_ms).isoformat(),
            f"{v.dwell_ms / 1000:.1f}",
        ]
        rows.append(
            (v.started_ms, ["visit", *times, v.title or "", v.url, v.is_revisit, f"{v.max_scroll_depth:.2f}", "", ""])
        )
    for h in (highlight for timeline in timelines for highlight in timeline.highlights):
        at = from_epoch_ms(h.occurred_ms).isoformat()
        rows.append((h.occurred_ms, ["highlight", at, "", "", "", h.url or "", "", "", h.text, h.note or ""]))
    for _, row in sorted(rows, key=lambda r: r[0]):
        writer.writerow([escape_formula(str(cell)) for cell in row])
    return out.getvalue()


def escape_formula(cell: str) -> str:
    """The cell with an apostrophe before it if a spreadsheet would run it as a formula."""
    return "'" + cell if _FORMULA.match(cell) else cell


def _disposition(title: str | None, extension: str) -> str:
    """The Content-Disposition header (RFC 6266): an ASCII file name, and the title in UTF-8 (`filename*`)."""
    name = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]+', " ", title or "").strip()[:80] or "trailmind"
    plain = re.sub(r"[^A-Za-z0-9 ._-]+", "", unicodedata.normalize("NFKD", name)).strip() or "trailmind"
    return f"attachment; filename=\"{plain}.{extension}\"; filename*=UTF-8''{quote(name)}.{extension}"


#: OpenAPI responses of the export routes.
EXPORT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {kind.partition(";")[0]: {} for kind, _ in _TYPES.values()}}
}


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """The query parameters of exported images."""

    layout: Annotated[LayoutName, Query(description="Of images")] = "galaxy"
    theme: Annotated[ThemeName, Query(description="Of images")] = "light"
    scale: Annotated[
        float | None, Query(ge=1, le=4, description="Of PNG: how many times as large as the SVG, unless width is given")
    ] = None
    palette: Annotated[
        PaletteName, Query(description="Of images: the colours of the API's nodes, or those of the dashboard")
    ] = "standard"
    folded: Annotated[
        list[Annotated[str, StringConstraints(max_length=64)]] | None,
        Query(max_length=MAX_FOLDED, description="Of images: nodes whose descendants are left out"),
    ] = None
    width: Annotated[
        int | None, Query(ge=200, le=MAX_SIDE_PX, description="Of PNG, in pixels; neither side is longer than 4,000")
    ] = None


def exported_document(state: AppState, document: MindmapDocument) -> MindmapDocument:
    """The document with providers called as on the screens."""
    return document.with_provider_names(provider_names(provider_endpoints(state.settings)))


async def export_map(
    state: AppState,
    db: AsyncSession,
    user_id: uuid.UUID,
    format: MapExportFormat,
    document: MindmapDocument,
    options: ImageOptions,
) -> bytes | str:
    """The map as a text or as an image."""
    if format in _TEXTS:
        return await asyncio.to_thread(_TEXTS[format], document)
    folded = frozenset(options.folded or ())
    svg = await asyncio.to_thread(
        to_svg, document, options.layout, options.theme, palette=options.palette, folded=folded
    )
    if format == "svg":
        return svg
    # The connection returns to the pool: a picture may wait for its turn.
    await db.commit()
    width = options.width
    if width is None and options.scale is not None:
        width = min(scaled_width(svg, options.scale), MAX_SIDE_PX)
    return await state.png_drawer.draw(user_id, svg, width)


def file_response(body: bytes | str, format: ExportFormat, title: str | None) -> Response:
    """The export as a file with the title as its name."""
    kind, extension = _TYPES[format]
    return Response(
        body,
        media_type=kind,
        headers={
            "Content-Disposition": _disposition(title, extension),
            "Cache-Control": "private, no-store",
            **IMAGE_CSP_HEADERS,
        },
    )


def pretty_json(value: Any) -> bytes:
    """`value` as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


async def _document(state: AppState, db: DbSession, session: BrowsingSession) -> MindmapDocument:
    data = await load_current_document(db, session.id)
    if data is None:
        raise NotFound("mindmap not found for this session")
    return exported_document(state, MindmapDocument.from_json(data))


def _as_json(session: BrowsingSession, timeline: Timeline, document: MindmapDocument) -> bytes:
    return pretty_json(
        {
            "session": {
                "id": str(session.id),
                "title": session.title,
                "description": session.description,
                "summary": session.summary,
                "started_at": session.started_at,
                "ended_at": session.ended_at,
                "dwell_ms": timeline.dwell_ms,
            },
            "visits": [visit_fields(v) | {"ended_at": from_epoch_ms(v.ended_ms)} for v in timeline.visits],
            "highlights": [highlight_reply(h).model_dump(exclude_none=True) for h in timeline.highlights],
            "mindmap": document.to_json(),
        }
    )


@router.get("/export", response_class=Response, responses=EXPORT_RESPONSES)
async def export_session(
    session_id: str,
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
    options: Annotated[ImageOptions, Depends()],
    format: Annotated[ExportFormat, Query()] = "markdown",
) -> Response:
    """One session as a file. The formats depend on the plan; 402 names the plan that includes the format."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    _, policy = await policy_of(state, db, user_id)
    policy.require_export(format)
    body: bytes | str
    if format == "csv":
        body = await asyncio.to_thread(timeline_csv, [await load_timeline(connection, session.id)])
    elif format == "json":
        timeline = await load_timeline(connection, session.id)
        body = await asyncio.to_thread(_as_json, session, timeline, await _document(state, db, session))
    else:
        body = await export_map(state, db, user_id, format, await _document(state, db, session), options)
    return file_response(body, format, session.title)
