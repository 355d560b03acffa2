"""Is this login still valid? Two caches keep that query to PostgreSQL off the hot path.

A replica keeps a status for `LOCAL_S` seconds, Valkey for `SHARED_S` seconds; PostgreSQL is the source. A revocation is
written to PostgreSQL, then to Valkey, so that other replicas see it within `LOCAL_S`. If Valkey is unreachable at that
moment, they see it within `LOCAL_S + SHARED_S`. While Valkey is unreachable, replicas query PostgreSQL.
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
#: How long Valkey keeps a revocation: longer than any status that was read before it.
REVOKED_S = 60
_MAX_LOCAL = 20_000
_encode, _decode = msgspec.json.encode, msgspec.json.Decoder(LoginStatus).decode


def _key(login_id: uuid.UUID) -> str:
    return f"login:{login_id}"


class LoginCache:
    """The last known status of each login and API key, in this replica and in Valkey."""

    def __init__(self, valkey: Redis, *, clock: Callable[[], float] = time.monotonic, local_s: float = LOCAL_S) -> None:
        self._valkey, self._clock, self._local_s = valkey, clock, local_s
        self._local: dict[uuid.UUID, tuple[float, LoginStatus]] = {}

    async def get(self, login_id: uuid.UUID, load: Callable[[], Awaitable[LoginStatus]]) -> LoginStatus:
        """The status of `login_id`; `load` queries PostgreSQL and is called on a cache miss."""
        if (fresh := self._fresh(login_id)) is not None:
            return fresh

        async def load_one(login_ids: list[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
            return {login_id: await load() for login_id in login_ids}

        return (await self.get_many([login_id], load_one))[login_id]

    async def get_many(
        self,
        login_ids: Iterable[uuid.UUID],
        load: Callable[[list[uuid.UUID]], Awaitable[dict[uuid.UUID, LoginStatus]]],
    ) -> dict[uuid.UUID, LoginStatus]:
        """The status of each login; `load` queries PostgreSQL for those in no cache, with one call."""
        found = {login_id: self._fresh(login_id) for login_id in login_ids}
        if stale := [login_id for login_id, status in found.items() if status is None]:
            shared = await self._load_shared(stale)
            if missing := [login_id for login_id in stale if login_id not in shared]:
                loaded = await load(missing)
                # Only if Valkey has no entry: a revocation since the query must not be overwritten.
                await self._share(loaded, only_if_missing=True)
                shared |= loaded
            if len(self._local) >= _MAX_LOCAL:
                self._local.clear()
            now = self._clock()
            self._local |= {login_id: (now, status) for login_id, status in shared.items()}
            found |= shared
        return {login_id: status for login_id, status in found.items() if status is not None}

    def _fresh(self, login_id: uuid.UUID) -> LoginStatus | None:
        cached = self._local.get(login_id)
        return cached[1] if cached is not None and self._clock() - cached[0] < self._local_s else None

    async def revoke(self, login_ids: Iterable[uuid.UUID]) -> None:
        """Cache that these logins are revoked. Call it after the commit of the revocation."""
        revoked = list(login_ids)
        for login_id in revoked:
            self._local[login_id] = (self._clock(), LoginStatus(False))
        await self._share(dict.fromkeys(revoked, LoginStatus(False)))

    async def _load_shared(self, login_ids: list[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
        try:
            values = await self._valkey.mget([_key(login_id) for login_id in login_ids])
            return {login_id: _decode(raw) for login_id, raw in zip(login_ids, values, strict=True) if raw}
        except (RedisError, OSError, msgspec.DecodeError) as error:
            log.warning("valkey_unreachable", operation="login_cache", error=type(error).__name__)
            return {}

    async def _share(self, statuses: dict[uuid.UUID, LoginStatus], *, only_if_missing: bool = False) -> None:
        if not statuses:
            return
        try:
            async with self._valkey.pipeline(transaction=False) as pipe:
                for login_id, status in statuses.items():
                    ttl_s = SHARED_S if status.is_valid else REVOKED_S
                    pipe.set(_key(login_id), _encode(status), ex=ttl_s, nx=only_if_missing)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", operation="login_cache", error=type(error).__name__)
