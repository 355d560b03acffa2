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
#: Our reason → the codes of vendors: OpenAI, Azure, Anthropic, Google, DeepSeek, Moonshot, Alibaba, vLLM and proxies.
_REFUSAL_CODES: dict[str, frozenset[str]] = {
    "no_credit": frozenset(
        {
            "insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "insufficient_credits",
            "insufficient_balance", "insufficient_user_quota", "exceeded_current_quota_error", "payment_required",
            "credit_balance_too_low", "arrearage", "billing_error", "budget_exceeded", "access_terminated_error",
            "account_inactive",
        }
    ),
    "bad_key": frozenset(
        {
            "invalid_api_key", "authentication_error", "api_key_invalid", "unauthenticated", "incorrect_api_key",
            "invalid_authentication_error", "access_token_expired", "invalidapikey", "api_key_expired",
        }
    ),
    "forbidden": frozenset(
        {
            "permission_error", "permission_denied", "account_deactivated", "organization_deactivated",
            "unsupported_country_region_territory", "service_disabled", "model_access_denied", "forbidden",
            "user_location_not_supported", "api_key_service_blocked",
        }
    ),
    "no_such_model": frozenset(
        {
            "model_not_found", "deploymentnotfound", "modelnotfound", "model_not_available", "model_not_supported",
            "notfounderror", "unsupported_model", "model_not_found_error",
        }
    ),
}  # fmt: skip
#: Our reason → phrases of vendors that have no code for it. Texts of pages are not in these messages' beginnings.
_REFUSAL_MESSAGES = {
    "no_credit": re.compile(
        r"credit balance is too low|insufficient (?:balance|credits|funds|quota)|billing hard limit|check your billing"
        r"|余额不足|欠费|额度(?:不足|已用完)",
        re.IGNORECASE,
    ),
    "bad_key": re.compile(
        r"(?:invalid|incorrect|expired|not valid)[^.]{0,30}api key|api key (?:not valid|expired)", re.IGNORECASE
    ),
    "forbidden": re.compile(
        r"location is not supported|(?:account|organization)[^.]{0,30}(?:deactivated|disabled)", re.IGNORECASE
    ),
    "no_such_model": re.compile(
        r"\bmodels?\b[^\n]{0,120}(?:not found|does not exist|is not supported|no longer available|has been deprecated)",
        re.IGNORECASE,
    ),
}
#: OpenAI's words for an empty account. Gemini has the same for a quota per minute, with the status RESOURCE_EXHAUSTED.
_QUOTA_USED_UP = re.compile(r"exceeded your current quota", re.IGNORECASE)
#: A request that is larger than a minute's quota: no wait helps.
_LARGER_THAN_QUOTA = re.compile(r"request too large", re.IGNORECASE)
_UNSUPPORTED = re.compile(
    r"unsupported parameter|is not supported with this model|unrecognized (?:request )?argument|unknown parameter"
    r"|propert(?:y|ies) [^.]{0,60} (?:is|are) unsupported|extra inputs are not permitted",
    re.IGNORECASE,
)
_KNOWN_PARAMETERS = ("max_tokens", "max_completion_tokens", "temperature", "reasoning_effort")
_PARAMETER = re.compile("|".join(_KNOWN_PARAMETERS))
_REFUSALS = {400: "bad_request", 401: "bad_key", 402: "no_credit", 403: "forbidden", 404: "no_such_model"}


def error_from_status(provider: str, status: int, headers: Mapping[str, str], body: Any = None) -> ProviderError:
    """The error for a status code and the code in the body, which says more: vendors and proxies differ in statuses.

    The vendor's message is read for known phrases and then dropped, because it may repeat the prompt.
    """
    if (reason := refusal_in_body(body)) is not None:
        return ProviderRefused(provider, reason)
    # A 503 is an outage whatever its body says: the next provider is asked at once.
    if status in (429, 529) or (status != 503 and "overloaded_error" in _error_codes(body)):
        wait, hints = retry_after_s(headers), rate_limit_hints(headers)
        details = _error_details(body)
        if details:
            # Gemini sends in the body what the other vendors send in headers.
            wait = _first_delay_s(detail.get("retryDelay") for detail in details) if wait is None else wait
            hints = replace(hints, requests_per_minute=_quota_per_minute(details, "Requests"))
            hints = replace(hints, tokens_per_minute=_quota_per_minute(details, "Tokens"))
        reason = "rate_limited" if status == 429 else "overloaded"
        wait = DEFAULT_RETRY_S if wait is None else min(wait, MAX_RETRY_S)
        return ProviderThrottled(provider, reason, wait, hints)
    if status >= 500 or status == 408:
        return ProviderDown(provider, f"status_{status}")
    return ProviderRefused(provider, _REFUSALS.get(status, f"status_{status}"))


def refusal_in_body(body: Any) -> str | None:
    """Why the vendor refuses every further call, or which parameter it does not know (`no_max_tokens`); else None."""
    codes = _error_codes(body)
    for reason, known in _REFUSAL_CODES.items():
        if codes & known:
            return reason
    if _is_daily_quota(_error_details(body)):
        return "no_credit"
    message = _error_message(body)
    if _QUOTA_USED_UP.search(message) and "resource_exhausted" not in codes and not _error_details(body):
        return "no_credit"
    if _LARGER_THAN_QUOTA.search(message):
        return "bad_request"
    for reason, pattern in _REFUSAL_MESSAGES.items():
        if pattern.search(message):
            return reason
    return _unsupported_parameter(body, codes, message)


def _error_object(body: Any) -> Any:
    """The error of a body: in `error` (most vendors), or the body itself (SDKs unwrap it, vLLM does not wrap it)."""
    if isinstance(body, list) and body:
        body = body[0]
    return body.get("error", body) if isinstance(body, Mapping) else body


def _error_codes(body: Any) -> frozenset[str]:
    """The machine-readable codes of an error in lower case, wherever the vendor puts them."""
    error = _error_object(body)
    if not isinstance(error, Mapping):
        return frozenset()
    found = [error.get(name) for name in ("code", "type", "status", "reason")]
    found += [detail.get("reason") for detail in _error_details(body)]
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return frozenset(str(code).lower() for code in found if isinstance(code, str)) | _codes_in_text(raw)


def _codes_in_text(raw: Any) -> frozenset[str]:
    """The codes in an error that a proxy passes on as text (OpenRouter's `metadata.raw`)."""
    known = frozenset[str]().union(*_REFUSAL_CODES.values())
    return (
        frozenset(known & set(re.findall(r"[a-z_]{8,60}", raw[:4000].lower()))) if isinstance(raw, str) else frozenset()
    )


def _error_message(body: Any) -> str:
    error = _error_object(body)
    message = error.get("message") if isinstance(error, Mapping) else error
    detail = error.get("detail") if isinstance(error, Mapping) else None
    if isinstance(detail, list):
        # FastAPI's form of invalid requests: where and why.
        found = (item for item in detail[:5] if isinstance(item, Mapping))
        message = "; ".join(f"{item.get('msg')}: {item.get('loc')}" for item in found)
    return message[:2000] if isinstance(message, str) else ""


def _is_daily_quota(details: Sequence[Mapping[str, Any]]) -> bool:
    """Whether only a quota per day, or one of nothing, is exceeded: no wait within a map helps."""
    lists = [detail.get("violations") for detail in details]
    found = [item for each in lists if isinstance(each, list) for item in each if isinstance(item, Mapping)]
    names = [str(item.get("quotaId", "")) for item in found]
    is_daily = any("PerDay" in name for name in names) and not any("PerMinute" in name for name in names)
    return is_daily or any(str(item.get("quotaValue", "")) == "0" for item in found)


def _unsupported_parameter(body: Any, codes: frozenset[str], message: str) -> str | None:
    error = _error_object(body)
    name = error.get("param") if isinstance(error, Mapping) else None
    if "unsupported_value" in codes and name in ("temperature", "reasoning_effort"):
        # The model has one value only, which it takes without being told.
        return f"no_{name}"
    is_unsupported = bool(codes & {"unsupported_parameter", "unknown_parameter"}) or (
        _UNSUPPORTED.search(message) is not None
    )
    if not is_unsupported:
        return None
    if not isinstance(name, str):
        found = _PARAMETER.search(message)
        name = found.group() if found else None
    return f"no_{name}" if name in _KNOWN_PARAMETERS else None


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
