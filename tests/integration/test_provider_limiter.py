"""The shared quota in PostgreSQL: several limiters, one quota."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import LimiterRefused, PermitRequest, ProviderLimiter
from actors.quota_state import CallOutcome, RateLimit, rate_and_burst
from actors.quota_store import PostgresQuotaStore
from tests.conftest import Stores

Pool = AsyncConnectionPool[Any]


@pytest.fixture
async def pool(stores: Stores) -> AsyncIterator[Pool]:
    opened: Pool = AsyncConnectionPool(stores.libpq, min_size=1, max_size=8, open=False, kwargs={"autocommit": True})
    async with opened:
        yield opened


async def test_two_clusters_share_one_quota(pool: Pool) -> None:
    """Four limiters, as in two clusters during an upgrade, on a clock that the test sets."""
    at = 0.0
    key = f"openai/{uuid.uuid4().hex}"
    limit = RateLimit(600.0, 60_000.0, 1000)
    limiters = [ProviderLimiter(PostgresQuotaStore(pool, key, lambda: at), lambda: at) for _ in range(4)]
    rate, burst = rate_and_burst(600.0)
    granted = 0
    for at in (0.0, 10.0, 11.0, 20.0, 40.0, 41.0, 90.0):
        asks = [limiters[n % 4].reserve(PermitRequest(f"u{n}", 60, max_wait_s=0), limit) for n in range(200)]
        results = await asyncio.gather(*asks, return_exceptions=True)
        granted += sum(not isinstance(one, LimiterRefused) for one in results)
        assert all(isinstance(one, LimiterRefused) for one in results if isinstance(one, BaseException))
        assert granted <= burst + rate * at + 1e-6
    # After each idle time the whole burst was available.
    assert granted >= 3 * burst


async def test_concurrency_is_counted_across_limiters(pool: Pool) -> None:
    key = f"openai/{uuid.uuid4().hex}"
    limit = RateLimit(None, None, 2)
    one, two = (ProviderLimiter(PostgresQuotaStore(pool, key)) for _ in range(2))
    first = await one.reserve(PermitRequest("a", 1), limit)
    await two.reserve(PermitRequest("b", 1), limit)
    with pytest.raises(LimiterRefused):
        await two.reserve(PermitRequest("c", 1, max_wait_s=0.05), limit)
    waiting = asyncio.ensure_future(two.reserve(PermitRequest("c", 1, max_wait_s=20), limit))
    await one.settle(first.permit_id, CallOutcome("ok"))
    assert await waiting


async def test_deleted_state_starts_cold(pool: Pool) -> None:
    at = 0.0
    key = f"openai/{uuid.uuid4().hex}"
    limiter = ProviderLimiter(PostgresQuotaStore(pool, key, lambda: at), lambda: at)
    limit = RateLimit(60.0, None, 100)
    with pytest.raises(LimiterRefused):
        await limiter.reserve(PermitRequest("a", 1, max_wait_s=0), limit)
    at = 60.0
    await limiter.reserve(PermitRequest("a", 1, max_wait_s=0), limit)
    async with pool.connection() as connection:
        await connection.execute("DELETE FROM provider_windows WHERE key = %s", [key])
    with pytest.raises(LimiterRefused):
        await limiter.reserve(PermitRequest("a", 1, max_wait_s=0), limit)
