"""The sites that a user has excluded from recording, or allowed."""

from __future__ import annotations

import uuid
from typing import Final

from models.database import Connection
from models.recording.exclusions import SiteLists

READ_SITE_LISTS: Final = "SELECT excluded_domains, allowed_domains FROM user_settings WHERE user_id = %(user_id)s"


async def load_site_lists(connection: Connection, user_id: uuid.UUID) -> SiteLists:
    """The user's own lists; empty for a user without settings."""
    cursor = await connection.execute(READ_SITE_LISTS, {"user_id": user_id})
    row = await cursor.fetchone()
    return SiteLists(frozenset(row[0]), frozenset(row[1])) if row else SiteLists()
