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
        cached = self._local.get(login_id)
        if cached is not None and self._clock() - cached[0] < self._local_s:
            return cached[1]
        status = await self._load_shared(login_id)
        if status is None:
            status = await load()
            # Only if Valkey has no entry: a revocation since the query must not be overwritten.
            await self._share([login_id], status, only_if_missing=True)
        if len(self._local) >= _MAX_LOCAL:
            self._local.clear()
        self._local[login_id] = (self._clock(), status)
        return status

    async def revoke(self, login_ids: Iterable[uuid.UUID]) -> None:
        """Cache that these logins are revoked. Call it after the commit of the revocation."""
        revoked = list(login_ids)
        for login_id in revoked:
            self._local[login_id] = (self._clock(), LoginStatus(False))
        await self._share(revoked, LoginStatus(False))

    async def _load_shared(self, login_id: uuid.UUID) -> LoginStatus | None:
        try:
            raw = await self._valkey.get(_key(login_id))
            return _decode(raw) if raw else None
        except (RedisError, OSError, msgspec.DecodeError) as error:
            log.warning("valkey_unreachable", operation="login_cache", error=type(error).__name__)
            return None

    async def _share(self, login_ids: list[uuid.UUID], status: LoginStatus, *, only_if_missing: bool = False) -> None:
        if not login_ids:
            return
        raw = _encode(status)
        try:
            async with self._valkey.pipeline(transaction=False) as pipe:
                for login_id in login_ids:
                    pipe.set(_key(login_id), raw, ex=SHARED_S if status.is_valid else REVOKED_S, nx=only_if_missing)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", operation="login_cache", error=type(error).__name__)
