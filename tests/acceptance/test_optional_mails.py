"""Session reports and usage warnings: who receives them, once, by day, and how one turns them off."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.app import JobResources, create_job_app
from cluster.jobs.maintenance import erase_due_accounts
from cluster.jobs.usage_warnings import UsageWarnings
from cluster.mail.queue import MailQueue
from cluster.mail.session_report import SessionReporter
from cluster.maps.generation import MapGenerator
from cluster.providers.planning.user_limits import UserLimits
from cluster.settings import Settings, with_changes
from models.accounts.mail_records import MAX_OPTIONAL_A_DAY, lift_suppression
from models.billing.ledger import TokenAllowance, grant
from models.jobs import MAIL, REPORTS
from tests.support.client import PASSWORD, ApiUser, sign_up, visit
from tests.support.mail_server import MailServer, unused_port
from tests.support.server import running_api
from tests.support.worker import job_worker

NOON, NIGHT = datetime(2026, 11, 28, 3, tzinfo=UTC), datetime(2026, 11, 28, 15, tzinfo=UTC)  # 12:00 and 0:00 in Seoul
PNG = b"\x89PNG\r\n\x1a\n picture"
START_MS = 1_760_000_000_000


async def draw(svg: str, width: int | None) -> bytes:
    assert svg.startswith("<svg")
    return PNG


class World:
    """The product with a mail server, at a time of day that the test chooses."""

    def __init__(self, settings: Settings, pool: AsyncConnectionPool[Any], server: MailServer) -> None:
        self.settings, self.pool, self.server, self.now = settings, pool, server, NOON
        self.queue = MailQueue(settings, clock=lambda: self.now)
        generator: MapGenerator = None  # type: ignore[assignment] # mails do not use it
        reporter = SessionReporter(self.queue, "https://trailmind.test", draw)
        self.resources = JobResources(pool, generator, self.queue, reporter=reporter)

    async def send_due(self) -> list[Any]:
        """Run the due jobs about mails; the mails that arrive by it."""
        before = len(self.server.mails)
        app = create_job_app(self.settings.database.postgres_dsn)
        async with app.open_async():
            await app.run_worker_async(
                queues=[MAIL, REPORTS],
                wait=False,
                install_signal_handlers=False,
                delete_jobs="successful",
                additional_context={"resources": self.resources},
            )
        return [mail for mail in self.server.mails[before:] if "Confirm your address" not in mail["Subject"]]


@pytest.fixture
async def world(settings: Settings, db: psycopg.AsyncConnection[Any]) -> AsyncIterator[World]:
    await db.execute("DELETE FROM procrastinate_jobs WHERE queue_name IN ('mail', 'reports')")
    port, server = unused_port(), MailServer()
    settings = with_changes(settings, smtp_url=f"smtp://127.0.0.1:{port}", public_url="https://trailmind.test")
    async with (
        AsyncConnectionPool[Any](settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}) as pool,
        server.listening(port),
    ):
        yield World(settings, pool, server)


@asynccontextmanager
async def reader(world: World, db: psycopg.AsyncConnection[Any], **options: Any) -> AsyncIterator[ApiUser]:
    """A user with a confirmed address, who reads English and lives in Seoul."""
    # A server that sends mail answers a sign-up by mail.
    async with running_api(with_changes(world.settings, smtp_url=None)) as (_, client):
        client.headers |= {"X-Forwarded-Proto": "https", "Accept-Language": "en"}
        person = await sign_up(client)
    async with running_api(world.settings) as (_, client):
        client.headers |= {"X-Forwarded-Proto": "https", "Accept-Language": "en"}
        person.client = client
        if options.get("is_verified", True):
            await db.execute("UPDATE users SET email_verified_at = now() WHERE id = %s", [person.id])
        await person.ok("PATCH", "/v1/users/me/settings", json={"language": "en", "time_zone": "Asia/Seoul"})
        yield person


async def record(world: World, person: ApiUser) -> str:
    """A session of two pages whose map is made."""
    session_id = await person.start(title="Ray <actors>")
    texts = {
        "Actors keep state": "An actor keeps state. " * 20,
        "Queues slow senders": "A full queue slows senders. " * 20,
    }
    await person.send(
        session_id,
        [
            {**visit(f"https://docs.example.com/{i}", START_MS + i * 60_000, content=text), "title": title}
            for i, (title, text) in enumerate(texts.items())
        ],
    )
    await person.call(
        "POST", f"/v1/sessions/{session_id}/stop", headers={"X-Request-ID": "req-of-the-stop-0001"}
    )  # fmt: skip
    async with job_worker(world.settings) as worker:
        await worker.run()
    assert (await person.ok("GET", f"/v1/sessions/{session_id}"))["session"]["session_status"] == "completed"
    return session_id


async def test_the_report_arrives_once_with_picture_pages_and_link(
    world: World, db: psycopg.AsyncConnection[Any]
) -> None:
    async with reader(world, db) as ann:
        session_id = await record(world, ann)
        [mail] = await world.send_due()
        assert mail["To"] == ann.email
        assert mail["Subject"] == "Your map is ready: Ray <actors>"
        assert mail["X-Request-ID"] == "req-of-the-stop-0001"

        html, text = mail.get_body(("html",)).get_content(), mail.get_body(("plain",)).get_content()
        link = f"https://trailmind.test/sessions/{session_id}"
        assert f'href="{link}"' in html
        assert link in text
        for page in ("Actors keep state", "Queues slow senders"):
            assert page in html
            assert page in text
        assert 'src="cid:map"' in html
        [picture] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
        assert (picture["Content-ID"], picture.get_content()) == ("<map>", PNG)
        # A second version, and a repeat of the job, send nothing.
        await ann.ok("POST", f"/v1/sessions/{session_id}/mindmap/generate", json={"force": True})
        async with job_worker(world.settings) as worker:
            await worker.run()
        reporter = world.resources.reporter
        assert reporter is not None
        await reporter.report(world.pool, uuid.UUID(session_id), int(NOON.timestamp()) + 9)
        assert await world.send_due() == []


async def test_a_mail_client_unsubscribes_by_post_and_required_mails_still_arrive(
    world: World, db: psycopg.AsyncConnection[Any]
) -> None:
    async with reader(world, db) as ann:
        await record(world, ann)
        [mail] = await world.send_due()
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        path = str(mail["List-Unsubscribe"]).strip("<>").removeprefix("https://trailmind.test")

        page = await ann.client.get(path, headers={"Accept-Language": "en"})
        assert page.status_code == 200
        assert '<form method="post">' in page.text
        assert (await ann.ok("GET", "/v1/users/me/settings"))["settings"]["email_notifications"] is True

        answer = await ann.client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert (await ann.ok("GET", "/v1/users/me/settings"))["settings"]["email_notifications"] is False
        assert (await ann.client.post(path[:-2] + "AA")).status_code == 404

        await record(world, ann)
        assert await world.send_due() == []
        await ann.client.post("/v1/auth/forgot-password", json={"email": ann.email})
        [reset] = await world.send_due()
        assert "Reset your Trailmind password" in reset["Subject"]
        assert reset["List-Unsubscribe"] is None

        await ann.ok("PATCH", "/v1/users/me/settings", json={"email_notifications": True})
        await record(world, ann)
        assert len(await world.send_due()) == 1


async def test_an_unconfirmed_address_receives_no_report(world: World, db: psycopg.AsyncConnection[Any]) -> None:
    async with reader(world, db, is_verified=False) as ann:
        await record(world, ann)
        assert await world.send_due() == []


async def test_reports_wait_for_the_morning(world: World, db: psycopg.AsyncConnection[Any]) -> None:
    async with reader(world, db) as ann:
        await record(world, ann)
        world.now = NIGHT
        assert await world.send_due() == []
        query = "SELECT id FROM procrastinate_jobs WHERE queue_name = 'reports' AND args ->> 'user_id' = %s"
        [(job_id,)] = await (await db.execute(query, [ann.id])).fetchall()
        world.now = NIGHT + timedelta(hours=8)
        await db.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE id = %s", [job_id])
        assert len(await world.send_due()) == 1


async def test_an_unavailable_server_delays_the_report(world: World, db: psycopg.AsyncConnection[Any]) -> None:
    async with reader(world, db) as ann:
        await record(world, ann)
        world.server.rejection = "451 come back later"
        assert await world.send_due() == []
        world.server.rejection = None
        await db.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE queue_name = 'reports'")
        assert len(await world.send_due()) == 1


async def test_a_deleted_session_is_not_reported(world: World, db: psycopg.AsyncConnection[Any]) -> None:
    async with reader(world, db) as ann:
        session_id = await record(world, ann)
        assert (await ann.call("DELETE", f"/v1/sessions/{session_id}")).status_code == 204
        assert await world.send_due() == []


async def test_a_session_without_pages_is_not_reported(world: World, db: psycopg.AsyncConnection[Any]) -> None:
    async with reader(world, db) as ann:
        session_id = await ann.start()
        await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
        async with job_worker(world.settings) as worker:
            await worker.run()
        assert (await ann.ok("GET", f"/v1/sessions/{session_id}/mindmap"))["mindmap"]["status"] == "completed"
        assert await world.send_due() == []


async def test_a_bounced_address_receives_nothing_until_an_operator_allows_it(
    world: World, db: psycopg.AsyncConnection[Any]
) -> None:
    async with reader(world, db) as ann:
        await world.send_due()
        world.server.rejection = "550 no such user"
        await ann.client.post("/v1/auth/forgot-password", json={"email": ann.email})
        assert await world.send_due() == []
        world.server.rejection = None
        await ann.client.post("/v1/auth/forgot-password", json={"email": ann.email.upper()})
        await record(world, ann)
        assert await world.send_due() == []
        assert await lift_suppression(db, ann.email)
        await ann.client.post("/v1/auth/forgot-password", json={"email": ann.email})
        assert len(await world.send_due()) == 1


async def test_a_user_receives_a_bounded_number_of_mails(world: World, db: psycopg.AsyncConnection[Any]) -> None:
    async with reader(world, db) as ann:
        for i in range(MAX_OPTIONAL_A_DAY):
            await db.execute(
                "INSERT INTO mail_notices (user_id, kind, subject, is_optional, created_at)"
                " VALUES (%s, 'session_report', %s, true, %s)",
                [ann.id, str(i), NOON - timedelta(hours=1)],
            )
        await record(world, ann)
        assert await world.send_due() == []
        world.now = NOON + timedelta(days=1)
        await record(world, ann)
        assert len(await world.send_due()) == 1
        # Another person who asks for password resets does not fill the mailbox.
        for _ in range(15):
            await ann.client.post("/v1/auth/forgot-password", json={"email": ann.email})
        assert len(await world.send_due()) == 10


async def test_usage_is_warned_about_once_per_threshold_and_period(
    world: World, db: psycopg.AsyncConnection[Any]
) -> None:
    periods = [(NOON - timedelta(days=1), NOON + timedelta(days=29))]

    async def limits(user_id: uuid.UUID) -> UserLimits:
        return UserLimits(TokenAllowance(*periods[-1], 1000))

    async def use(tokens: int, at: datetime) -> None:
        await db.execute(
            "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, counted_at, created_at)"
            " VALUES (gen_random_uuid(), %s, gen_random_uuid(), 'settle', 'mindmap', %s, %s, %s)",
            [ann.id, tokens, at, at],
        )

    async with reader(world, db) as ann:
        warnings = UsageWarnings(world.queue, limits, "https://trailmind.test")
        # Bought tokens are no reason to be silent about the plan's.
        await grant(db, uuid.UUID(ann.id), uuid.uuid4(), 5_000)
        subjects = []
        for tokens in (700, 100, 50, 150, 50):
            await use(tokens, NOON)
            await warnings.check(world.pool, uuid.UUID(ann.id))
            subjects.append([mail["Subject"].partition(" – ")[0] for mail in await world.send_due()])
        eighty, hundred = "You have used 80% of your AI tokens", "You have used all AI tokens of this period"
        assert subjects == [[], [eighty], [], [hundred], []]
        periods.append((NOON + timedelta(days=29), NOON + timedelta(days=59)))
        world.now = NOON + timedelta(days=30)
        await use(1000, world.now)
        await warnings.check(world.pool, uuid.UUID(ann.id))
        assert len(await world.send_due()) == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_erased_account_gets_a_receipt_and_leaves_no_job(
    world: World, db: psycopg.AsyncConnection[Any], at_once: bool
) -> None:
    async with reader(world, db) as ann:
        await record(world, ann)
        await world.send_due()
        body = {"password": PASSWORD, "now": at_once}
        await ann.ok("POST", "/v1/users/me/deletion", json=body)
        if not at_once:
            assert [mail["Subject"] for mail in await world.send_due()] == ["Your Trailmind account is closed"]
            await db.execute("UPDATE users SET deleted_at = deleted_at - interval '8 days' WHERE id = %s", [ann.id])
            await erase_due_accounts(world.pool, 7 * 86_400, world.queue)
        cursor = await db.execute("SELECT count(*) FROM procrastinate_jobs WHERE args::text LIKE %s", [f"%{ann.id}%"])
        assert await cursor.fetchone() == (0,)
        [receipt] = await world.send_due()
        assert (receipt["To"], receipt["Subject"]) == (ann.email, "Your Trailmind data is erased")
        assert "Sessions: 1" in receipt.get_body(("plain",)).get_content()
