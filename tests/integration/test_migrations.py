"""Migrations of stored data."""

from __future__ import annotations

import uuid

import psycopg

from models.migrations.run import migrate


def sqlalchemy_url(database_url: str) -> str:
    return "postgresql+psycopg://" + database_url.partition("://")[2]


def test_stored_automatic_titles_stop_being_the_users(fresh_database: str) -> None:
    migrate(sqlalchemy_url(fresh_database), "0013")
    titles = {
        "Browsing, Nov 28, 12:57\u202fPM": "generated",
        "11월 28일 오후 12:57 브라우징": "generated",
        "Git and Django": "user",
        "Browsing, Nov 28": "user",
    }
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        user_id = uuid.uuid4()
        connection.execute(
            "INSERT INTO users (id, email, created_at, updated_at) VALUES (%s, 'ann@test.local', now(), now())",
            [user_id],
        )
        for title in titles:
            connection.execute(
                "INSERT INTO browsing_sessions (id, user_id, title, title_source, started_at, created_at, updated_at)"
                " VALUES (%s, %s, %s, 'user', now(), now(), now())",
                [uuid.uuid4(), user_id, title],
            )
        migrate(sqlalchemy_url(fresh_database), "0014")
        assert dict(connection.execute("SELECT title, title_source FROM browsing_sessions").fetchall()) == titles


def test_only_a_language_that_differs_from_the_default_was_surely_chosen(fresh_database: str) -> None:
    migrate(sqlalchemy_url(fresh_database), "0022")
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        for language in ("ko", "en"):
            user_id = uuid.uuid4()
            connection.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user_id, f"{language}@test.local"])
            connection.execute("INSERT INTO user_settings (user_id, language) VALUES (%s, %s)", [user_id, language])
        migrate(sqlalchemy_url(fresh_database), "0023")
        chosen = connection.execute("SELECT language, is_language_chosen FROM user_settings").fetchall()
        assert dict(chosen) == {"ko": False, "en": True}
        # The previous version writes rows without the new column.
        connection.execute("UPDATE user_settings SET theme = 'dark'")
