"""The domains that a user has excluded from recording."""

from __future__ import annotations

import uuid
from typing import Final

from models.database import Connection

READ_EXCLUDED_DOMAINS: Final = "SELECT excluded_domains FROM user_settings WHERE user_id = %(user_id)s"


async def load_excluded_domains(connection: Connection, user_id: uuid.UUID) -> frozenset[str]:
    """The user's own excluded domains; empty for a user without settings."""
    cursor = await connection.execute(READ_EXCLUDED_DOMAINS, {"user_id": user_id})
    row = await cursor.fetchone()
    return frozenset(row[0]) if row else frozenset()
