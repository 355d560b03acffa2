"""Secrets, logins and links that have ended are deleted; live ones and those of held accounts stay."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from cluster.mail.queue import delete_failed_mails
from cluster.settings import Settings
from models.accounts.expired_rows import delete_expired_rows
from models.accounts.legal_holds import end_hold, place_hold
from models.ai_calls import purge_call_texts
from tests.support.client import ApiUser, sign_in, sign_up
from tests.support.server import running_api

TABLES = ("one_time_tokens", "login_families", "share_links", "api_keys")


async def rows_of(db: psycopg.AsyncConnection[Any], user: ApiUser) -> dict[str, int]:
    counts = {}
    for table in TABLES:
        row = await (await db.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", [user.id])).fetchone()
        assert row is not None
        counts[table] = row[0]
    return counts


async def with_one_of_each(db: psycopg.AsyncConnection[Any], user: ApiUser) -> None:
    """A verification link (from the sign-up), two logins, a share link and an API key."""
    await sign_in(user.client, user.email)
    session = await user.start()
    await user.ok("POST", f"/v1/sessions/{session}/shares")
    await db.execute(
        "INSERT INTO api_keys (id, user_id, name, digest, hint, scopes, created_at)"
        " VALUES (gen_random_uuid(), %s, 'key', '', 'abcd', '{}', now())",
        [user.id],
    )


async def end_all(db: psycopg.AsyncConnection[Any], user: ApiUser) -> None:
    """Let everything of the user have ended 31 days ago, each in one of the two ways."""
    for statement in (
        "UPDATE one_time_tokens SET used_at = now() - interval '31 days' WHERE user_id = %s",
        "UPDATE login_families SET expires_at = now() - interval '31 days' WHERE user_id = %s",
        "UPDATE share_links SET revoked_at = now() - interval '31 days' WHERE user_id = %s",
        "UPDATE api_keys SET revoked_at = now() - interval '31 days' WHERE user_id = %s",
    ):
        await db.execute(statement, [user.id])


async def test_what_has_ended_is_deleted(settings: Settings, db: psycopg.AsyncConnection[Any]) -> None:
    async with running_api(settings) as (_, client):
        ann, bob, held = [await sign_up(client) for _ in range(3)]
        for user in (ann, bob, held):
            await with_one_of_each(db, user)
        before = await rows_of(db, bob)
        assert before == {"one_time_tokens": 1, "login_families": 2, "share_links": 1, "api_keys": 1}
        for user in (ann, held):
            await end_all(db, user)
        await place_hold(db, uuid.UUID(held.id), "court order 7")
        deleted = await delete_expired_rows(db)
        assert all(deleted[table] >= before[table] for table in TABLES)
        assert await rows_of(db, ann) == dict.fromkeys(TABLES, 0)
        assert await rows_of(db, bob) == await rows_of(db, held) == before
        assert (await bob.call("GET", "/v1/users/me")).status_code == 200


async def with_texts(db: psycopg.AsyncConnection[Any], user: ApiUser) -> None:
    """A text sent to a model 31 days ago, a record of a mail of two years ago, and a mail that failed long ago."""
    session = await user.start()
    values = {"id": uuid.uuid4(), "user": user.id, "session": session}
    for statement in (
        "INSERT INTO ai_calls (id, user_id, session_id, task_type, provider, model, text_digest)"
        " VALUES (%(id)s, %(user)s, %(session)s, 'describe', 'openai', 'm', '')",
        "INSERT INTO ai_call_texts (call_id, session_id, instructions, sent, created_at)"
        " VALUES (%(id)s, %(session)s, '', 'page text', now() - interval '31 days')",
        "INSERT INTO mail_notices (user_id, kind, subject, is_optional, created_at)"
        " VALUES (%(user)s, 'usage_80', 'old', true, now() - interval '2 years')",
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
        " VALUES ('mail', 'mails.send', jsonb_build_object('user_id', %(user)s::text), 'failed')",
    ):
        await db.execute(statement, values)


async def texts_of(db: psycopg.AsyncConnection[Any], user: ApiUser) -> tuple[int, int, int]:
    """How many sent texts, old mail records and failed mails there are of the user."""
    row = await (
        await db.execute(
            "SELECT (SELECT count(*) FROM ai_call_texts t JOIN ai_calls c ON c.id = t.call_id WHERE c.user_id = %(u)s),"
            " (SELECT count(*) FROM mail_notices WHERE user_id = %(u)s AND subject = 'old'),"
            " (SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'user_id' = %(u)s::text AND status = 'failed')",
            {"u": user.id},
        )
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


async def test_every_daily_deletion_leaves_held_accounts_alone(
    settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    async with running_api(settings) as (_, client):
        ann, held = [await sign_up(client) for _ in range(2)]
        for user in (ann, held):
            await with_texts(db, user)
            await db.execute(
                "UPDATE procrastinate_events SET at = now() - interval '1 year' WHERE job_id IN"
                " (SELECT id FROM procrastinate_jobs WHERE args ->> 'user_id' = %s)",
                [user.id],
            )
        await place_hold(db, uuid.UUID(held.id), "court order 7")
        await purge_call_texts(db, 30)
        await delete_expired_rows(db)
        await delete_failed_mails(db)
        assert (await texts_of(db, ann), await texts_of(db, held)) == ((0, 0, 0), (1, 1, 1))
        # After the hold the same jobs delete it.
        await end_hold(db, uuid.UUID(held.id))
        await purge_call_texts(db, 30)
        await delete_expired_rows(db)
        await delete_failed_mails(db)
        assert await texts_of(db, held) == (0, 0, 0)
