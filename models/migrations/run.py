"""Bringing a database to the schema this code wants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text

if TYPE_CHECKING:
    from alembic.config import Config

#: Any number nobody else uses: two migrators at once take turns on it.
_LOCK = 0x7472_6169_6C6D
_HOME = Path(__file__).parent


def _config(connection: Connection) -> Config:
    # Alembic is imported where something is to be migrated: a start that finds the schema as it should be, and every
    # replica of the API, does without it.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HOME))
    config.attributes["connection"] = connection
    return config


def wanted_revision() -> str:
    """The revision this code was written for: the number the last migration's file begins with."""
    return max(path.name.partition("_")[0] for path in (_HOME / "versions").glob("[0-9]*_*.py"))


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at, None when it is empty."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def migrate(sqlalchemy_url: str, revision: str = "head") -> str:
    """Upgrade to `revision` and return where the database is then. Safe to run from many places at once."""
    engine = create_engine(sqlalchemy_url)
    try:
        with engine.connect() as connection:
            current = current_revision(connection)
            # Newer is fine as well: migrations suit the code before them.
            if revision == "head" and current is not None and current >= wanted_revision():
                return current
            connection.rollback()
            from alembic import command

            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            try:
                command.upgrade(_config(connection), revision)
                connection.commit()
                return current_revision(connection) or ""
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()
    finally:
        engine.dispose()
