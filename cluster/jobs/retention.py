"""Enforces session retention: notices by mail, then deletion, under the plan that is active at that moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from cluster.mail.messages import Language, retention_mail
from cluster.mail.queue import MailQueue
from models.jobs import BATCH, enqueue_purge
from models.recording.retention import (
    NOTICE_PERIOD,
    clear_deletion_notices,
    create_deletion_notices,
    soft_delete_expired_sessions,
)

log = structlog.get_logger("jobs")


class RetentionEnforcer:
    """Announces the deletion of old sessions to their users, and deletes what has been announced.

    `default_plan` is the plan of users without a subscription; `origin` is the dashboard that mails link to.
    """

    def __init__(self, mail_queue: MailQueue, default_plan: str, origin: str) -> None:
        self._mail_queue, self._default_plan, self._origin = mail_queue, default_plan, origin

    async def enforce(self, pool: AsyncConnectionPool[Any], now: datetime | None = None) -> None:
        """Clear, create and carry out deletion notices once.

        Safe to repeat and to interrupt: a deletion date commits together with its mail, a deletion together with its
        purge job.
        """
        now = now or datetime.now(UTC)
        async with pool.connection() as connection, connection.transaction():
            await clear_deletion_notices(connection, self._default_plan, now)
        num_notices = await self._send_notices(pool, now)
        num_deleted = await self._delete_expired(pool, now)
        if num_notices or num_deleted:
            log.info("retention_enforced", num_notices=num_notices, num_deleted=num_deleted)

    async def _send_notices(self, pool: AsyncConnectionPool[Any], now: datetime) -> int:
        num_notices = 0
        while True:
            async with pool.connection() as connection, connection.transaction():
                notices = await create_deletion_notices(connection, self._default_plan, now)
                for notice in notices:
                    language: Language = "en" if notice.language == "en" else "ko"
                    mail = retention_mail(language, notice.num_sessions, notice.first_at, f"{self._origin}/sessions")
                    await self._mail_queue.enqueue(connection, notice.user_id, notice.address, mail, ttl=NOTICE_PERIOD)
            if not notices:
                return num_notices
            num_notices += len(notices)

    async def _delete_expired(self, pool: AsyncConnectionPool[Any], now: datetime) -> int:
        num_deleted = 0
        while True:
            async with pool.connection() as connection, connection.transaction():
                session_ids = await soft_delete_expired_sessions(connection, self._default_plan, now)
                for session_id in session_ids:
                    await enqueue_purge(connection, str(session_id), priority=BATCH)
            if not session_ids:
                return num_deleted
            num_deleted += len(session_ids)
