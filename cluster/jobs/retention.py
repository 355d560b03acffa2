"""Carrying out how long sessions are kept: notices, then deletion, as the plans say at that moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from cluster.mail.queue import MailQueue
from cluster.mail.templates import Language, retention_mail
from models.jobs import BATCH, MAINTENANCE, PURGE_SESSION, enqueue
from models.recording.retention import (
    NOTICE_PERIOD,
    clear_deletion_notices,
    create_deletion_notices,
    soft_delete_expired_sessions,
)

log = structlog.get_logger("jobs")


class RetentionEnforcer:
    """Tells users what will go, and lets go of what is over."""

    def __init__(self, mail_queue: MailQueue, default_plan: str, origin: str) -> None:
        self._mail_queue, self._default_plan, self._origin = mail_queue, default_plan, origin

    async def enforce(self, pool: AsyncConnectionPool[Any], now: datetime | None = None) -> None:
        """One round. Safe to repeat and to interrupt: a notice is given with its mail or not at all."""
        now = now or datetime.now(UTC)
        async with pool.connection() as connection, connection.transaction():
            await clear_deletion_notices(connection, self._default_plan, now)
        told = deleted = 0
        while True:
            async with pool.connection() as connection, connection.transaction():
                notices = await create_deletion_notices(connection, self._default_plan, now)
                for notice in notices:
                    language: Language = "en" if notice.language == "en" else "ko"
                    mail = retention_mail(language, notice.num_sessions, notice.first_at, f"{self._origin}/sessions")
                    await self._mail_queue.enqueue(connection, notice.user_id, notice.address, mail, ttl=NOTICE_PERIOD)
            told += len(notices)
            if not notices:
                break
        while True:
            async with pool.connection() as connection, connection.transaction():
                due = await soft_delete_expired_sessions(connection, self._default_plan, now)
                for session_id in due:
                    key = str(session_id)
                    await enqueue(
                        connection,
                        PURGE_SESSION,
                        queue=MAINTENANCE,
                        queueing_lock=f"purge:{key}",
                        priority=BATCH,
                        session_id=key,
                    )
            deleted += len(due)
            if not due:
                break
        if told or deleted:
            log.info("retention_enforced", num_notices=told, num_deleted=deleted)
