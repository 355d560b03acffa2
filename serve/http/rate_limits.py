"""Rate limits: per client address on routes that check credentials, per user everywhere else.

Counted in Valkey, so that all replicas share the counts. While Valkey is unreachable each replica counts for itself:
a limit that is too generous by the number of replicas is better than none.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
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
#: The events route books this many calls of one user with Valkey at a time.
MAX_LEASED_CALLS = 50
_MAX_LEASES = 20_000


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """A rate limit: its name in the `RateLimit` headers, and calls per minute."""

    name: str
    per_minute: int

    @property
    def item(self) -> RateLimitItem:
        """The limit as a type of the `limits` library."""
        return RateLimitItemPerMinute(self.per_minute)


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """The outcome of counting one call: `remaining` calls of `policy` for the next `reset_s` seconds."""

    policy: RateLimitPolicy
    is_allowed: bool
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-10)."""
        name = self.policy.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.policy.per_minute};w={WINDOW_S}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.reset_s}',
        }


class RateLimiter:
    """Counts calls against rate limit policies in sliding windows."""

    def __init__(self, valkey: Redis, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.is_enabled = settings.rate_limits_enabled
        self.credentials = RateLimitPolicy("credentials", settings.limits.credential_calls_per_minute)
        self.user = RateLimitPolicy("user", settings.limits.user_calls_per_minute)
        self.events = RateLimitPolicy("events", settings.limits.events_calls_per_minute)
        self.public = RateLimitPolicy("public", settings.limits.public_calls_per_minute)
        self.mails = RateLimitPolicy("mails", 3)
        self._shared_limiter = SlidingWindowCounterRateLimiter(
            RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix="limits",
                connection_pool=valkey.connection_pool,  # type: ignore[arg-type]
            )
        )
        self._local_limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._clock = clock
        self._leases: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def allows_mail(self, user_id: uuid.UUID) -> bool:
        """Count one mail to this user; whether it may be sent. Protects mailboxes from being flooded through us."""
        return not self.is_enabled or (await self.count(self.mails, str(user_id))).is_allowed

    async def count(self, policy: RateLimitPolicy, key: str, *, cost: int = 1) -> RateLimitResult:
        """Count `cost` calls for `key`; a rejected call is not counted."""
        item = policy.item
        try:
            return await self._count(self._shared_limiter, policy, item, key, cost)
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", operation="rate_limits", error=type(error).__name__)
            return await self._count(self._local_limiter, policy, item, key, cost)

    async def _count(
        self,
        limiter: SlidingWindowCounterRateLimiter,
        policy: RateLimitPolicy,
        item: RateLimitItem,
        key: str,
        cost: int,
    ) -> RateLimitResult:
        is_allowed = await limiter.hit(item, policy.name, key, cost=cost)
        stats = await limiter.get_window_stats(item, policy.name, key)
        reset_s = max(1, min(WINDOW_S, round(stats.reset_time - self._clock())))
        return RateLimitResult(policy, is_allowed, max(0, stats.remaining), reset_s)

    async def check(self, request: Request, policy: RateLimitPolicy, key: str) -> None:
        """Count this call; the response gets the `RateLimit` headers. Raises RateLimited."""
        if not self.is_enabled:
            return
        result = await self.count(policy, key)
        request.state.rate_limit = result
        if not result.is_allowed:
            raise rate_limited(result)

    async def check_events(self, request: Request, key: str) -> None:
        """Like `check`, for the hot path: one request to Valkey books many calls. Raises RateLimited."""
        if not self.is_enabled:
            return
        num_left, expires_at = self._leases.get(key, (0, 0.0))
        now = self._clock()
        if num_left > 0 and now < expires_at:
            self._leases[key] = (num_left - 1, expires_at)
            return
        lease = min(MAX_LEASED_CALLS, max(1, self.events.per_minute // 10))
        result = await self.count(self.events, key, cost=lease)
        if not result.is_allowed:
            request.state.rate_limit = result
            raise rate_limited(result)
        self._leases[key] = (lease - 1, now + WINDOW_S / 2)
        self._leases.move_to_end(key)
        if len(self._leases) > _MAX_LEASES:
            self._leases.popitem(last=False)


def rate_limited(result: RateLimitResult) -> RateLimited:
    """The error for a rejected call."""
    return RateLimited("too many requests; wait a moment and try again", float(result.reset_s))
