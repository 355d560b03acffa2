"""How Alembic reaches the database: over the connection `models.migrations.run` hands in."""

from __future__ import annotations

from alembic import context

import models.migrations.tables  # noqa: F401 - the tables register themselves
from models.base import Base


def _ours(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """procrastinate's tables are its own."""
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, include_object=_ours, compare_server_default=True
)
with context.begin_transaction():
    context.run_migrations()
