"""Bringing a database to the schema this code wants."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

import models.migrations

#: Any number nobody else uses: two migrators at once take turns on it.
_LOCK = 0x7472_6169_6C6D


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(models.migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


def wanted_revision() -> str:
    """The revision this code was written for."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at, None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(sqlalchemy_url: str, revision: str = "head") -> str:
    """Upgrade to `revision` and return where the database is then. Safe to run from many places at once."""
    engine = create_engine(sqlalchemy_url)
    try:
        with engine.connect() as connection:
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


def draft_revision(sqlalchemy_url: str, message: str, revision_id: str) -> None:
    """Write the next migration from the difference between the models and the database (developers only)."""
    engine = create_engine(sqlalchemy_url)
    try:
        with engine.connect() as connection:
            command.revision(_config(connection), message=message, autogenerate=True, rev_id=revision_id)
    finally:
        engine.dispose()
