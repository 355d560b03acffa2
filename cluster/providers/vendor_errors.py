"""What a vendor's status codes and headers mean to us; the same for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cluster.providers.protocol import ProviderDown, ProviderError, ProviderRefused, ProviderThrottled, RateHints

#: When a vendor throttles without saying for how long.
DEFAULT_RETRY_S = 5.0
MAX_RETRY_S = 600.0
_REFUSALS = {400: "bad_request", 401: "bad_key", 402: "no_credit", 403: "forbidden", 404: "no_such_model"}


def error_for(provider: str, status: int, headers: Mapping[str, str]) -> ProviderError:
    """The error a status becomes. The vendor's own sentence is left behind: it may repeat the prompt."""
    if status in (429, 529):
        wait = retry_after_s(headers)
        reason = "overloaded" if status == 529 else "rate_limited"
        return ProviderThrottled(provider, reason, wait if wait is not None else DEFAULT_RETRY_S, hints_in(headers))
    if status >= 500 or status == 408:
        return ProviderDown(provider, f"status_{status}")
    return ProviderRefused(provider, _REFUSALS.get(status, f"status_{status}"))


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds a vendor asks to wait: `retry-after-ms`, or `Retry-After` as seconds or as a date (RFC 9110)."""
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return min(max(exact / 1000, 0.0), MAX_RETRY_S)
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is None and given:
        try:
            at = parsedate_to_datetime(given)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_S)


def hints_in(headers: Mapping[str, str]) -> RateHints:
    """Our quota as the vendor sees it. OpenAI and its likes say `x-ratelimit-*`, Anthropic `anthropic-ratelimit-*`."""

    def find(what: str, kind: str) -> float | None:
        for name in (f"x-ratelimit-{what}-{kind}", f"anthropic-ratelimit-{kind}-{what}"):
            value = _number(headers.get(name))
            if value is not None and value >= 0:
                return value
        return None

    return RateHints(
        requests_per_minute=find("limit", "requests") or None,
        requests_left=find("remaining", "requests"),
        tokens_per_minute=find("limit", "tokens") or None,
        tokens_left=find("remaining", "tokens"),
    )


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\s*\d+(\.\d+)?\s*", text) else None
