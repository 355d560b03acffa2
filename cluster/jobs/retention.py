"""Carrying out how long sessions are kept: notices, then deletion, as the plans say at that moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from cluster.mail.queue import Post
from cluster.mail.templates import Language, retention_mail
from models.jobs import BATCH, PURGE_SESSION, UPKEEP, order
from models.recording.retention import NOTICE, due_sessions, give_notices, take_back_notices

log = structlog.get_logger("jobs")


class Retention:
    """Tells users what will go, and lets go of what is over."""

    def __init__(self, post: Post, default_plan: str, origin: str) -> None:
        self._post, self._default_plan, self._origin = post, default_plan, origin

    async def apply(self, pool: AsyncConnectionPool[Any], now: datetime | None = None) -> None:
        """One round. Safe to repeat and to interrupt: a notice is given with its mail or not at all."""
        now = now or datetime.now(UTC)
        async with pool.connection() as connection, connection.transaction():
            await take_back_notices(connection, self._default_plan, now)
        told = deleted = 0
        while True:
            async with pool.connection() as connection, connection.transaction():
                notices = await give_notices(connection, self._default_plan, now)
                for notice in notices:
                    language: Language = "en" if notice.language == "en" else "ko"
                    mail = retention_mail(language, notice.num_sessions, notice.first_at, f"{self._origin}/sessions")
                    await self._post.order(connection, notice.user_id, notice.address, mail, ttl=NOTICE)
            told += len(notices)
            if not notices:
                break
        while True:
            async with pool.connection() as connection, connection.transaction():
                due = await due_sessions(connection, self._default_plan, now)
                for session_id in due:
                    key = str(session_id)
                    await order(
                        connection,
                        PURGE_SESSION,
                        queue=UPKEEP,
                        queueing_lock=f"purge:{key}",
                        priority=BATCH,
                        session_id=key,
                    )
            deleted += len(due)
            if not due:
                break
        if told or deleted:
            log.info("sessions_kept", num_users_told=told, num_deleted=deleted)
