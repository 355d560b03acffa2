"""Runs the application in the test process, without Ray."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import ray.exceptions
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from cluster.settings import Settings, load_settings, with_changes
from serve.app import create_api, with_middleware
from serve.identity import passwords

# Nearly every test signs a user up, and a hash of the product's cost takes longer than all the rest of most tests. The
# whole product, and tests with the fixture `production_hashes`, pay that cost.
passwords._hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))

SIGNING_KEY = "a key for tests that is long enough to be one"


def make_settings(database_url: str, redis_url: str, **changes: Any) -> Settings:
    """Settings for a test against real stores."""
    return with_changes(
        load_settings(),
        **{
            "environment": "test",
            "database_url": SecretStr(database_url),
            "redis_url": SecretStr(redis_url),
            "secret_key": SecretStr(SIGNING_KEY),
            "rate_limits": False,
            "db_pool_size": 5,
            **changes,
        },
    )


def no_actor(index: int) -> Any:
    """The lookup of a shard in a cluster without shards: the replica writes directly, with the same code."""
    raise ray.exceptions.RayActorError


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """The application on real stores in this process, and a client of it."""
    api = create_api(settings, no_actor)
    async with api.router.lifespan_context(api):
        transport = httpx2.ASGITransport(app=with_middleware(api, settings), client=(_client_address(settings), 50000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield api, client


def _client_address(settings: Settings) -> str:
    """The address that the app sees: one of its own for each app, because all tests of a process share Valkey's counts.

    Behind trusted proxies it is the proxy's, and the test sends the client's.
    """
    number = uuid.uuid4().int
    return "127.0.0.1" if settings.server.proxy_networks else f"127.{number % 256}.{number // 256 % 256}.9"
