"""Does this login still stand? PostgreSQL knows; two caches keep the question off the hot path.

A replica asks at most every `LOCAL_S` seconds per login, first Valkey, which remembers for `SHARED_S` seconds, then
PostgreSQL. Revoking writes PostgreSQL, then says so in Valkey, so other replicas notice within `LOCAL_S`; should
Valkey be away at that very moment, within `LOCAL_S + SHARED_S`. Without Valkey, PostgreSQL answers alone.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from models.accounts.logins import LoginStatus

log = structlog.get_logger("serve")

LOCAL_S, SHARED_S = 2.0, 10
_MAX_LOCAL = 20_000
_encode, _decode = msgspec.json.encode, msgspec.json.Decoder(LoginStatus).decode


def _key(login_id: uuid.UUID) -> str:
    return f"login:{login_id}"


class LoginCache:
    """What was last heard of each login."""

    def __init__(self, valkey: Redis, *, clock: Callable[[], float] = time.monotonic, local_s: float = LOCAL_S) -> None:
        self._valkey, self._clock, self._local_s = valkey, clock, local_s
        self._local: dict[uuid.UUID, tuple[float, LoginStatus]] = {}

    async def get(self, login_id: uuid.UUID, load: Callable[[], Awaitable[LoginStatus]]) -> LoginStatus:
        """The standing of `login_id`; `load` asks PostgreSQL."""
        known = self._local.get(login_id)
        if known is not None and self._clock() - known[0] < self._local_s:
            return known[1]
        standing = await self._load_shared(login_id)
        if standing is None:
            standing = await load()
            # Only where nothing is known: a revocation that came in between must not be overwritten.
            await self._share([login_id], standing, only_if_unknown=True)
        if len(self._local) >= _MAX_LOCAL:
            self._local.clear()
        self._local[login_id] = (self._clock(), standing)
        return standing

    async def revoke(self, login_ids: Iterable[uuid.UUID]) -> None:
        """These logins are over (PostgreSQL has it already)."""
        over = list(login_ids)
        for login_id in over:
            self._local[login_id] = (self._clock(), LoginStatus(False))
        await self._share(over, LoginStatus(False))

    async def forget(self, login_ids: Iterable[uuid.UUID]) -> None:
        """Something about these logins changed: ask PostgreSQL again."""
        changed = list(login_ids)
        for login_id in changed:
            self._local.pop(login_id, None)
        try:
            if changed:
                await self._valkey.delete(*map(_key, changed))
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", what="standing", error=type(error).__name__)

    async def _load_shared(self, login_id: uuid.UUID) -> LoginStatus | None:
        try:
            raw = await self._valkey.get(_key(login_id))
            return _decode(raw) if raw else None
        except (RedisError, OSError, msgspec.DecodeError) as error:
            log.warning("valkey_unreachable", what="standing", error=type(error).__name__)
            return None

    async def _share(self, login_ids: list[uuid.UUID], standing: LoginStatus, *, only_if_unknown: bool = False) -> None:
        if not login_ids:
            return
        raw = _encode(standing)
        try:
            async with self._valkey.pipeline(transaction=False) as pipe:
                for login_id in login_ids:
                    # A revocation is remembered longer than any answer read before it.
                    pipe.set(_key(login_id), raw, ex=SHARED_S if standing.is_valid else 60, nx=only_if_unknown)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", what="standing", error=type(error).__name__)
