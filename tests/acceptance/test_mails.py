"""Mails are durable jobs: enqueued with their cause, retried until the server accepts them, encrypted in the queue."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.app import JobResources, create_job_app
from cluster.mail.queue import MailQueue, delete_failed_mails
from cluster.mail.sender import Mailer
from cluster.maps.generation import MapGenerator
from cluster.settings import Settings, with_changes
from models.errors import Conflict
from models.jobs import MAIL, SEND_MAIL
from tests.support.client import ApiUser, sign_up
from tests.support.mail_server import MailServer, unused_port
from tests.support.sent_mails import mails_to, token_in
from tests.support.server import running_api

pytestmark = pytest.mark.usefixtures("empty_queue")
JOB = "SELECT id, status::text, attempts, args::text FROM procrastinate_jobs WHERE args ->> 'user_id' = %s ORDER BY id"


@pytest.fixture
async def empty_queue(db: psycopg.AsyncConnection[Any]) -> None:
    """Removes the mails of users that other tests have created."""
    await db.execute("DELETE FROM procrastinate_jobs WHERE task_name = %s", [SEND_MAIL])


@pytest.fixture
def port() -> int:
    return unused_port()


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    return with_changes(settings, smtp_url=f"smtp://127.0.0.1:{port}")


async def send_due_mails(settings: Settings) -> None:
    """Send the mails that are due, as a worker does."""
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}
    ) as pool:
        app = create_job_app(settings.database.postgres_dsn)
        generator: MapGenerator = None  # type: ignore[assignment] # mails do not use it
        resources = JobResources(pool, generator, MailQueue(settings))
        async with app.open_async():
            await app.run_worker_async(
                queues=[MAIL],
                wait=False,
                install_signal_handlers=False,
                delete_jobs="successful",
                additional_context={"resources": resources},
            )


def api_with_direct_sign_up(settings: Settings) -> AbstractAsyncContextManager[tuple[FastAPI, httpx2.AsyncClient]]:
    """The API without the mail server, which only the worker connects to; sign-up then needs no mail."""
    return running_api(with_changes(settings, smtp_url=None))


async def jobs_of(db: psycopg.AsyncConnection[Any], person: ApiUser) -> list[tuple[Any, ...]]:
    return await (await db.execute(JOB, [person.id])).fetchall()


async def test_an_unavailable_mail_server_delays_a_mail_and_loses_none(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = MailServer()
    async with api_with_direct_sign_up(settings) as (_, client):
        person = await sign_up(client)
        await send_due_mails(settings)
        [(job_id, status, attempts, _)] = await jobs_of(db, person)
        assert (status, attempts) == ("todo", 1)
        await db.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE id = %s", [job_id])
        async with server.listening(port):
            await send_due_mails(settings)
        [mail] = server.mails
        assert mail["To"] == person.email
        assert mail.get_body(("html",)) is not None
        await person.ok("POST", "/v1/auth/verify-email", json={"token": token_in(mail)})
    assert await jobs_of(db, person) == []
    assert not (settings.data_dir / "outbox").exists()


async def test_a_mail_that_is_sent_twice_keeps_its_message_id(
    settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    async with api_with_direct_sign_up(settings) as (app, client):
        person = await sign_up(client)
        [(_, _, _, args)] = await jobs_of(db, person)
        job = json.loads(args)
        # The worker dies after the first sending, before it notes the end of the job.
        for _ in range(2):
            await app.state.parts.mail_queue.send(job["sealed"], job["useful_until"])
    first, second = mails_to(settings.data_dir, person.email)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"]


async def test_a_queued_mail_reveals_neither_its_link_nor_its_address(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = MailServer()
    async with api_with_direct_sign_up(settings) as (_, client):
        person = await sign_up(client)
        [(_, _, _, args)] = await jobs_of(db, person)
        async with server.listening(port):
            # A key that was replaced still decrypts what it has encrypted.
            key = settings.auth.signing_key
            await send_due_mails(with_changes(settings, secret_key="a newer key " * 4, previous_secret_keys=key))
    assert person.email not in args
    assert token_in(server.mails[0]) not in args


@pytest.mark.parametrize(("answer", "status"), [("550 no such user", "failed"), ("451 come back later", "todo")])
async def test_a_permanent_rejection_ends_in_a_dead_job_and_a_temporary_one_is_retried(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any], answer: str, status: str
) -> None:
    async with api_with_direct_sign_up(settings) as (_, client):
        person = await sign_up(client)
        async with MailServer(rejection=answer).listening(port):
            await send_due_mails(settings)
    assert [job[1] for job in await jobs_of(db, person)] == [status]


async def test_a_mail_is_in_the_browsers_language_until_the_user_chooses_one(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = MailServer()
    english = {"Accept-Language": "fr-FR;q=0.9, en-GB, ko;q=0.5"}
    async with api_with_direct_sign_up(settings) as (_, client):
        client.headers.update(english)
        person = await sign_up(client)
        await person.ok("PATCH", "/v1/users/me/settings", json={"language": "ko"})
        await person.ok("POST", "/v1/auth/send-verification")
        async with server.listening(port):
            await send_due_mails(settings)
    assert sorted(m["Subject"] for m in server.mails) == ["Confirm your address for Trailmind", "Trailmind 이메일 확인"]


async def test_a_dead_mail_job_is_deleted_after_a_month(settings: Settings, db: psycopg.AsyncConnection[Any]) -> None:
    async with api_with_direct_sign_up(settings) as (_, client):
        person = await sign_up(client)
    await db.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE args ->> 'user_id' = %s", [person.id])
    assert await delete_failed_mails(db) == 0
    await db.execute(
        "UPDATE procrastinate_events SET at = now() - interval '31 days' WHERE job_id IN"
        " (SELECT id FROM procrastinate_jobs WHERE args ->> 'user_id' = %s)",
        [person.id],
    )
    assert await delete_failed_mails(db) == 1


async def test_a_mail_with_an_expired_link_is_not_sent(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = MailServer()
    async with api_with_direct_sign_up(settings) as (_, client):
        person = await sign_up(client)
        await db.execute(
            "UPDATE procrastinate_jobs SET args = jsonb_set(args, '{useful_until}', '1') WHERE args ->> 'user_id' = %s",
            [person.id],
        )
        async with server.listening(port):
            await send_due_mails(settings)
        assert server.mails == []
        assert [job[1] for job in await jobs_of(db, person)] == ["failed"]
        # Erasing the account deletes its queued mails.
        assert (await person.call("DELETE", "/v1/auth/me?hard=true")).status_code == 204
    assert await jobs_of(db, person) == []


async def test_a_token_is_stored_only_together_with_its_mail(
    settings: Settings, db: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error after the mail was enqueued rolls both back."""

    async def fail(*_: Any, **__: Any) -> None:
        raise Conflict("after the mail was enqueued")

    async with api_with_direct_sign_up(settings) as (_, client):
        monkeypatch.setattr("serve.routes.auth.log_in", fail)
        answer = await client.post("/v1/auth/signup", json={"email": "lost@test.local", "password": "a good password"})
        assert answer.status_code == 409
    cursor = await db.execute("SELECT count(*) FROM users WHERE email = 'lost@test.local'")
    assert await cursor.fetchone() == (0,)
    cursor = await db.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s", [SEND_MAIL])
    assert await cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("url", "use_tls", "start_tls"),
    [
        ("smtp://mail.example:587", False, True),
        ("smtp://192.0.2.7", False, True),
        ("smtps://mail.example", True, False),
        ("smtp://localhost:1025", False, False),
        ("smtp://127.0.0.1:1025", False, False),
    ],
)
async def test_mails_leave_this_machine_encrypted_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str, use_tls: bool, start_tls: bool
) -> None:
    """With `start_tls=True` aiosmtplib fails before the login when the server does not offer STARTTLS."""
    calls: list[dict[str, Any]] = []

    async def send(message: EmailMessage, **options: Any) -> None:
        calls.append(options)

    monkeypatch.setattr("aiosmtplib.send", send)
    mailer = Mailer(with_changes(settings, smtp_url=url))
    await mailer.send(EmailMessage(), "verify")
    assert [(call["use_tls"], call["start_tls"]) for call in calls] == [(use_tls, start_tls)]
