"""Keeps the labels that a user's maps reuse from being forgotten and saved at the same time."""

from __future__ import annotations

import uuid
from typing import Final

from models.database import Connection

# A forgetting locks the rows of several sessions, those of maps with reused labels after the others. Taken before all
# of these locks, this one prevents a circle.
LOCK_LABELS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('labels:' || %(user_id)s::text, 0))"
LOCK_LABELS_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('labels:' || %(user_id)s::text, 0))"


async def lock_labels(connection: Connection, user_id: uuid.UUID, *, is_shared: bool = False) -> None:
    """Wait until no other transaction forgets labels of the user or saves (`is_shared`) a map that reuses some.

    Two transactions may save at the same time. Before any other lock; it ends with the transaction.
    """
    await connection.execute(LOCK_LABELS_SHARED if is_shared else LOCK_LABELS, {"user_id": user_id})
