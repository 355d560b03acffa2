"""Model calls on Ray: a killed limiter, and work that is cancelled during a provider's call."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from actors.limiter_actor import RemoteLimiter, get_or_start_limiter
from actors.provider_limiter import LimiterRefused, PermitRequest, ProviderLimiter
from actors.quota_state import CallOutcome, RateLimit
from actors.quota_store import PostgresQuotaStore
from cluster.providers.calling.call_context import CallRequest
from cluster.providers.calling.metered_client import CallScope
from cluster.providers.planning.cost_estimate import page_batches
from cluster.providers.tasks import RayProviderTasks
from cluster.providers.types import ModelTarget, PagePayload
from models.billing import ledger
from models.billing.ledger import TokenAllowance
from tests.conftest import Stores
from tests.support.conditions import PATIENCE_S
from tests.support.model_server import ModelServer, model_server

pytestmark = pytest.mark.chaos
LIMIT = RateLimit(None, None, 2)


@pytest.fixture(scope="module")
def models() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(stores: Stores, models: ModelServer) -> Iterator[Any]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        # Workers read their settings from the environment they are started in.
        for name, value in {
            "DATABASE_URL": stores.database_url,
            "REDIS_URL": stores.redis_url,
            "OPENAI_API_KEY": "a key for tests",
            "TRAILMIND_OPENAI_BASE_URL": models.server.base_url("openai"),
        }.items():
            patch.setenv(name, value)
        ray.init(address="local", num_cpus=1, namespace="trailmind", include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


async def test_cancelled_task_cancels_its_calls_and_releases_reservations(
    cluster: Any, stores: Stores, models: ModelServer, db: psycopg.AsyncConnection[Any]
) -> None:
    """Cancelled calls end before the provider answers, and the tokens they reserved are released."""
    # The provider answers after 120 s and a call times out after 200 s: only a cancellation ends the calls earlier.
    models.slow(120_000)
    user, session, start = uuid.uuid4(), uuid.uuid4(), datetime.now(UTC) - timedelta(days=1)
    await db.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user, f"{user.hex}@test.local"])
    await db.execute("INSERT INTO browsing_sessions (id, user_id) VALUES (%s, %s)", [session, user])
    scope = CallScope(user, session, TokenAllowance(start, start + timedelta(days=30), 100_000))
    target = ModelTarget("openai", "slow-model", timeout_s=200, is_self_hosted=True)
    order = CallRequest(scope, (target,), "en", time.time() + 300)
    payloads = [PagePayload(f"p_{n}", f"Page {n}", "a.example", "Words.", (), "en", f"{n:032d}") for n in range(10)]
    work = asyncio.ensure_future(RayProviderTasks().describe(order, page_batches(payloads)))

    async def calls() -> list[str]:
        cursor = await db.execute("SELECT status FROM ai_calls WHERE session_id = %s", [session])
        return [row[0] for row in await cursor.fetchall()]

    while models.server.state.journal.in_flight < 2:
        await asyncio.sleep(0.05)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    async with asyncio.timeout(100):
        while set(await calls()) != {"cancelled"}:
            await asyncio.sleep(0.05)
    assert (await ledger.load_balance(db, user, scope.allowance)).tokens_left == 100_000
    models.reset()


async def test_a_killed_limiter_is_replaced_and_restarts(cluster: Any, stores: Stores) -> None:
    key = f"openai/{uuid.uuid4().hex}"
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        stores.libpq, min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
    )
    async with pool:
        handle = get_or_start_limiter(key, stores.libpq)
        limiter = RemoteLimiter(handle, ProviderLimiter(PostgresQuotaStore(pool, key)))
        first = await limiter.reserve(PermitRequest("a", 1, max_wait_s=5), LIMIT)
        os.kill((await handle.stats.remote())["pid"], signal.SIGKILL)
        # One call is still running: the restarted actor or the local fallback reads it from PostgreSQL.
        second = await limiter.reserve(PermitRequest("b", 1, max_wait_s=60), LIMIT)
        with pytest.raises(LimiterRefused) as refused:
            await limiter.reserve(PermitRequest("c", 1, max_wait_s=0.2), LIMIT)
        assert refused.value.reason == "concurrency"
        for permit in (first, second):
            await limiter.settle(permit.permit_id, CallOutcome("ok"))
        assert await limiter.reserve(PermitRequest("c", 1, max_wait_s=5), LIMIT)
        cluster.kill(handle)


async def test_a_cancelled_request_leaves_the_actors_queue(cluster: Any, stores: Stores) -> None:
    key = f"openai/{uuid.uuid4().hex}"
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(stores.libpq, min_size=0, max_size=1, open=False)
    handle = get_or_start_limiter(key, stores.libpq)
    limiter = RemoteLimiter(handle, ProviderLimiter(PostgresQuotaStore(pool, key)))
    alone = RateLimit(None, None, 1)
    first = await limiter.reserve(PermitRequest("a", 1, max_wait_s=30), alone)
    waiting = asyncio.ensure_future(limiter.reserve(PermitRequest("b", 1, max_wait_s=60), alone))

    async def queue_is(length: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await handle.stats.remote())["queue_length"] != length:
                await asyncio.sleep(0.02)

    await queue_is(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await queue_is(0)
    await limiter.settle(first.permit_id, CallOutcome("ok"))
    assert (await handle.stats.remote())["in_flight"] == 0
    cluster.kill(handle)
