"""How often one may call: per address where passwords are tried, per user everywhere else.

Counted in Valkey, so that all replicas count together; without Valkey each replica counts for itself, because a
limit that is off is worse than one that is a little too generous.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cluster.settings import Settings
from models.errors import RateLimited

log = structlog.get_logger("serve")

WINDOW_S = 60
#: The events route asks Valkey once for so many calls of one user.
LEASE = 50
_MAX_LEASES = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """A policy by name (its name in the `RateLimit` headers) and calls a minute."""

    name: str
    per_minute: int

    @property
    def item(self) -> RateLimitItem:
        """The same in the library's words."""
        return RateLimitItemPerMinute(self.per_minute)


@dataclass(frozen=True, slots=True)
class Quota:
    """How one call came out: `remaining` of `allowance` for the next `reset_s` seconds."""

    allowance: Allowance
    is_allowed: bool
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-10)."""
        name = self.allowance.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.allowance.per_minute};w={WINDOW_S}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.reset_s}',
        }


class Limiter:
    """Counts calls."""

    def __init__(self, valkey: Redis, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.is_on = settings.rate_limits
        self.credentials = Allowance("credentials", settings.credential_calls_per_minute)
        self.user = Allowance("user", settings.user_calls_per_minute)
        self.events = Allowance("events", settings.events_calls_per_minute)
        self.public = Allowance("public", settings.public_calls_per_minute)
        self._shared = SlidingWindowCounterRateLimiter(
            RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix="limits",
                connection_pool=valkey.connection_pool,  # type: ignore[arg-type]
            )
        )
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._clock = clock
        self._leases: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def count(self, allowance: Allowance, who: str, *, cost: int = 1) -> Quota:
        """Count `cost` calls of `who`; a refused call is not counted."""
        item = allowance.item
        try:
            return await self._count(self._shared, allowance, item, who, cost)
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", what="limits", error=type(error).__name__)
            return await self._count(self._alone, allowance, item, who, cost)

    async def _count(
        self,
        limiter: SlidingWindowCounterRateLimiter,
        allowance: Allowance,
        item: RateLimitItem,
        who: str,
        cost: int,
    ) -> Quota:
        is_allowed = await limiter.hit(item, allowance.name, who, cost=cost)
        stats = await limiter.get_window_stats(item, allowance.name, who)
        reset_s = max(1, min(WINDOW_S, round(stats.reset_time - self._clock())))
        return Quota(allowance, is_allowed, max(0, stats.remaining), reset_s)

    async def require(self, request: Request, allowance: Allowance, who: str) -> None:
        """Count this call, and let the answer say how many are left. Raises RateLimited."""
        if not self.is_on:
            return
        quota = await self.count(allowance, who)
        request.state.quota = quota
        if not quota.is_allowed:
            raise too_often(quota)

    async def require_events(self, request: Request, who: str) -> None:
        """The same for the hot path: calls are booked with Valkey many at a time. Raises RateLimited."""
        if not self.is_on:
            return
        left, until = self._leases.get(who, (0, 0.0))
        now = self._clock()
        if left > 0 and now < until:
            self._leases[who] = (left - 1, until)
            return
        lease = min(LEASE, max(1, self.events.per_minute // 10))
        quota = await self.count(self.events, who, cost=lease)
        if not quota.is_allowed:
            request.state.quota = quota
            raise too_often(quota)
        self._leases[who] = (lease - 1, now + WINDOW_S / 2)
        self._leases.move_to_end(who)
        if len(self._leases) > _MAX_LEASES:
            self._leases.popitem(last=False)


def too_often(quota: Quota) -> RateLimited:
    """The refusal."""
    return RateLimited("too many requests; wait a moment and try again", float(quota.reset_s))


def client_address(request: Request, trusted_proxies: Sequence[str]) -> str:
    """The address the request came from.

    `X-Forwarded-For` counts only as far as it was written by proxies we trust: read from the right, the first address
    that is not a trusted proxy's. Whatever stands left of it the caller may have made up.
    """
    peer = request.client.host if request.client else "local"
    if not trusted_proxies or not _is_in(peer, trusted_proxies):
        return _bucket(peer)
    chain = [part.strip() for value in request.headers.getlist("x-forwarded-for") for part in value.split(",")]
    for address in reversed(chain):
        if not _is_in(address, trusted_proxies):
            return _bucket(address)
        peer = address
    return _bucket(peer)


def _is_in(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in ipaddress.ip_network(network, strict=False) for network in networks)


def _bucket(address: str) -> str:
    """One home's IPv6 network is one caller: it has 2^64 addresses to choose from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network(f"{found}/64", strict=False)) if found.version == 6 else str(found)
