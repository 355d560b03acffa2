"""Mails are durable work: ordered with what causes them, tried until they are taken, secret while they wait."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from aiosmtpd.smtp import SMTP
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.app import JobResources, create_job_app
from cluster.mail.queue import MailQueue, delete_failed_mails
from cluster.maps.generation import MapGenerator
from cluster.settings import Settings, with_changes
from models.errors import Conflict
from models.jobs import MAIL, SEND_MAIL
from tests.support.client import ApiUser, sign_up
from tests.support.sent_mails import token_in
from tests.support.server import running_api

pytestmark = pytest.mark.usefixtures("empty_queue")
JOB = "SELECT id, status::text, attempts, args::text FROM procrastinate_jobs WHERE args ->> 'user_id' = %s ORDER BY id"


class _Server:
    """A real mail server that keeps what it gets; `refuses` is its answer to every recipient."""

    def __init__(self, refuses: str | None = None) -> None:
        self.mails: list[Any] = []
        self.refuses = refuses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        async with await asyncio.get_running_loop().create_server(lambda: SMTP(self), "127.0.0.1", port):
            yield


@pytest.fixture
async def empty_queue(db: psycopg.AsyncConnection[Any]) -> None:
    """Other tests sign people up and never read their mail."""
    await db.execute("DELETE FROM procrastinate_jobs WHERE task_name = %s", [SEND_MAIL])


@pytest.fixture
def port() -> int:
    """A port nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    return with_changes(settings, smtp_url=f"smtp://127.0.0.1:{port}")


async def work(settings: Settings) -> None:
    """What a worker does with the mails that are due."""
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}
    ) as pool:
        app = create_job_app(settings.database.postgres_dsn)
        generator: MapGenerator = None  # type: ignore[assignment] # mails need no maps
        resources = JobResources(pool, generator, MailQueue(settings))
        async with app.open_async():
            await app.run_worker_async(
                queues=[MAIL],
                wait=False,
                install_signal_handlers=False,
                delete_jobs="successful",
                additional_context={"resources": resources},
            )


async def ordered(db: psycopg.AsyncConnection[Any], person: ApiUser) -> list[tuple[Any, ...]]:
    return await (await db.execute(JOB, [person.id])).fetchall()


async def test_a_mail_server_that_is_away_delays_a_mail_and_loses_none(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = _Server()
    async with running_api(settings) as (_, client):
        person = await sign_up(client)
        await work(settings)
        [(job_id, status, attempts, _)] = await ordered(db, person)
        assert (status, attempts) == ("todo", 1)
        await db.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE id = %s", [job_id])
        async with server.listening(port):
            await work(settings)
        [mail] = server.mails
        assert mail["To"] == person.email
        assert mail.get_body(("html",)) is not None
        answer = await client.post("/v1/auth/verify-email", json={"token": token_in(mail)})
        assert answer.status_code == 200
    assert await ordered(db, person) == []
    assert not (settings.data_dir / "outbox").exists()


async def test_what_waits_tells_neither_the_link_nor_the_address(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = _Server()
    async with running_api(settings) as (_, client):
        person = await sign_up(client)
        [(_, _, _, args)] = await ordered(db, person)
        async with server.listening(port):
            # A key that has been replaced still opens what it sealed.
            key = settings.auth.signing_key
            await work(with_changes(settings, secret_key="a newer key " * 4, previous_secret_keys=key))
    assert person.email not in args
    assert token_in(server.mails[0]) not in args


@pytest.mark.parametrize(("answer", "status"), [("550 no such user", "failed"), ("451 come back later", "todo")])
async def test_a_refusal_for_good_is_a_dead_job_and_one_for_now_is_not(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any], answer: str, status: str
) -> None:
    async with running_api(settings) as (_, client):
        person = await sign_up(client)
        async with _Server(refuses=answer).listening(port):
            await work(settings)
    assert [job[1] for job in await ordered(db, person)] == [status]


async def test_a_mail_speaks_the_language_of_the_browser_until_one_is_chosen(
    settings: Settings, port: int, db: psycopg.AsyncConnection[Any]
) -> None:
    server = _Server()
    english = {"Accept-Language": "fr-FR;q=0.9, en-GB, ko;q=0.5"}
    async with running_api(settings) as (_, client):
        client.headers.update(english)
        person = await sign_up(client)
        await person.ok("PATCH", "/v1/users/me/settings", json={"language": "ko"})
        await person.ok("POST", "/v1/auth/send-verification")
        async with server.listening(port):
            await work(settings)
    assert sorted(m["Subject"] for m in server.mails) == ["Confirm your address for Trailmind", "Trailmind 이메일 확인"]


async def test_a_mail_that_was_refused_is_forgotten_after_a_month(
    settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    async with running_api(settings) as (_, client):
        person = await sign_up(client)
    await db.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE args ->> 'user_id' = %s", [person.id])
    assert await delete_failed_mails(db) == 0
    await db.execute(
        "UPDATE procrastinate_events SET at = now() - interval '31 days' WHERE job_id IN"
        " (SELECT id FROM procrastinate_jobs WHERE args ->> 'user_id' = %s)",
        [person.id],
    )
    assert await delete_failed_mails(db) == 1


async def test_a_link_that_is_over_is_not_sent(settings: Settings, port: int, db: psycopg.AsyncConnection[Any]) -> None:
    server = _Server()
    async with running_api(settings) as (_, client):
        person = await sign_up(client)
        await db.execute(
            "UPDATE procrastinate_jobs SET args = jsonb_set(args, '{useful_until}', '1') WHERE args ->> 'user_id' = %s",
            [person.id],
        )
        async with server.listening(port):
            await work(settings)
        assert server.mails == []
        assert [job[1] for job in await ordered(db, person)] == ["failed"]
        # Erasing the account leaves no mail to it behind.
        assert (await person.call("DELETE", "/v1/auth/me?hard=true")).status_code == 204
    assert await ordered(db, person) == []


async def test_no_token_without_its_mail(
    settings: Settings, db: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails after the order, the order is taken back with the rest."""

    async def fail(*_: Any, **__: Any) -> None:
        raise Conflict("after the order")

    async with running_api(settings) as (_, client):
        monkeypatch.setattr("serve.routes.auth.log_in", fail)
        answer = await client.post("/v1/auth/signup", json={"email": "lost@test.local", "password": "a good password"})
        assert answer.status_code == 409
    cursor = await db.execute("SELECT count(*) FROM users WHERE email = 'lost@test.local'")
    assert await cursor.fetchone() == (0,)
    cursor = await db.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s", [SEND_MAIL])
    assert await cursor.fetchone() == (0,)
