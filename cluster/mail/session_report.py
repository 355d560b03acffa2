"""The report of a session, mailed once when its first map is ready.

The mail is composed when it is sent, and nothing of it is stored in the queue: what its user has deleted or forgotten
since is not in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from psycopg_pool import AsyncConnectionPool

from cluster.mail.messages import Language, ReportedPage, SessionReport, session_report_mail
from cluster.mail.queue import MailQueue
from cluster.mail.quiet_hours import next_quiet_end, zone_of
from cluster.mindmap.outline.summary import empty_session_title
from cluster.mindmap.render.canvas import format_duration, visible_nodes
from cluster.mindmap.render.images import to_svg
from cluster.mindmap.render.png_process import draw_in_process
from models.accounts.mail_records import mail_recipient
from models.errors import Unavailable
from models.mindmap.document import MindmapDocument, Node
from models.mindmap.report_source import ReportSource, read_report_source
from models.text import collapse_whitespace, shorten

log = structlog.get_logger("mail")

KIND = "session_report"
NUM_PAGES = 3
#: Twice the width at which mail programs show the picture, so that it is sharp.
PICTURE_WIDTH_PX = 1072
_MAX_TITLE_CHARS = 120
_MAX_SUMMARY_CHARS = 600

#: Draws an SVG as PNG with a width in pixels.
DrawPicture = Callable[[str, int | None], Awaitable[bytes]]


class SessionReporter:
    """Mails the reports. `origin` is the dashboard that they link to."""

    def __init__(self, mail_queue: MailQueue, origin: str, draw: DrawPicture = draw_in_process) -> None:
        self._mail_queue, self._origin, self._draw = mail_queue, origin, draw

    async def report(self, pool: AsyncConnectionPool[Any], session_id: uuid.UUID, useful_until: int) -> datetime | None:
        """Mail the report of a session, unless it has no pages, was mailed before or its user does not want it.

        Returns when to call this again, if it is night where the user lives. Raises what `MailQueue.send_now` raises.
        """
        async with pool.connection() as connection:
            source = await read_report_source(connection, session_id)
            recipient = await mail_recipient(connection, source.user_id) if source is not None else None
            # The map of a session without pages has nothing to report.
            if source is None or recipient is None or not source.num_pages:
                return None
            is_admitted = await self._mail_queue.is_admitted(
                connection, source.user_id, recipient.address, KIND, subject=str(session_id)
            )
        if not is_admitted:
            return None
        language: Language = "en" if recipient.language == "en" else "ko"
        zone = zone_of(recipient.time_zone, recipient.language)
        quiet_until = next_quiet_end(self._mail_queue.now(), zone)
        if quiet_until is not None:
            return quiet_until
        document = MindmapDocument.from_json(source.document)
        report = session_report(language, source, document, zone, await self._picture(document))
        link = f"{self._origin}/sessions/{session_id}"
        mail = session_report_mail(language, report, link, self._mail_queue.unsubscribe_url(source.user_id))
        async with pool.connection() as connection:
            await self._mail_queue.send_now(
                connection, source.user_id, recipient.address, mail, subject=str(session_id), useful_until=useful_until
            )
        return None

    async def _picture(self, document: MindmapDocument) -> bytes | None:
        svg = to_svg(document, "radial", "light", palette="dashboard")
        try:
            return await self._draw(svg, PICTURE_WIDTH_PX)
        except Unavailable:
            # The report without its picture is better than none.
            log.warning("report_without_picture")
            return None


def session_report(
    language: Language, source: ReportSource, document: MindmapDocument, zone: ZoneInfo, map_png: bytes | None
) -> SessionReport:
    """What the report says; times are in `zone`."""
    pages = sorted(
        (node for node in visible_nodes(document) if node.type == "page"),
        key=lambda node: (-node.data.importance.score, -node.data.total_duration, node.id),
    )
    return SessionReport(
        title=_line(source.title or document.title, _MAX_TITLE_CHARS) or empty_session_title(language),
        summary=_line(source.summary or "", _MAX_SUMMARY_CHARS),
        period=_period(source.started_at, source.ended_at, zone),
        active_time=format_duration(source.dwell_ms, language),
        num_pages=source.num_pages,
        keywords=tuple(_line(keyword, _MAX_TITLE_CHARS) for keyword in source.keywords[:6]),
        pages=tuple(_reported(node, language) for node in pages[:NUM_PAGES]),
        map_png=map_png,
    )


def _reported(node: Node, language: Language) -> ReportedPage:
    title = _line(node.data.title or node.label, _MAX_TITLE_CHARS)
    return ReportedPage(title, node.data.host or "", format_duration(node.data.total_duration, language))


def _line(text: str, max_chars: int) -> str:
    return shorten(collapse_whitespace(text), max_chars)


def _period(started_at: datetime, ended_at: datetime | None, zone: ZoneInfo) -> str:
    start, end = started_at.astimezone(zone), (ended_at or started_at).astimezone(zone)
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} – {last} ({'UTC' if zone.key == 'UTC' else zone.key})"
