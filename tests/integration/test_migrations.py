"""Migrations of stored data."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from models.billing.purchases import INSERT_CHECKOUT
from models.lifecycle.forget import DELETE_UNUSED_CONTENTS
from models.migrations.run import migrate
from models.mindmap.summaries import without_reading_time


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


def test_stored_summaries_lose_their_reading_time(fresh_database: str) -> None:
    migrate(sqlalchemy_url(fresh_database), "0025")
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        user_id = uuid.uuid4()
        connection.execute("INSERT INTO users (id, email) VALUES (%s, 'ann@test.local')", [user_id])
        for before in SUMMARIES:
            connection.execute(
                "INSERT INTO browsing_sessions (id, user_id, title, summary, started_at)"
                " VALUES (%s, %s, 't', %s, now())",
                [uuid.uuid4(), user_id, before],
            )
        migrate(sqlalchemy_url(fresh_database), "0026")
        found = [summary for (summary,) in connection.execute("SELECT summary FROM browsing_sessions").fetchall()]
        assert sorted(found) == sorted(SUMMARIES.values())
        assert {before: without_reading_time(before) for before in SUMMARIES} == SUMMARIES


#: Summaries before and after.
SUMMARIES = {
    "37 pages on Git and Apache, read in 52 minutes, most of it (61%) on Git.": (
        "37 pages on Git and Apache, most of the reading time (61%) on Git."
    ),
    "1 page on Git, read in 1 minute.": "1 page on Git.",
    "37 pages on Git.": "37 pages on Git.",
    "52분 동안 Git, 아파치에 관한 37개 페이지를 읽었습니다(가장 오래 본 주제: Git, 61%).": (
        "Git, 아파치에 관한 37개 페이지를 읽었습니다(가장 오래 본 주제: Git, 61%)."
    ),
    "A talk about books, read in 5 minutes.": "A talk about books, read in 5 minutes.",
}


def test_purchases_have_no_time_of_expiry_of_their_own(fresh_database: str) -> None:
    migrate(sqlalchemy_url(fresh_database), "0036")
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        user_id = uuid.uuid4()
        connection.execute("INSERT INTO users (id, email) VALUES (%s, 'ann@test.local')", [user_id])
        # As the previous version writes it, also while this one is deployed beside it.
        of_the_previous_version = (
            "INSERT INTO checkouts (id, user_id, price_id, pack_tokens, expires_at) VALUES (%s, %s, 'p', 100, now())"
        )
        connection.execute(of_the_previous_version, [uuid.uuid4(), user_id])
        migrate(sqlalchemy_url(fresh_database), "0037")
        connection.execute(of_the_previous_version, [uuid.uuid4(), user_id])
        connection.execute(INSERT_CHECKOUT, {"id": uuid.uuid4(), "user_id": user_id, "price_id": "p", "pack_tokens": 0})
        rows = connection.execute(
            "SELECT status, count(expires_at), count(*) FROM checkouts GROUP BY status"
        ).fetchall()
        assert rows == [("open", 2, 3)]


_ADD_EVENTS = """
    INSERT INTO events (session_id, event_key, type, occurred_at, payload, content_key)
    SELECT s.id, gen_random_uuid(), 'scroll', now(), repeat('x', 300),
        CASE WHEN n % 100 = 0 THEN md5(s.id::text || n)::uuid END
    FROM browsing_sessions s, generate_series(1, 1000) n
"""


def _blocks_read_to_find_unused_texts(connection: psycopg.Connection[Any], user_id: uuid.UUID) -> int:
    """Blocks that PostgreSQL reads to find which texts of one session, whose events are deleted, are unused."""
    connection.execute("ANALYZE")
    deleted = connection.execute(
        "DELETE FROM events WHERE session_id = (SELECT min(id::text)::uuid FROM browsing_sessions)"
        " RETURNING content_key"
    ).fetchall()
    keys = [key for (key,) in deleted if key is not None]
    row = connection.execute(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + DELETE_UNUSED_CONTENTS, {"user_id": user_id, "keys": keys}
    ).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    assert plan["Actual Rows"] == len(keys) == 10
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_unused_page_texts_are_found_without_reading_all_events(fresh_database: str) -> None:
    migrate(sqlalchemy_url(fresh_database), "0038")
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        user_id = uuid.uuid4()
        connection.execute("INSERT INTO users (id, email) VALUES (%s, 'ann@test.local')", [user_id])
        for _ in range(20):
            connection.execute(
                "INSERT INTO browsing_sessions (id, user_id, title, status, started_at)"
                " VALUES (%s, %s, 't', 'completed', now())",
                [uuid.uuid4(), user_id],
            )
        connection.execute(_ADD_EVENTS)
        connection.execute(
            "INSERT INTO page_contents (user_id, content_key, text)"
            " SELECT %s, content_key, 'text' FROM events WHERE content_key IS NOT NULL",
            [user_id],
        )
        before = _blocks_read_to_find_unused_texts(connection, user_id)
        # A build that was interrupted leaves an index of this name.
        connection.execute("CREATE INDEX ix_events_content_key ON events (type)")
        migrate(sqlalchemy_url(fresh_database), "0039")
        connection.execute(
            "DELETE FROM browsing_sessions WHERE id = (SELECT min(id::text)::uuid FROM browsing_sessions)"
        )
        after = _blocks_read_to_find_unused_texts(connection, user_id)
    assert after < before / 3
