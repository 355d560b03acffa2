"""The migration that shows hidden maps again, on rows of the version before it."""

from __future__ import annotations

import uuid

import psycopg

from models.migrations.run import migrate


def test_maps_whose_remake_failed_are_shown_again(fresh_database: str) -> None:
    sqlalchemy_url = "postgresql+psycopg://" + fresh_database.partition("://")[2]
    assert migrate(sqlalchemy_url, "0023") == "0023"
    user = uuid.uuid4()
    sessions = {status: uuid.uuid4() for status in ("hidden", "first", "good")}
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("INSERT INTO users (id, email) VALUES (%s, 'ann@example.com')", [user])
        for name, session in sessions.items():
            connection.execute(
                "INSERT INTO browsing_sessions (id, user_id, status, started_at) VALUES (%s, %s, 'completed', now())",
                [session, user],
            )
            connection.execute(
                "INSERT INTO mindmaps (id, session_id, status, percent, error_message, current_version)"
                " VALUES (gen_random_uuid(), %s, %s, 55, %s, %s)",
                [
                    session,
                    "completed" if name == "good" else "failed",
                    None if name == "good" else "MAP_FAILED: broken",
                    None if name == "first" else 2,
                ],
            )
        migrate(sqlalchemy_url)
        rows = {
            row[0]: row[1:]
            for row in connection.execute("SELECT session_id, status, error_message, offered_version FROM mindmaps")
        }
    assert rows[sessions["hidden"]] == ("completed", "MAP_FAILED: broken", None)
    assert rows[sessions["first"]] == ("failed", "MAP_FAILED: broken", None)
    assert rows[sessions["good"]] == ("completed", None, None)
