"""Migrates a database to the schema of this code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text

if TYPE_CHECKING:
    from alembic.config import Config

#: The advisory lock that serializes concurrent migrations; the number is arbitrary.
_LOCK = 0x7472_6169_6C6D
_HOME = Path(__file__).parent


def _config(connection: Connection) -> Config:
    # Alembic is imported only for a migration: a start with a current schema, and every replica of the API, does not
    # need it.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HOME))
    config.attributes["connection"] = connection
    return config


def latest_revision() -> str:
    """The revision of this code: the number of the latest migration file."""
    return max(path.name.partition("_")[0] for path in (_HOME / "versions").glob("[0-9]*_*.py"))


def current_revision(connection: Connection) -> str | None:
    """The revision of the database; None when it is empty."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def is_current(sqlalchemy_url: str) -> bool:
    """Whether the schema of a database is that of this code, or a newer one: migrations suit the previous code."""
    engine = create_engine(sqlalchemy_url)
    try:
        with engine.connect() as connection:
            return _is_current(connection)
    finally:
        engine.dispose()


def _is_current(connection: Connection) -> bool:
    current = current_revision(connection)
    return current is not None and current >= latest_revision()


def migrate(sqlalchemy_url: str, revision: str = "head") -> str:
    """Upgrade to `revision` and return the resulting revision. Concurrent calls wait for each other."""
    engine = create_engine(sqlalchemy_url)
    try:
        with engine.connect() as connection:
            if revision == "head" and _is_current(connection):
                return current_revision(connection) or ""
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
