"""Translates the status codes and rate-limit headers of all vendors.

Retry-After is defined by RFC 9110, section 10.2.3. The rate-limit headers predate the IETF draft for RateLimit fields
(draft-ietf-httpapi-ratelimit-headers) and differ from it in names and units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cluster.providers.types import ProviderDown, ProviderError, ProviderRefused, ProviderThrottled, RateLimitHints

#: The wait when a vendor throttles without a Retry-After.
DEFAULT_RETRY_S = 5.0
MAX_RETRY_S = 600.0
_REFUSALS = {400: "bad_request", 401: "bad_key", 402: "no_credit", 403: "forbidden", 404: "no_such_model"}


def error_from_status(provider: str, status: int, headers: Mapping[str, str], body: Any = None) -> ProviderError:
    """The error for a status code. The vendor's message is dropped, because it may repeat the prompt."""
    if status in (429, 529):
        wait, hints = retry_after_s(headers), rate_limit_hints(headers)
        details = _error_details(body)
        if details:
            # Gemini sends in the body what the other vendors send in headers.
            wait = _first_delay_s(detail.get("retryDelay") for detail in details) if wait is None else wait
            hints = replace(hints, requests_per_minute=_quota_per_minute(details, "Requests"))
            hints = replace(hints, tokens_per_minute=_quota_per_minute(details, "Tokens"))
        reason = "overloaded" if status == 529 else "rate_limited"
        wait = DEFAULT_RETRY_S if wait is None else min(wait, MAX_RETRY_S)
        return ProviderThrottled(provider, reason, wait, hints)
    if status >= 500 or status == 408:
        return ProviderDown(provider, f"status_{status}")
    return ProviderRefused(provider, _REFUSALS.get(status, f"status_{status}"))


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait of `retry-after-ms`, or of `Retry-After` as seconds or HTTP date (RFC 9110); None without a valid one.

    At most MAX_RETRY_S, so that a mistake of a vendor does not block a provider for hours.
    """
    exact = _parse_number(headers.get("retry-after-ms"))
    if exact is not None:
        return min(max(exact / 1000, 0.0), MAX_RETRY_S)
    value = headers.get("retry-after")
    seconds = _parse_number(value)
    if seconds is None and value:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_S)


def rate_limit_hints(headers: Mapping[str, str], now: datetime | None = None) -> RateLimitHints:
    """Our quota by the headers `x-ratelimit-*` (OpenAI and compatible servers) or `anthropic-ratelimit-*`."""

    def header(what: str, kind: str) -> str | None:
        return headers.get(f"x-ratelimit-{what}-{kind}") or headers.get(f"anthropic-ratelimit-{kind}-{what}")

    def per_minute(kind: str) -> float | None:
        limit, left = _parse_number(header("limit", kind)), _parse_number(header("remaining", kind))
        resets_in = _seconds_until(header("reset", kind), now)
        if not limit:
            return None
        if left is not None and resets_in is not None:
            # On small tiers the same header names the quota per day, which takes longer to refill than one per minute.
            refill_s = 60 * max(0.0, limit - left) / limit
            if resets_in > 5 * refill_s + 3:
                return None
        return limit

    return RateLimitHints(
        requests_per_minute=per_minute("requests"),
        requests_left=_parse_number(header("remaining", "requests")),
        tokens_per_minute=per_minute("tokens"),
        tokens_left=_parse_number(header("remaining", "tokens")),
    )


def _seconds_until(text: str | None, now: datetime | None) -> float | None:
    """The seconds until a reset: `6m0s` or `120ms` (OpenAI), plain seconds, or an ISO timestamp (Anthropic)."""
    if not text:
        return None
    number = _parse_number(text)
    if number is not None:
        return number
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[dhms])", text)
    if parts and "".join(a + b for a, b in parts) == text.strip():
        seconds = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
        return sum(float(amount) * seconds[unit] for amount, unit in parts)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at - (now or datetime.now(UTC))).total_seconds()


def _error_details(body: Any) -> list[Mapping[str, Any]]:
    """The details of an error in Google's format (google.rpc.Status)."""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []


def _first_delay_s(delays: Iterable[Any]) -> float | None:
    seconds = (_seconds_until(delay, None) for delay in delays if isinstance(delay, str))
    return next((max(0.0, delay) for delay in seconds if delay is not None), None)


def _quota_per_minute(details: Sequence[Mapping[str, Any]], what: str) -> float | None:
    """The exceeded quota per minute of `what`, e.g. by `GenerateRequestsPerMinutePerProjectPerModel`."""
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else []:
            name = str(violation.get("quotaId", "")) if isinstance(violation, Mapping) else ""
            if what in name and "PerMinute" in name:
                return _parse_number(str(violation.get("quotaValue", ""))) or None
    return None


def _parse_number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\s*\d+(\.\d+)?\s*", text) else None
