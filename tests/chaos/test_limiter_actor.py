"""The limiter as an actor that is killed: callers go on, on the same quota."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool

from actors.limiter_actor import RemoteLimiter, provider_limiter
from actors.provider_limiter import Ask, LimiterRefused, PostgresStore, ProviderLimiter
from actors.provider_window import Outcome, RateLimit
from tests.conftest import Stores

pytestmark = pytest.mark.chaos
LIMIT = RateLimit(None, None, 2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray

    ray.init(address="local", num_cpus=1, namespace="trailmind", include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


async def test_a_killed_limiter_is_stood_in_for_and_comes_back(cluster: Any, stores: Stores) -> None:
    key = f"openai/{uuid.uuid4().hex}"
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        stores.libpq, min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
    )
    async with pool:
        handle = provider_limiter(key, stores.libpq)
        limiter = RemoteLimiter(handle, ProviderLimiter(PostgresStore(pool, key)))
        first = await limiter.reserve(Ask("a", 1, max_wait_s=5), LIMIT)
        os.kill((await handle.stats.remote())["pid"], signal.SIGKILL)
        # One call is out still: whoever answers now, the actor's next life or the stand-in, knows of it.
        second = await limiter.reserve(Ask("b", 1, max_wait_s=60), LIMIT)
        with pytest.raises(LimiterRefused) as refused:
            await limiter.reserve(Ask("c", 1, max_wait_s=0.2), LIMIT)
        assert refused.value.reason == "concurrency"
        for permit in (first, second):
            await limiter.settle(permit.permit_id, Outcome("ok"))
        assert await limiter.reserve(Ask("c", 1, max_wait_s=5), LIMIT)
        cluster.kill(handle)
