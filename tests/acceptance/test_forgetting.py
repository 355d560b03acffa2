"""What a user wants forgotten is nowhere: planted markers are looked for in the database, Valkey, files and logs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.jobs.maintenance import purge_session
from cluster.mail.data_kind_names import DATA_KIND_NAMES
from cluster.mail.messages import Language, erasure_receipt_mail
from cluster.maps.loader import MapRequest, load_map_input
from cluster.maps.version_writer import save_version
from cluster.settings import Settings
from models.accounts.data_kinds import DATA_KINDS, KIND_OF_TABLE, counts_by_kind
from models.accounts.erasure import owned_tables
from models.accounts.erasure_receipts import add_receipt
from models.accounts.legal_holds import end_hold, place_hold
from models.urls import page_id
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import running_api
from tests.support.worker import job_worker

START_MS = 1_760_000_000_000
TEXT = "Sourdough rises with wild yeast and lactic bacteria. A baker feeds the starter with flour and water. " * 8


class Marked:
    """A session with a page that bears a marker in every place a page can leave one."""

    def __init__(self, person: ApiUser) -> None:
        self.person = person
        self.marker = f"zq{uuid.uuid4().hex[:12]}"
        self.url = f"https://clinic.example/{self.marker}"
        self.id = ""

    async def record(self) -> None:
        """Record, stop, mark as read by a model, share, and search."""
        m, t = self.marker, START_MS
        self.id = await self.person.start()
        pages = [
            {
                **visit(f"https://bread.example/{i}", t + i * 60_000, content=TEXT + str(i)),
                "title": f"Sourdough bread {i}",
            }
            for i in range(3)
        ]
        secret = {**visit(self.url, t + 300_000, content=f"Appointment {m}. " * 30), "title": f"Appointment {m}"}
        marked = {"type": "highlight", "timestamp": t + 310_000, "url": self.url, "text": f"at nine {m}"}
        after = {
            **visit("https://bread.example/9", t + 360_000, content=TEXT + "9"),
            "title": "Rye bread",
            "metadata": {"referrer": self.url},
        }
        await self.person.send(self.id, [*pages, secret, marked, after])
        await self.person.ok("POST", f"/v1/sessions/{self.id}/stop")


@pytest.fixture
async def marked(settings: Settings, db: psycopg.AsyncConnection[Any]) -> AsyncIterator[Marked]:
    async with running_api(settings) as (_, client):
        session = Marked(await sign_up(client))
        await session.record()
        async with job_worker(settings) as worker:
            await worker.run()
        m, person = session.marker, session.person
        await db.execute(
            "INSERT INTO ai_calls (id, user_id, session_id, task_type, provider, model, text_digest)"
            " VALUES (%(id)s, %(user)s, %(session)s, 'describe', 'openai', 'm', '')",
            values := {"id": uuid.uuid4(), "user": person.id, "session": session.id, "text": f"sent {m}"},
        )
        await db.execute(
            "INSERT INTO ai_call_texts (call_id, session_id, instructions, sent, created_at)"
            " VALUES (%(id)s, %(session)s, '', %(text)s, now())",
            values,
        )
        await db.execute(
            "INSERT INTO ai_checkpoints (user_id, digest, prompt_version, model, session_id, answer, created_at)"
            " VALUES (%(user)s, %(text)s, 1, 'm', %(session)s, jsonb_build_object('text', %(text)s::text), now())",
            values,
        )
        await person.ok("POST", f"/v1/sessions/{session.id}/shares", json={"shows": "highlights"})
        assert (await person.ok("GET", "/v1/search", params={"q": m}))["results"] != []
        yield session


async def dump_of(db: psycopg.AsyncConnection[Any]) -> str:
    """Every row of every table as text: what a dump of the database contains."""
    cursor = await db.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    parts = []
    for (table,) in await cursor.fetchall():
        rows = await db.execute(f'SELECT t::text FROM "{table}" t')
        parts += [row[0] for row in await rows.fetchall()]
    return "\n".join(parts)


async def places_with(marker: str, settings: Settings, db: psycopg.AsyncConnection[Any], log: str) -> set[str]:
    """Where the marker is: in the database, in Valkey, in files of the data directory, in the logs."""
    valkey = Redis.from_url(settings.valkey.connection_url)
    stored = b""
    async for key in valkey.scan_iter():
        stored += key + (await valkey.dump(key) or b"")
    await valkey.aclose()
    files = b"".join(path.read_bytes() for path in Path(settings.data_dir).rglob("*") if path.is_file())
    texts = {
        "database": (await dump_of(db)).encode(),
        "valkey": stored,
        "files": files,
        "logs": log.encode(),
    }
    return {name for name, text in texts.items() if marker.encode() in text}


@pytest.mark.parametrize("scope", ["page", "site", "time"])
async def test_a_forgotten_marker_is_nowhere(
    marked: Marked, scope: str, settings: Settings, db: psycopg.AsyncConnection[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    before = await places_with(marked.marker, settings, db, capfd.readouterr().out)
    assert before == {"database"}, "the marker was never in Valkey, a file or a log"
    timeline = await marked.person.ok("GET", f"/v1/sessions/{marked.id}/timeline")
    [visited_at] = [v["visited_at"] for v in timeline["visits"] if v["url"] == marked.url]
    moment = datetime.fromisoformat(visited_at)
    body = {
        "page": {"page_id": page_id(marked.url), "session_id": marked.id},
        "site": {"domain": "clinic.example"},
        "time": {"since": moment.isoformat(), "until": (moment + timedelta(seconds=20)).isoformat()},
    }[scope]
    reply = await marked.person.ok("POST", "/v1/forget", json=body)
    receipt = reply["receipt"]
    assert await places_with(marked.marker, settings, db, capfd.readouterr().out) == set()
    assert receipt["session_ids"] == [marked.id]
    expected = {
        "events": 2,
        "events_rewritten": 1,
        "page_texts": 1,
        "highlights": 1,
        "visits": 1,
        "map_versions": 1,
        "search_entries": 5,
        "share_links": 1,
        "model_texts": 1,
        "model_answers": 1,
    }
    assert expected.items() <= receipt["counts"].items()
    assert (await marked.person.ok("GET", f"/v1/receipts/{receipt['id']}"))["receipt"] == receipt
    assert marked.marker not in str(receipt)
    assert (await marked.person.ok("GET", "/v1/search", params={"q": marked.marker}))["results"] == []

    async with job_worker(settings) as worker:
        await worker.run()
    session = (await marked.person.ok("GET", f"/v1/sessions/{marked.id}"))["session"]
    assert (session["session_status"], session["page_count"], session["highlight_count"]) == ("completed", 4, 0)
    assert "bread" in str(await marked.person.ok("GET", f"/v1/sessions/{marked.id}/mindmap"))
    assert await places_with(marked.marker, settings, db, capfd.readouterr().out) == set()


async def test_a_worker_that_has_read_the_page_before_does_not_save_it(
    marked: Marked, settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}
    ) as pool:
        request = MapRequest(uuid.UUID(marked.id), True)
        source = await load_map_input(pool, request.session_id, "")
        assert source is not None
        await marked.person.ok("POST", "/v1/forget", json={"domain": "clinic.example"})
        assert await save_version(pool, request, source, None) is None
    assert marked.marker not in await dump_of(db)


async def test_a_session_of_which_nothing_is_left_is_deleted(
    marked: Marked, settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    for domain in ("bread.example", "clinic.example"):
        await marked.person.ok("POST", "/v1/forget", json={"domain": domain})
    assert (await marked.person.call("GET", f"/v1/sessions/{marked.id}")).status_code == 404
    async with job_worker(settings) as worker:
        await worker.run()
    receipts = (await marked.person.ok("GET", "/v1/receipts"))["receipts"]
    assert [receipt["scope"] for receipt in receipts] == ["session", "site", "site"]
    cursor = await db.execute("SELECT count(*) FROM browsing_sessions WHERE user_id = %s", [marked.person.id])
    assert await cursor.fetchone() == (0,)


async def test_an_open_recording_must_be_stopped_first(marked: Marked) -> None:
    running = await marked.person.start()
    answer = await marked.person.call("POST", "/v1/forget", json={"domain": "clinic.example", "session_id": running})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "RECORDING_IS_OPEN")
    reply = await marked.person.ok("POST", "/v1/forget", json={"domain": "clinic.example"})
    assert reply["open_recordings"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"domain": "not a domain"},
        {"page_id": "p", "domain": "a.test"},
        {"since": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-01T00:00:00", "until": "2026-01-01T01:00:00"},
        {"since": "2026-01-01T01:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
    ],
)
async def test_an_unclear_request_forgets_nothing(marked: Marked, body: dict[str, Any]) -> None:
    assert (await marked.person.call("POST", "/v1/forget", json=body)).status_code == 400


async def test_another_users_recording_stays(marked: Marked, db: psycopg.AsyncConnection[Any]) -> None:
    bob = await sign_up(marked.person.client)
    reply = await bob.ok("POST", "/v1/forget", json={"domain": "clinic.example"})
    assert (reply["receipt"]["session_ids"], reply["receipt"]["counts"]) == ([], {})
    answer = await bob.call("POST", "/v1/forget", json={"domain": "clinic.example", "session_id": marked.id})
    assert answer.status_code == 404
    assert marked.marker in await dump_of(db)


async def test_a_deleted_session_gets_a_receipt_of_every_kind_of_row(
    marked: Marked, settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    answer = await marked.person.call("DELETE", f"/v1/sessions/{marked.id}")
    path = f"/v1/receipts/{answer.headers['X-Trailmind-Receipt']}"
    pending = (await marked.person.ok("GET", path))["receipt"]
    assert "erased_at" not in pending
    async with AsyncConnectionPool[Any](
        settings.database.postgres_dsn, min_size=1, kwargs={"autocommit": True}
    ) as pool:
        await purge_session(pool, uuid.UUID(marked.id))
    receipt = (await marked.person.ok("GET", path))["receipt"]
    assert receipt["erased_at"]
    for kind in ("events", "page_texts", "visits", "highlights", "map_versions", "share_links", "search_entries"):
        assert receipt["counts"][kind] > 0, kind
    assert marked.marker not in await dump_of(db)


async def test_the_data_of_a_held_account_stays(marked: Marked, db: psycopg.AsyncConnection[Any]) -> None:
    user_id, person = uuid.UUID(marked.person.id), marked.person
    joint_map = (await person.ok("POST", "/v1/maps", json={"session_ids": [marked.id]}))["map"]["id"]
    assert await place_hold(db, user_id, "court order 7")
    for method, path, body in (
        ("POST", "/v1/forget", {"domain": "clinic.example"}),
        ("DELETE", f"/v1/sessions/{marked.id}", None),
        ("DELETE", f"/v1/maps/{joint_map}", None),
        ("DELETE", "/v1/auth/me?hard=true", None),
    ):
        answer = await person.call(method, path, **({"json": body} if body else {}))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ACCOUNT_HELD"), path
    assert marked.marker in await dump_of(db)
    assert await end_hold(db, user_id)
    assert (await person.call("DELETE", "/v1/auth/me?hard=true")).status_code == 204
    assert marked.marker not in await dump_of(db)


#: What deletions count beside the tables that belong to an account or a session.
COUNTED_BESIDE_TABLES = {"events_rewritten", "map_versions_rewritten", "ai_cached_responses", "jobs", "users"}


async def test_every_table_that_an_erasure_can_touch_has_words(db: psycopg.AsyncConnection[Any]) -> None:
    """A new table fails here until it has a kind, and a new kind until both languages name it."""
    tables = {*await owned_tables(db), *await owned_tables(db, "browsing_sessions")}
    assert len(tables) > 30
    assert {table for table in tables | COUNTED_BESIDE_TABLES if table not in KIND_OF_TABLE} == set()
    assert set(KIND_OF_TABLE) == tables | COUNTED_BESIDE_TABLES
    assert set(KIND_OF_TABLE.values()) == set(DATA_KINDS) - {"other"}
    languages: tuple[Language, ...] = ("en", "ko")
    for language in languages:
        names = [DATA_KIND_NAMES[kind][language] for kind in DATA_KINDS]
        assert len(set(names)) == len(names)
        mail = erasure_receipt_mail(
            language, "r1", counts_by_kind(dict.fromkeys([*KIND_OF_TABLE, "table_of_later"], 1))
        )
        for name in names:
            assert name in mail.text
            assert name in mail.html
        assert [table for table in KIND_OF_TABLE if "_" in table and (table in mail.text or table in mail.html)] == []


async def test_what_a_deletion_counts_has_words_even_in_receipts_of_former_versions(
    marked: Marked, db: psycopg.AsyncConnection[Any]
) -> None:
    await add_receipt(
        db, uuid.UUID(marked.person.id), "session", [], {"events": 2, "page_contents": 3, "gone_table": 4}
    )
    receipt = (await marked.person.ok("GET", "/v1/receipts"))["receipts"][0]
    assert (receipt["counts"], receipt["total"]) == ({"events": 2, "page_texts": 3, "other": 4}, 9)
