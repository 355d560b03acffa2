"""Which AI models may receive the text of a session: the user's choice, and that of the single session."""

from __future__ import annotations

import enum
import uuid
from typing import Final

from models.database import Connection

READ_MODEL_USE: Final = """
    SELECT CASE WHEN s.is_local_only THEN 'local' ELSE coalesce(u.model_use, 'ask') END
    FROM browsing_sessions s LEFT JOIN user_settings u ON u.user_id = s.user_id
    WHERE s.id = %(session_id)s
"""


class ModelUse(enum.StrEnum):
    """What a user has decided about page text and AI models."""

    #: Not decided: models on the operator's own network only.
    ASK = "ask"
    #: Agreed: also the models of vendors.
    VENDOR = "vendor"
    #: No model at all.
    LOCAL = "local"


async def load_model_use(connection: Connection, session_id: uuid.UUID) -> ModelUse:
    """The choice that applies to a session; `LOCAL` for one that does not exist."""
    row = await (await connection.execute(READ_MODEL_USE, {"session_id": session_id})).fetchone()
    return ModelUse(row[0]) if row is not None else ModelUse.LOCAL
