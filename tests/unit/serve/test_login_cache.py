"""How long a replica that is not told of a revocation still accepts a login."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Self, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyConnectionError

from models.accounts.logins import LoginStatus
from serve.identity.login_cache import LOCAL_S, SHARED_S, LoginCache


class _Valkey:
    """The commands that the cache uses, on the clock of the test; they fail while `is_lost`."""

    def __init__(self) -> None:
        self.now, self.is_lost = 0.0, False
        self._values: dict[str, tuple[bytes, float]] = {}

    def clock(self) -> float:
        return self.now

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        if self.is_lost:
            raise ValkeyConnectionError
        found = [self._values.get(key, (None, 0.0)) for key in keys]
        return [value if self.now < expires_at else None for value, expires_at in found]

    def pipeline(self, *, transaction: bool) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def set(self, key: str, value: bytes, *, ex: int, nx: bool) -> None:
        if not self.is_lost and not (nx and self._values.get(key, (b"", 0.0))[1] > self.now):
            self._values[key] = (value, self.now + ex)

    async def execute(self) -> None:
        if self.is_lost:
            raise ValkeyConnectionError


@pytest.mark.parametrize(("is_lost", "limit_s"), [(False, LOCAL_S), (True, LOCAL_S + SHARED_S)])
@pytest.mark.parametrize("read_before_s", [0.0, 1.5, 9.9])
async def test_another_replica_notices_a_revocation_in_time(
    is_lost: bool, limit_s: float, read_before_s: float
) -> None:
    assert (LOCAL_S, LOCAL_S + SHARED_S) == (2, 12), "docs/security.md says so"
    valkey: Any = _Valkey()
    login_id, stored = uuid.uuid4(), LoginStatus(True)

    async def load(login_ids: list[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
        return dict.fromkeys(login_ids, stored)

    here, there = (LoginCache(cast("Redis", valkey), load, clock=valkey.clock) for _ in range(2))
    assert (await there.get(login_id)).is_valid
    valkey.now += read_before_s
    assert (await there.get(login_id)).is_valid
    revoked_at = valkey.now
    stored, valkey.is_lost = LoginStatus(False), is_lost
    await here.revoke([login_id])
    # Valkey is back at once, with the status from before the revocation.
    valkey.is_lost = False
    assert not (await here.get(login_id)).is_valid
    while (await there.get(login_id)).is_valid:
        valkey.now += 0.1
        assert valkey.now - revoked_at <= limit_s + 0.1
    assert not (await there.get(login_id)).is_valid


async def test_requests_at_the_same_time_share_their_queries() -> None:
    """Users who began together have entries that end together; a query for each stops the replica."""
    valkey: Any = _Valkey()
    queries: list[list[uuid.UUID]] = []

    async def load(login_ids: list[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
        queries.append(login_ids)
        await asyncio.sleep(0)
        return {login_id: LoginStatus(login_id != ended) for login_id in login_ids}

    logins = [uuid.uuid4() for _ in range(64)]
    ended = logins[40]
    cache = LoginCache(cast("Redis", valkey), load, clock=valkey.clock)
    for _ in range(3):
        # Each login twice: two tabs.
        statuses = await asyncio.gather(*(cache.get(login) for login in logins * 2))
        assert [status.is_valid for status in statuses] == [login != ended for login in logins * 2]
        # Each was asked for once, in a few queries.
        assert sorted(i for ids in queries for i in ids) == sorted(logins)
        assert len(queries) <= 3
        valkey.now += LOCAL_S + SHARED_S + 1
        queries.clear()
        # A revocation is kept longer.
        logins = [login for login in logins if login != ended]


async def test_a_failed_query_fails_only_its_own_callers() -> None:
    valkey: Any = _Valkey()
    is_down = True

    async def load(login_ids: list[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
        if is_down:
            raise OSError("no database")
        return dict.fromkeys(login_ids, LoginStatus(True))

    cache = LoginCache(cast("Redis", valkey), load, clock=valkey.clock)
    logins = [uuid.uuid4() for _ in range(5)]
    failed = await asyncio.gather(*(cache.get(login) for login in logins), return_exceptions=True)
    assert all(isinstance(error, OSError) for error in failed)
    is_down = False
    assert all(status.is_valid for status in (await cache.get_many(logins)).values())
