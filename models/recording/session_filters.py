"""Which of a user's sessions a list shows."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from models.recording.browsing_sessions import BrowsingSession, SessionStatus
from models.recording.events import Highlight, Visit


def session_filters(
    user_id: uuid.UUID,
    *,
    status: SessionStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    keyword: str | None = None,
    domain: str | None = None,
    text: str | None = None,
) -> list[ColumnElement[bool]]:
    """Conditions on `browsing_sessions`.

    `since` and `until` bound the start. `keyword` is one of the session's keywords, whatever its case. `domain` (a bare
    host) was visited, it or a subdomain. `text` stands in the title, summary, description, a page's title or a
    passage.
    """
    wanted: list[ColumnElement[bool]] = [BrowsingSession.user_id == user_id, BrowsingSession.deleted_at.is_(None)]
    if status is not None:
        wanted.append(BrowsingSession.status == status)
    if since is not None:
        wanted.append(BrowsingSession.started_at >= since)
    if until is not None:
        wanted.append(BrowsingSession.started_at < until)
    if keyword:
        keywords = func.unnest(BrowsingSession.keywords).column_valued("keyword")
        wanted.append(exists(select(keywords).where(func.lower(keywords) == keyword.strip().lower())))
    if domain:
        # The host is what stands between `//` and the next `/`, `?`, `#` or `:`.
        host = func.lower(func.substring(Visit.url, "^[a-zA-Z]+://([^/?#:]+)"))
        covered = or_(host == domain, host.endswith("." + domain, autoescape=True))
        wanted.append(_has(Visit, covered))
    if text:
        sought = text.strip().lower()

        def has(column: ColumnElement[Any]) -> ColumnElement[bool]:
            return func.lower(column).contains(sought, autoescape=True)

        wanted.append(
            or_(
                has(BrowsingSession.title.expression),
                has(BrowsingSession.summary.expression),
                has(BrowsingSession.description.expression),
                _has(Visit, has(Visit.title.expression)),
                _has(Highlight, has(Highlight.text.expression)),
            )
        )
    return wanted


def _has(table: type[Visit] | type[Highlight], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(1).where(and_(table.session_id == BrowsingSession.id, condition)))
