"""A provider's quota as a value: what was spent, what is out, what was learnt. Pure, and the same for every cluster.

Two buckets, requests and tokens, each with a burst of a quarter of the minute's quota and refilled with the other three
quarters, so that in no minute more than the quota passes: never more than `burst + rate * t`. A state nobody knows
begins with empty buckets, which is what makes a lost state slow but never dangerous. Times are seconds of one clock
shared by all who use the state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

BURST_SHARE = 0.25
#: After trouble the rate is halved, down to this share, and comes back in a straight line within this time.
MIN_FACTOR, RECOVERY_S = 1 / 16, 300.0
#: So many failures in a row open the circuit; each further failure of a probe doubles the pause.
FAILURES_TO_OPEN, PAUSE_S, MAX_PAUSE_S = 5, 15.0, 240.0
#: A limit a vendor named is believed for this long; every answer names it anew.
LEARNED_FOR_S = 86_400.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What is to be kept; None is no limit.

    A number that is only guessed gives way to the vendor's own, larger or smaller: so a higher tier is used without
    being configured. One that somebody set is a ceiling, under which the vendor's word still counts.
    """

    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_concurrent: int
    are_requests_guessed: bool = False
    are_tokens_guessed: bool = False


OutcomeKind = Literal["ok", "throttled", "down", "refused", "unused"]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call went. `unused`: it was never made. `tokens_used` None: what was reserved counts as used."""

    kind: OutcomeKind
    tokens_used: int | None = None
    retry_after_s: float = 0.0
    hints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """Granted, or what is in the way and how long, as far as one can tell."""

    wait_s: float = 0.0
    reason: str = ""

    @property
    def is_granted(self) -> bool:
        """Whether the call may go."""
        return not self.reason


@dataclass(slots=True)
class Lease:
    """A call that is out: until when it is believed to be, what it booked, since when.

    While the call `after` is out, this one has not begun.
    """

    expires_at: float
    tokens: float
    granted_at: float
    after: str = ""


@dataclass(slots=True)
class QuotaState:
    """Everything known. `factor` scales the rates and the concurrency."""

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

    @classmethod
    def from_json(cls, data: Mapping[str, Any], now: float) -> Self:
        """The stored state; empty, or one we cannot read, begins cold."""
        if "at" not in data or set(data) - _FIELDS:
            return cls(at=now)
        values: dict[str, Any] = {k: (-math.inf if v is None else v) for k, v in data.items()}
        values["leases"] = {name: Lease(**lease) for name, lease in data.get("leases", {}).items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; minus infinity, which JSON lacks, is null."""
        # Written at every change, with dozens of leases: `asdict` would take longer than PostgreSQL.
        values: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        leases = {name: {f: getattr(lease, f) for f in _LEASE_FIELDS} for name, lease in self.leases.items()}
        return {k: (None if v == -math.inf else v) for k, v in values.items()} | {"leases": leases}

    # --- moving on in time ---

    def advance(self, limit: RateLimit, now: float) -> None:
        """Refill up to `now`, and forget calls whose lease is over. Time never runs backwards."""
        now = max(now, self.at)
        passed = now - self.at
        # The factor at the beginning of the span is the smaller one: refilling by it errs on the safe side.
        factor = self.backoff_factor(self.at)
        rpm, tpm = self.limits(limit, self.at)
        if rpm is not None:
            rate, burst = _bucket(rpm)
            self.requests = min(burst, self.requests + rate * factor * passed)
        if tpm is not None:
            rate, burst = _bucket(tpm)
            self.tokens = min(burst, self.tokens + rate * factor * passed)
        self.at = now
        # What was learnt may be over, or a smaller limit may have been set: its burst holds from now on.
        rpm, tpm = self.limits(limit, now)
        if rpm is not None:
            self.requests = min(self.requests, _bucket(rpm)[1])
        if tpm is not None:
            self.tokens = min(self.tokens, _bucket(tpm)[1])
        for name in [name for name, lease in self.leases.items() if lease.expires_at <= now]:
            del self.leases[name]

    def backoff_factor(self, now: float) -> float:
        """Between MIN_FACTOR and 1, recovering slowly after trouble."""
        if self.factor_at == -math.inf:
            return 1.0
        return min(1.0, self.factor + max(0.0, now - self.factor_at) / RECOVERY_S)

    def limits(self, limit: RateLimit, now: float) -> tuple[float | None, float | None]:
        """Requests and tokens per minute: what is set, or what the vendor said lately where that counts for more."""
        learned = self.learned if now - self.learned_at < LEARNED_FOR_S else {}

        def agreed(ours: float | None, name: str, is_guess: bool) -> float | None:
            theirs = learned.get(name)
            if theirs is None or ours is None or is_guess:
                return ours if theirs is None else theirs
            return min(ours, theirs)

        return (
            agreed(limit.requests_per_minute, "requests_per_minute", limit.are_requests_guessed),
            agreed(limit.tokens_per_minute, "tokens_per_minute", limit.are_tokens_guessed),
        )

    # --- deciding ---

    def num_in_flight(self) -> int:
        """Calls that are out at once: of those that follow one another, one."""
        return sum(1 for lease in self.leases.values() if lease.after not in self.leases)

    def try_acquire(self, limit: RateLimit, permit_id: str, tokens: float, lease_s: float, after: str = "") -> Decision:
        """Let a call go now, or when the call `after` has ended, or say what is in the way. Call `advance` first."""
        now = self.at
        if self.open_until > now:
            return Decision(self.open_until - now, "circuit_open")
        if self.pauses and self.leases:
            # Half open: one probe at a time.
            return Decision(self._next_lease_end_s(), "circuit_open")
        if self.blocked_until > now:
            return Decision(self.blocked_until - now, "throttled")
        factor = self.backoff_factor(now)
        # Two calls cannot both follow the same one.
        is_next = after in self.leases and all(lease.after != after for lease in self.leases.values())
        if self.num_in_flight() - is_next >= max(1, math.floor(limit.max_concurrent * factor)):
            return Decision(self._next_lease_end_s(), "concurrency")
        rpm, tpm = self.limits(limit, now)
        waits = [_wait_s(rpm, self.requests, 1.0, factor), _wait_s(tpm, self.tokens, tokens, factor)]
        wait = max(waits)
        if wait > 0:
            return Decision(wait, "requests" if waits[0] == wait else "tokens")
        self.leases[permit_id] = Lease(now + lease_s, tokens, now, after if is_next else "")
        if rpm is not None:
            self.requests -= 1
        if tpm is not None:
            self.tokens -= tokens
        return Decision()

    def _next_lease_end_s(self) -> float:
        return max(0.05, min(lease.expires_at for lease in self.leases.values()) - self.at)

    def release(self, limit: RateLimit, permit_id: str, outcome: CallOutcome) -> None:
        """A call came back. Call `advance` first. A lease that is over already gives nothing back."""
        lease = self.leases.pop(permit_id, None)
        rpm, tpm = self.limits(limit, self.at)
        if lease is not None:
            back = lease.tokens if outcome.kind == "unused" else 0.0
            if outcome.tokens_used is not None:
                back = lease.tokens - outcome.tokens_used
            if tpm is not None:
                self.tokens = min(_bucket(tpm)[1], self.tokens + back)
            if outcome.kind == "unused" and rpm is not None:
                self.requests = min(_bucket(rpm)[1], self.requests + 1)
        self._update_from_response(limit, outcome, lease.granted_at if lease else self.at)

    def _update_from_response(self, limit: RateLimit, outcome: CallOutcome, granted_at: float) -> None:
        now = self.at
        if outcome.kind == "throttled":
            # Once per trouble: calls sent before the last halving tell of the same one.
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
        hints = outcome.hints
        if "requests_per_minute" in hints or "tokens_per_minute" in hints:
            named = {k: float(v) for k, v in hints.items() if k.endswith("_per_minute") and v > 0}
            self.learned = {**self.learned, **named}
            self.learned_at = now
        rpm, tpm = self.limits(limit, now)
        # What the vendor has left for us is the upper bound, whatever we thought.
        if rpm is not None and "requests_left" in hints:
            self.requests = min(self.requests, hints["requests_left"])
        if tpm is not None and "tokens_left" in hints:
            self.tokens = min(self.tokens, hints["tokens_left"])

    def estimated_wait_s(self, limit: RateLimit, num_requests: int, tokens: float) -> float:
        """Seconds until so much more could go, if all else goes well: what a refusal tells. Changes nothing."""
        now, factor = self.at, self.backoff_factor(self.at)
        rpm, tpm = self.limits(limit, now)
        wait = max(
            _queue_wait_s(rpm, self.requests, num_requests, factor), _queue_wait_s(tpm, self.tokens, tokens, factor)
        )
        return max(wait, self.open_until - now, self.blocked_until - now, 0.0)


_FIELDS = {each.name for each in fields(QuotaState)}
_LEASE_FIELDS = [each.name for each in fields(Lease)]


def _bucket(per_minute: float) -> tuple[float, float]:
    """Rate per second and burst."""
    burst = max(1.0, per_minute * BURST_SHARE)
    return max(per_minute - burst, per_minute * 0.1) / 60.0, burst


def _wait_s(per_minute: float | None, level: float, amount: float, factor: float) -> float:
    if per_minute is None:
        return 0.0
    rate, burst = _bucket(per_minute)
    # One call may be larger than the burst: it goes when the bucket is full, and leaves a debt.
    missing = min(amount, burst) - level
    return missing / (rate * factor) if missing > 1e-9 else 0.0


def _queue_wait_s(per_minute: float | None, level: float, amount: float, factor: float) -> float:
    return 0.0 if per_minute is None else max(0.0, amount - level) / (_bucket(per_minute)[0] * factor)


def rate_and_burst(per_minute: float) -> tuple[float, float]:
    """`(rate per second, burst)` of a quota: what a limiter promises never to exceed."""
    return _bucket(per_minute)
