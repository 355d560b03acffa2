"""Two applications on one database, as during an upgrade: nothing is lost, duplicated or made twice."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from redis.asyncio import Redis

from actors.quota_state import rate_and_burst
from cluster.jobs.app import JobResources, create_job_app
from cluster.jobs.maintenance import STALLED_AFTER_S
from cluster.jobs.worker import HEARTBEAT_S
from cluster.maps.generation import MapGenerator
from cluster.providers.calling.call_context import CallContextConfig
from cluster.providers.configuration import provider_endpoints
from cluster.providers.enricher import build_enricher
from cluster.settings import Settings, with_changes
from models.jobs import MAINTENANCE, MAPS
from tests.support.client import ApiUser, sign_up, visit
from tests.support.inline_map_tasks import InlineMapTasks
from tests.support.model_server import model_server
from tests.support.provider_tasks import InlineProviderTasks
from tests.support.server import running_api

Db = psycopg.AsyncConnection[Any]
NUM_PEOPLE, NUM_BATCHES = 6, 12
TEXT = "Bread. " * 40


async def work(settings: Settings, pool: AsyncConnectionPool[Any]) -> None:
    """Run one application's worker until no job is due. It uses models when its settings have a key."""
    enricher = build_enricher(
        settings,
        pool,
        InlineProviderTasks(CallContextConfig(settings.database.postgres_dsn, provider_endpoints(settings))),
    )
    valkey = Redis.from_url(settings.valkey.connection_url)
    resources = JobResources(pool, MapGenerator(pool, valkey, InlineMapTasks(), enricher))
    app = create_job_app(settings.database.postgres_dsn)
    async with app.open_async():
        await app.run_worker_async(
            queues=[MAPS, MAINTENANCE],
            wait=False,
            concurrency=3,
            install_signal_handlers=False,
            listen_notify=False,
            # Of the product: with procrastinate's own, the other worker runs the jobs of this one again after 10 s.
            update_heartbeat_interval=HEARTBEAT_S,
            stalled_worker_timeout=STALLED_AFTER_S,
            additional_context={"resources": resources},
        )
    await valkey.aclose()


async def test_two_applications_neither_lose_nor_duplicate_events(settings: Settings, db: Db) -> None:
    """Every batch and every stop is sent to both at once, and both have workers."""
    async with (
        running_api(settings) as (_, old),
        running_api(settings) as (_, new),
        AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool,
    ):
        people = [await sign_up(old) for _ in range(NUM_PEOPLE)]
        sessions = [await p.start() for p in people]

        async def record(person: ApiUser, session: str) -> set[str]:
            twin = ApiUser(new, person.reply)
            sent: set[str] = set()
            for number in range(NUM_BATCHES):
                events = [
                    {
                        **visit(
                            f"https://example.com/{number % 5}", 1_760_000_000_000 + number, content="Bread. " * 40
                        ),
                        "event_id": str(uuid.uuid4()),
                    }
                    for _ in range(4)
                ]
                sent |= {e["event_id"] for e in events}
                replies = await asyncio.gather(person.send(session, events), twin.send(session, events))
                assert sum(r["stored"] for r in replies) == len(events), "each event is stored by exactly one"
                assert all(r["stored"] + r["duplicate"] == len(events) for r in replies)
            stops = await asyncio.gather(*(p.call("POST", f"/v1/sessions/{session}/stop") for p in (person, twin)))
            assert sorted(s.status_code for s in stops)[0] == 200
            assert sum(s.status_code == 200 for s in stops) == 1, "one Stop wins"
            return sent

        sent = await asyncio.gather(*(record(p, s) for p, s in zip(people, sessions, strict=True)))
        await asyncio.gather(work(settings, pool), work(settings, pool))
        for person, session, keys in zip(people, sessions, sent, strict=True):
            cursor = await db.execute("SELECT event_key::text FROM events WHERE session_id = %s", [session])
            assert sorted(row[0] for row in await cursor.fetchall()) == sorted(keys)
            cursor = await db.execute(
                "SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id"
                " WHERE m.session_id = %s",
                [session],
            )
            assert await cursor.fetchone() == (1,)
            twin = ApiUser(new, person.reply)
            assert (await twin.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["status"] == "completed"


async def test_two_applications_share_one_quota(settings: Settings, db: Db) -> None:
    """Both make maps with one model as fast as permitted: the provider sees one quota, not two."""
    per_minute, num_people = 900, 10
    rate, burst = rate_and_burst(per_minute)
    link = {"provider": "openai", "model": "gpt-overlap", "requests_per_minute": per_minute}
    with model_server() as models:
        keyed = with_changes(
            settings, openai_api_key=SecretStr("a key for tests"), openai_base_url=models.server.base_url("openai")
        )
        await db.execute("INSERT INTO ai_configs (task_type, chain) VALUES ('default', %s)", [json.dumps([link])])
        try:
            async with (
                running_api(keyed) as (_, api),
                AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool,
            ):
                sessions = []
                for number in range(num_people):
                    person = await sign_up(api)
                    session = await person.start()
                    pages = [
                        visit(f"https://e.example/{n}", 1_760_000_000_000 + n, content=f"Bread {number}.{n}. " * 40)
                        for n in range(10)
                    ]
                    await person.send(session, pages)
                    await person.ok("POST", f"/v1/sessions/{session}/stop")
                    sessions.append(session)
                started = time.monotonic()
                await asyncio.gather(work(keyed, pool), work(keyed, pool))
        finally:
            await db.execute("DELETE FROM ai_configs")
        made = await db.execute(
            "SELECT v.provider FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id"
            " WHERE m.session_id = ANY(%s::uuid[])",
            [sessions],
        )
        assert await made.fetchall() == [("openai",)] * num_people
        calls = await db.execute(
            "SELECT count(*), array_agg(DISTINCT status) FROM ai_calls WHERE session_id = ANY(%s::uuid[])", [sessions]
        )
        assert await calls.fetchone() == (3 * num_people, ["ok"]), "two describing calls and an outline for each map"
        # The workers may also have run jobs left by other tests, which the provider sees too.
        seen = sorted(record.started_at for record in models.requests())
        assert len(seen) >= 3 * num_people
        # The quota started empty, so that the burst had to accumulate first.
        assert all(number <= rate * (at - started) + 1 for number, at in enumerate(seen, 1))
        assert len(seen) <= burst + rate * (seen[-1] - seen[0])
        booked = await db.execute(
            "SELECT sum(l.tokens + l.absorbed_tokens)::bigint FROM ledger_entries l JOIN ai_calls c ON c.id = l.call_id"
            " WHERE l.kind = 'settle' AND c.model = 'gpt-overlap'"
        )
        assert await booked.fetchone() == (models.tokens_billed,)
