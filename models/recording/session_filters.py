"""Filters of the list of sessions."""

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
    """Conditions on `browsing_sessions`, all of which a listed session meets.

    The session starts at or after `since` and before `until`. It has the keyword `keyword` and a visit of the host
    `domain` or a subdomain. Its title, summary, description, a page title or a highlight contains `text`. Keyword,
    domain and text ignore case.
    """
    conditions: list[ColumnElement[bool]] = [BrowsingSession.user_id == user_id, BrowsingSession.deleted_at.is_(None)]
    if status is not None:
        conditions.append(BrowsingSession.status == status)
    if since is not None:
        conditions.append(BrowsingSession.started_at >= since)
    if until is not None:
        conditions.append(BrowsingSession.started_at < until)
    if keyword:
        keywords = func.unnest(BrowsingSession.keywords).column_valued("keyword")
        conditions.append(exists(select(keywords).where(func.lower(keywords) == keyword.strip().lower())))
    if domain:
        # The host is between `//` and the next `/`, `?`, `#` or `:`.
        host = func.lower(func.substring(Visit.url, "^[a-zA-Z]+://([^/?#:]+)"))
        covered = or_(host == domain, host.endswith("." + domain, autoescape=True))
        conditions.append(_has(Visit, covered))
    if text:
        search_text = text.strip().lower()

        def has(column: ColumnElement[Any]) -> ColumnElement[bool]:
            return func.lower(column).contains(search_text, autoescape=True)

        conditions.append(
            or_(
                has(BrowsingSession.title.expression),
                has(BrowsingSession.summary.expression),
                has(BrowsingSession.description.expression),
                _has(Visit, has(Visit.title.expression)),
                _has(Highlight, has(Highlight.text.expression)),
            )
        )
    return conditions


def _has(table: type[Visit] | type[Highlight], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(1).where(and_(table.session_id == BrowsingSession.id, condition)))
