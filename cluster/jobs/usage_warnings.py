"""Mails about tokens: when four fifths of a period's tokens are used, and when all are."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg_pool import AsyncConnectionPool

from cluster.mail.messages import Language, usage_mail
from cluster.mail.queue import NOTICE_TTL, MailQueue
from cluster.providers.planning.user_limits import UserLimits
from models.accounts.mail_records import mail_recipient
from models.billing.ledger import load_balance
from models.errors import NotFound
from models.mindmap.report_source import session_owner

THRESHOLDS = (100, 80)


class UsageWarnings:
    """Warns users about their tokens, once per threshold and period. `origin` is the dashboard that mails link to."""

    def __init__(
        self, mail_queue: MailQueue, load_limits: Callable[[uuid.UUID], Awaitable[UserLimits]], origin: str
    ) -> None:
        self._mail_queue, self._load_limits, self._origin = mail_queue, load_limits, origin

    async def check_owner(self, pool: AsyncConnectionPool[Any], session_id: uuid.UUID) -> None:
        """Warn the owner of a session if a threshold is crossed. Does nothing for an erased session."""
        async with pool.connection() as connection:
            user_id = await session_owner(connection, session_id)
        if user_id is not None:
            await self.check(pool, user_id)

    async def check(self, pool: AsyncConnectionPool[Any], user_id: uuid.UUID) -> None:
        """Enqueue the mail about the highest threshold that the user has reached in this period."""
        try:
            allowance = (await self._load_limits(user_id)).allowance
        except NotFound:
            return
        limit = allowance.token_limit
        if not limit:
            return
        async with pool.connection() as connection, connection.transaction():
            used = (await load_balance(connection, user_id, allowance)).used_of_plan
            reached = next((percent for percent in THRESHOLDS if used * 100 >= limit * percent), None)
            recipient = await mail_recipient(connection, user_id) if reached else None
            if reached is None or recipient is None:
                return
            language: Language = "en" if recipient.language == "en" else "ko"
            mail = usage_mail(
                language,
                reached,
                used,
                limit,
                allowance.period_end,
                f"{self._origin}/account",
                self._mail_queue.unsubscribe_url(user_id),
            )
            await self._mail_queue.enqueue(
                connection,
                user_id,
                recipient.address,
                mail,
                ttl=NOTICE_TTL,
                subject=f"{allowance.period_start:%Y-%m-%dT%H:%M:%SZ}",
            )
