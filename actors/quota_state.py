"""A provider's quota as a value: the buckets, the running calls, and the limits learned from responses.

Two token buckets, for requests and for tokens. Each has a burst of a quarter of the quota per minute and is refilled
with the other three quarters per minute, so that no minute exceeds the quota: in any `t` seconds at most
`burst + rate * t` passes. A missing state starts with empty buckets, so that a lost state is slow but never over the
quota. After throttling the rate is halved and recovers linearly (additive increase, multiplicative decrease).

The module is pure: it reads no clock and does no I/O. All times are seconds of one clock that every user of the state
shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

BURST_SHARE = 0.25
#: Throttling halves the rate, down to this share; the rate recovers linearly within this time.
MIN_FACTOR, RECOVERY_S = 1 / 16, 300.0
#: This many consecutive failures open the circuit; each failed probe doubles the pause.
FAILURES_TO_OPEN, PAUSE_S, MAX_PAUSE_S = 5, 15.0, 240.0
#: How long a limit learned from a vendor is used; every response renews it.
LEARNED_FOR_S = 86_400.0
#: The share of each burst and of the concurrent calls that batch calls leave to users.
RESERVED_SHARE = 0.5
#: The reasons of refusals that mean that others use the quota at the moment, and not that something is broken.
BUSY_REASONS = frozenset({"users_wait", "throttled", "concurrency", "requests", "tokens"})
#: How much longer batch calls wait than the user's call that they wait for is expected to: clusters poll.
GIVE_WAY_S = 1.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The limits to keep; None means unlimited.

    A guessed limit is replaced by the vendor's own, larger or smaller, so that a higher tier is used without
    configuration. A configured limit is a ceiling: the vendor's limit counts only if it is smaller.
    """

    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_concurrent: int
    are_requests_guessed: bool = False
    are_tokens_guessed: bool = False


OutcomeKind = Literal["ok", "throttled", "down", "refused", "unused"]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended; `unused` means that it was never sent.

    `tokens_used` None means that the reserved tokens count as used. `hints` are the vendor's rate-limit headers by
    name: `requests_per_minute`, `requests_left`, `tokens_per_minute`, `tokens_left`.
    """

    kind: OutcomeKind
    tokens_used: int | None = None
    retry_after_s: float = 0.0
    hints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """Granted, or the reason why not and the estimated wait in seconds."""

    wait_s: float = 0.0
    reason: str = ""

    @property
    def is_granted(self) -> bool:
        """Whether the call may start."""
        return not self.reason


@dataclass(slots=True)
class Lease:
    """A running call: when its lease expires, the tokens it has booked, and when it was granted.

    While the call `after` is running, this one has not started.
    """

    expires_at: float
    tokens: float
    granted_at: float
    after: str = ""


@dataclass(slots=True)
class QuotaState:
    """The complete state. `requests` and `tokens` are the bucket levels; `factor` scales rates and concurrency.

    Until `users_wait_until` a call that a user waits for is queued in one of the clusters, and no batch call starts.
    The field names are the keys of the stored JSON.
    """

    at: float
    requests: float = 0.0
    tokens: float = 0.0
    leases: dict[str, Lease] = field(default_factory=dict)
    factor: float = 1.0
    factor_at: float = -math.inf
    blocked_until: float = -math.inf
    failures: int = 0
    pauses: int = 0
    open_until: float = -math.inf
    learned: dict[str, float] = field(default_factory=dict)
    learned_at: float = -math.inf
    users_wait_until: float = -math.inf

    @classmethod
    def from_json(cls, data: Mapping[str, Any], now: float) -> Self:
        """The stored state. An empty one, or one of an unknown version, starts cold at `now`."""
        if "at" not in data or set(data) - _FIELDS:
            return cls(at=now)
        values: dict[str, Any] = {k: (-math.inf if v is None else v) for k, v in data.items()}
        values["leases"] = {name: Lease(**lease) for name, lease in data.get("leases", {}).items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values; minus infinity, which JSON lacks, becomes null."""
        # Written at every change, with dozens of leases: `dataclasses.asdict` would take longer than PostgreSQL.
        values: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        leases = {name: {f: getattr(lease, f) for f in _LEASE_FIELDS} for name, lease in self.leases.items()}
        if values["users_wait_until"] <= self.at:
            # The version before does not know it, and would start cold.
            del values["users_wait_until"]
        return {k: (None if v == -math.inf else v) for k, v in values.items()} | {"leases": leases}

    # --- time ---

    def advance(self, limit: RateLimit, now: float) -> None:
        """Refill the buckets up to `now` and drop expired leases. Time never runs backwards."""
        now = max(now, self.at)
        elapsed_s = now - self.at
        # The factor at the start of the interval is the smaller one: the refill is never too large.
        factor = self.backoff_factor(self.at)
        rpm, tpm = self.limits(limit, self.at)
        if rpm is not None:
            rate, burst = rate_and_burst(rpm)
            self.requests = min(burst, self.requests + rate * factor * elapsed_s)
        if tpm is not None:
            rate, burst = rate_and_burst(tpm)
            self.tokens = min(burst, self.tokens + rate * factor * elapsed_s)
        self.at = now
        # A learned limit may have expired, or a smaller one may be configured: its burst applies from now on.
        rpm, tpm = self.limits(limit, now)
        if rpm is not None:
            self.requests = min(self.requests, rate_and_burst(rpm)[1])
        if tpm is not None:
            self.tokens = min(self.tokens, rate_and_burst(tpm)[1])
        for name in [name for name, lease in self.leases.items() if lease.expires_at <= now]:
            del self.leases[name]

    def backoff_factor(self, now: float) -> float:
        """The share of the rate in use, from MIN_FACTOR to 1; recovers linearly after throttling."""
        if self.factor_at == -math.inf:
            return 1.0
        return min(1.0, self.factor + max(0.0, now - self.factor_at) / RECOVERY_S)

    def limits(self, limit: RateLimit, now: float) -> tuple[float | None, float | None]:
        """The requests and tokens per minute in effect: configured, guessed or learned. See RateLimit."""
        learned = self.learned if now - self.learned_at < LEARNED_FOR_S else {}

        def in_effect(ours: float | None, name: str, is_guess: bool) -> float | None:
            theirs = learned.get(name)
            if theirs is None or ours is None or is_guess:
                return ours if theirs is None else theirs
            return min(ours, theirs)

        return (
            in_effect(limit.requests_per_minute, "requests_per_minute", limit.are_requests_guessed),
            in_effect(limit.tokens_per_minute, "tokens_per_minute", limit.are_tokens_guessed),
        )

    # --- decisions ---

    def num_in_flight(self) -> int:
        """The number of running calls; a call and its successor count as one."""
        return sum(1 for lease in self.leases.values() if lease.after not in self.leases)

    def try_acquire(
        self,
        limit: RateLimit,
        permit_id: str,
        tokens: float,
        lease_s: float,
        after: str = "",
        *,
        is_interactive: bool = True,
    ) -> Decision:
        """Book a call, or return why it cannot start. Call `advance` first.

        A call that is not interactive uses spare capacity only: it starts while no user's call waits, and leaves a
        share of each limit to the next one. The state is the only thing that clusters share, so the rule is here.

        Args:
            limit: The configured or guessed limits.
            permit_id: The id of the new lease.
            tokens: The upper bound of tokens that the call may use.
            lease_s: After this time an unsettled call no longer counts as running.
            after: The id of a running call whose concurrency slot this call takes when that call has ended, or "".
            is_interactive: Whether a user waits for the call.
        """
        now = self.at
        if self.open_until > now:
            return Decision(self.open_until - now, "circuit_open")
        if self.pauses and self.leases:
            # Half open: one probe at a time.
            return Decision(self._next_lease_end_s(), "circuit_open")
        if self.blocked_until > now:
            return Decision(self.blocked_until - now, "throttled")
        if not is_interactive and self.users_wait_until > now:
            return Decision(self.users_wait_until - now, "users_wait")
        reserved_share = 0.0 if is_interactive else RESERVED_SHARE
        factor = self.backoff_factor(now)
        # A call has at most one successor.
        is_successor = after in self.leases and all(lease.after != after for lease in self.leases.values())
        max_concurrent = max(1, math.floor(limit.max_concurrent * factor * (1 - reserved_share)))
        if self.num_in_flight() - is_successor >= max_concurrent:
            return Decision(self._next_lease_end_s(), "concurrency")
        rpm, tpm = self.limits(limit, now)
        request_wait_s = _wait_s(rpm, self.requests, 1.0, factor, reserved_share)
        token_wait_s = _wait_s(tpm, self.tokens, tokens, factor, reserved_share)
        wait_s = max(request_wait_s, token_wait_s)
        if wait_s > 0:
            return Decision(wait_s, "requests" if request_wait_s == wait_s else "tokens")
        self.leases[permit_id] = Lease(now + lease_s, tokens, now, after if is_successor else "")
        if rpm is not None:
            self.requests -= 1
        if tpm is not None:
            self.tokens -= tokens
        return Decision()

    def hold_batch_calls(self, wait_s: float) -> None:
        """Note that a user's call waits, for about `wait_s` seconds more."""
        self.users_wait_until = max(self.users_wait_until, self.at + wait_s + GIVE_WAY_S)

    def _next_lease_end_s(self) -> float:
        return max(0.05, min(lease.expires_at for lease in self.leases.values()) - self.at)

    def release(self, limit: RateLimit, permit_id: str, outcome: CallOutcome) -> None:
        """Settle a call and learn from its outcome. Call `advance` first. An expired lease credits nothing."""
        lease = self.leases.pop(permit_id, None)
        rpm, tpm = self.limits(limit, self.at)
        if lease is not None:
            credit = lease.tokens if outcome.kind == "unused" else 0.0
            if outcome.tokens_used is not None:
                credit = lease.tokens - outcome.tokens_used
            if tpm is not None:
                self.tokens = min(rate_and_burst(tpm)[1], self.tokens + credit)
            if outcome.kind == "unused" and rpm is not None:
                self.requests = min(rate_and_burst(rpm)[1], self.requests + 1)
        self._back_off(outcome, lease.granted_at if lease else self.at)
        self._update_from_response(limit, outcome.hints)

    def _back_off(self, outcome: CallOutcome, granted_at: float) -> None:
        now = self.at
        if outcome.kind == "throttled":
            # Halve once per incident: calls granted before the last halving report the same incident.
            if granted_at > self.factor_at:
                self.factor, self.factor_at = max(MIN_FACTOR, self.backoff_factor(now) / 2), now
            self.blocked_until = max(self.blocked_until, now + outcome.retry_after_s)
        elif outcome.kind == "down":
            self.failures += 1
            if self.failures >= FAILURES_TO_OPEN and now >= self.open_until:
                self.open_until = now + min(MAX_PAUSE_S, PAUSE_S * 2**self.pauses)
                self.pauses += 1
        elif outcome.kind in ("ok", "refused"):
            self.failures = self.pauses = 0

    def _update_from_response(self, limit: RateLimit, hints: Mapping[str, float]) -> None:
        now = self.at
        if "requests_per_minute" in hints or "tokens_per_minute" in hints:
            learned = {k: float(v) for k, v in hints.items() if k.endswith("_per_minute") and v > 0}
            self.learned = {**self.learned, **learned}
            self.learned_at = now
        rpm, tpm = self.limits(limit, now)
        # The vendor's remaining quota is an upper bound of our bucket level.
        if rpm is not None and "requests_left" in hints:
            self.requests = min(self.requests, hints["requests_left"])
        if tpm is not None and "tokens_left" in hints:
            self.tokens = min(self.tokens, hints["tokens_left"])

    def estimated_wait_s(
        self, limit: RateLimit, num_requests: int, tokens: float, *, is_interactive: bool = True
    ) -> float:
        """Seconds until `num_requests` with `tokens` in all can start if every call succeeds. Changes nothing."""
        now, factor = self.at, self.backoff_factor(self.at)
        rpm, tpm = self.limits(limit, now)
        wait_s = max(
            _queue_wait_s(rpm, self.requests, num_requests, factor),
            _queue_wait_s(tpm, self.tokens, tokens, factor),
        )
        if not is_interactive:
            wait_s = max(wait_s, self.users_wait_until - now)
        return max(wait_s, self.open_until - now, self.blocked_until - now, 0.0)


_FIELDS = {each.name for each in fields(QuotaState)}
_LEASE_FIELDS = [each.name for each in fields(Lease)]


def rate_and_burst(per_minute: float) -> tuple[float, float]:
    """The refill rate per second and the burst of a quota: in `t` seconds at most `burst + rate * t` passes."""
    burst = max(1.0, per_minute * BURST_SHARE)
    return max(per_minute - burst, per_minute * 0.1) / 60.0, burst


def _wait_s(per_minute: float | None, level: float, amount: float, factor: float, reserved_share: float) -> float:
    if per_minute is None:
        return 0.0
    rate, burst = rate_and_burst(per_minute)
    # A call larger than the burst starts when the bucket is full, and leaves a debt.
    missing = min(amount + burst * reserved_share, burst) - level
    return missing / (rate * factor) if missing > 1e-9 else 0.0


def _queue_wait_s(per_minute: float | None, level: float, amount: float, factor: float) -> float:
    return 0.0 if per_minute is None else max(0.0, amount - level) / (rate_and_burst(per_minute)[0] * factor)
