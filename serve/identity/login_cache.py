"""Is this login still valid? Two caches keep that query to PostgreSQL off the hot path.

A replica keeps a status for `LOCAL_S` seconds, Valkey for `SHARED_S` seconds; PostgreSQL is the source. A revocation is
written to PostgreSQL, then to Valkey, so that other replicas see it within `LOCAL_S`. If Valkey is unreachable at that
moment, they see it within `LOCAL_S + SHARED_S`. While Valkey is unreachable, replicas query PostgreSQL.

Requests that ask at the same time ask together. Users who began together have entries that end together: their queries
one by one, a transaction each, had stopped a replica for a third of a second every ten seconds.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.batcher import RequestBatcher
from models.accounts.logins import LoginStatus

log = structlog.get_logger("serve")

LOCAL_S, SHARED_S = 2.0, 10
#: How long Valkey keeps a revocation: longer than any status that was read before it.
REVOKED_S = 60
_MAX_LOCAL = 20_000
_ID_BYTES = 16
_encode, _decode = msgspec.json.encode, msgspec.json.Decoder(LoginStatus).decode

LoadLogins = Callable[[list[uuid.UUID]], Awaitable[dict[uuid.UUID, LoginStatus]]]


def _key(login_id: uuid.UUID) -> str:
    return f"login:{login_id}"


class LoginCache:
    """The last known status of each login and API key, in this replica and in Valkey. `load` queries PostgreSQL."""

    def __init__(
        self, valkey: Redis, load: LoadLogins, *, clock: Callable[[], float] = time.monotonic, local_s: float = LOCAL_S
    ) -> None:
        self._valkey, self._load, self._clock, self._local_s = valkey, load, clock, local_s
        self._local: dict[uuid.UUID, tuple[float, LoginStatus]] = {}
        # Two, so that a login which Valkey knows does not wait for PostgreSQL.
        self._shared_reads: RequestBatcher[uuid.UUID, LoginStatus | None] = RequestBatcher(self._read_shared)
        self._stored_reads: RequestBatcher[uuid.UUID, LoginStatus] = RequestBatcher(self._read_stored)

    async def get(self, login_id: uuid.UUID) -> LoginStatus:
        """The status of a login."""
        return await self._cached(login_id) or await self._stored_reads.submit(login_id, _ID_BYTES)

    async def get_many(self, login_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, LoginStatus]:
        """The status of each login, with at most one query to Valkey and one to PostgreSQL."""
        found = {login_id: self._fresh(login_id) for login_id in login_ids}
        for read in (self._read_shared, self._read_stored):
            if missing := [login_id for login_id, status in found.items() if status is None]:
                found |= zip(missing, await read(missing), strict=True)
        return {login_id: status for login_id, status in found.items() if status is not None}

    async def get_key(self, key_id: uuid.UUID, load: Callable[[], Awaitable[LoginStatus]]) -> LoginStatus:
        """The status of an API key; `load` queries PostgreSQL and is called on a cache miss."""
        if (cached := await self._cached(key_id)) is not None:
            return cached
        status = await load()
        await self._keep_stored({key_id: status})
        return status

    async def _cached(self, login_id: uuid.UUID) -> LoginStatus | None:
        return self._fresh(login_id) or await self._shared_reads.submit(login_id, _ID_BYTES)

    def _fresh(self, login_id: uuid.UUID) -> LoginStatus | None:
        kept = self._local.get(login_id)
        return kept[1] if kept is not None and self._clock() - kept[0] < self._local_s else None

    async def _read_shared(self, login_ids: list[uuid.UUID]) -> list[LoginStatus | None]:
        shared = await self._load_shared(list(dict.fromkeys(login_ids)))
        self._keep(shared)
        return [shared.get(login_id) for login_id in login_ids]

    async def _read_stored(self, login_ids: list[uuid.UUID]) -> list[LoginStatus]:
        stored = await self._load(list(dict.fromkeys(login_ids)))
        await self._keep_stored(stored)
        return [stored[login_id] for login_id in login_ids]

    async def _keep_stored(self, statuses: dict[uuid.UUID, LoginStatus]) -> None:
        # Only if Valkey has no entry: a revocation since the query must not be overwritten.
        await self._share(statuses, only_if_missing=True)
        self._keep(statuses)

    def _keep(self, statuses: dict[uuid.UUID, LoginStatus]) -> None:
        if len(self._local) >= _MAX_LOCAL:
            self._local.clear()
        now = self._clock()
        self._local |= {login_id: (now, status) for login_id, status in statuses.items()}

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
