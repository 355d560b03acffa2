"""Plans, subscriptions, usage."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import httpx2
import psycopg
import pytest

from models.billing.periods import FREE_PERIOD, BillingCycle, PlanPhase, free_cycle, merged_periods
from models.billing.plans import FREE
from tests.support.client import ApiUser


def _time(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


async def _book(db: psycopg.AsyncConnection[Any], user_id: str, tokens: int, at: datetime, operation: str) -> None:
    await db.execute(
        "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, counted_at)"
        " VALUES (%s, %s, %s, 'settle', %s, %s, %s)",
        [uuid.uuid4(), user_id, uuid.uuid4(), operation, tokens, at],
    )


async def test_every_user_has_a_subscription(ann: ApiUser) -> None:
    starts = (await ann.ok("GET", "/v1/subscription"))["subscription"]
    assert starts["plan"]["id"] == "free"
    assert starts["status"] == "active"
    assert starts["cancel_at_period_end"] is False
    assert starts["id"] == str(uuid.UUID(int=0))
    start, end = _time(starts["current_period_start"]), _time(starts["current_period_end"])
    assert end - start == timedelta(days=30)
    assert start == _time(ann.reply["user"]["created_at"])


async def test_three_plans(api: httpx2.AsyncClient) -> None:
    listed = (await api.get("/v1/plans")).json()
    assert (await api.get("/v1/subscription/plans")).json() == listed  # the path of v1 clients
    plans = {p["id"]: p for p in listed["plans"]}
    assert list(plans) == ["free", "pro", "enterprise"]
    free, pro, enterprise = plans.values()
    assert (free["price_cents"], free["token_limit"], free["billing_period"]) == (0, 50_000, "monthly")
    assert free["features"] == {"export_png": True}
    assert (pro["price_cents"], pro["token_limit"], pro["yearly_price_cents"]) == (1200, 500_000, 11_500)
    assert set(pro["features"]) == {"export_png", "export_svg", "export_md", "export_json", "priority_support"}
    assert "token_limit" not in enterprise
    # This server deletes no old sessions and refuses no recording, so it promises neither.
    assert not any({"session_retention_days", "max_concurrent_sessions"} & plan.keys() for plan in plans.values())
    # v1 also listed team sharing, single sign-on and own AI models, which never existed.
    assert set(enterprise["features"]) == {*pro["features"], "api_access"}


async def test_usage_of_a_new_user(ann: ApiUser) -> None:
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["tokens_used"], usage["token_limit"], usage["percent_used"]) == (0, 50_000, 0)
    assert (usage["is_unlimited"], usage["can_use_ai"], usage["by_operation"]) == (False, True, {})
    assert _time(usage["period_end"]) - _time(usage["period_start"]) == timedelta(days=30)


async def test_usage_is_the_sum_of_the_ledger(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    now = datetime.now(UTC)
    await _book(db, ann.id, 30_000, now, "mindmap")
    await _book(db, ann.id, 5_000, now, "summarize")
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["tokens_used"], usage["percent_used"]) == (35_000, 70)
    assert usage["by_operation"] == {"mindmap": 30_000, "summarize": 5_000}
    assert usage["can_use_ai"] is True
    await _book(db, ann.id, 15_000, now, "mindmap")
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["percent_used"], usage["can_use_ai"]) == (100, False)


async def test_usage_history_has_distinct_periods(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    joined = datetime.now(UTC) - timedelta(days=95)
    await db.execute("UPDATE users SET created_at = %s WHERE id = %s", [joined, ann.id])
    await _book(db, ann.id, 100, joined + timedelta(days=31), "mindmap")
    await _book(db, ann.id, 7, datetime.now(UTC), "mindmap")
    history = (await ann.ok("GET", "/v1/usage/history", params={"months": 6}))["history"]
    assert [h["tokens_used"] for h in history] == [7, 0, 100, 0]
    starts = [_time(h["period_start"]) for h in history]
    assert len(set(starts)) == 4
    assert starts == sorted(starts, reverse=True)
    assert all(later["period_start"] == earlier["period_end"] for later, earlier in pairwise(history))
    assert len((await ann.ok("GET", "/v1/usage/history", params={"months": 2}))["history"]) == 2
    for months in ("0", "25", "-1", "x"):
        assert (await ann.call("GET", "/v1/usage/history", params={"months": months})).status_code == 400


async def test_a_paid_period_is_that_of_the_subscription(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    await db.execute(
        "INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end)"
        " VALUES (gen_random_uuid(), %s, 'enterprise', 'active', now() - interval '3 days',"
        " now() + interval '27 days')",
        [ann.id],
    )
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["is_unlimited"], usage["percent_used"], usage["can_use_ai"]) == (True, 0, True)
    assert usage["token_limit"] == FREE.token_limit  # what the clients expect beside `is_unlimited`


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Thirty days from a day in November are a month by chance.
@pytest.mark.parametrize("joined", [datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC)])
def test_free_periods_are_thirty_days_from_sign_up(joined: datetime) -> None:
    cycle = free_cycle(joined)
    for days in (0, 1, 29, 30, 31, 400):
        start, end = cycle.period(cycle.period_number_at(joined + timedelta(days=days)))
        assert start <= joined + timedelta(days=days) < end
        assert (start - joined) % FREE_PERIOD == timedelta(0)
        assert end - start == FREE_PERIOD
    now = joined + timedelta(days=100)
    periods = merged_periods([PlanPhase(cycle, joined)], now, 24)
    assert len(periods) == 4
    assert periods[-1][0] == joined


@pytest.mark.parametrize(
    ("known", "days"),
    [
        # The 31st after a short month, for each known period.
        (("2026-01-31", "2026-02-28"), ["2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31"]),
        (("2026-02-28", "2026-03-31"), ["2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        (("2026-04-30", "2026-05-31"), ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]),
        # A leap year.
        (("2028-01-30", "2028-02-29"), ["2027-11-30", "2027-12-30", "2028-01-30", "2028-02-29", "2028-03-30"]),
        (("2028-02-29", "2028-03-29"), ["2027-12-29", "2028-01-29", "2028-02-29", "2028-03-29", "2028-04-29"]),
        # Around the end of a year, and a yearly plan: tokens are counted per month.
        (("2026-12-15", "2027-01-15"), ["2026-10-15", "2026-11-15", "2026-12-15", "2027-01-15", "2027-02-15"]),
        (("2026-03-31", "2027-03-31"), ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        # A trial of two weeks, then periods of thirty days.
        (("2026-03-01", "2026-03-15"), ["2025-12-31", "2026-01-30", "2026-03-01", "2026-03-15", "2026-04-14"]),
    ],
)
@pytest.mark.parametrize("zone", [timedelta(0), timedelta(hours=9), timedelta(hours=-8)])
def test_paid_periods_follow_the_calendar(known: tuple[str, str], days: list[str], zone: timedelta) -> None:
    """In every time zone of the database connection."""
    start, end = (_utc(day + "T23:30:00").astimezone(timezone(zone)) for day in known)
    cycle = BillingCycle(start, end)
    starts = [cycle.period(number)[0] for number in range(-2, 3)]
    assert starts == [_utc(day + "T23:30:00") for day in days]
    assert all(cycle.period(number)[1] == cycle.period(number + 1)[0] for number in range(-30, 30))
    for number in range(-30, 30):
        first, last = cycle.period(number)
        assert cycle.period_number_at(first) == cycle.period_number_at(last - timedelta(microseconds=1)) == number


async def test_history_through_an_upgrade_and_a_downgrade(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    """Free, two paid months, free again: every token is in exactly one period, and the free limit starts anew."""
    now = datetime.now(UTC).replace(microsecond=0)
    joined, upgraded, ended = now - timedelta(days=110), now - timedelta(days=70), now - timedelta(days=10)
    await db.execute("UPDATE users SET created_at = %s WHERE id = %s", [joined, ann.id])
    await db.execute(
        "INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end, created_at,"
        " updated_at) VALUES (gen_random_uuid(), %s, 'pro', 'canceled', %s, %s, %s, %s)",
        [ann.id, ended - FREE_PERIOD, ended, upgraded, ended],
    )
    spent = {5: 0, 20: 400_000, 50: 300_000, 75: 9_000, 105: 40_000}
    for days, tokens in spent.items():
        if tokens:
            await _book(db, ann.id, tokens, now - timedelta(days=days), "mindmap")
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["tokens_used"], usage["can_use_ai"]) == (0, True)
    assert _time(usage["period_start"]) == ended
    history = (await ann.ok("GET", "/v1/usage/history", params={"months": 24}))["history"]
    assert [h["tokens_used"] for h in history] == [0, 400_000, 300_000, 9_000, 40_000]
    assert all(later["period_start"] == earlier["period_end"] for later, earlier in pairwise(history))
    assert _time(history[-1]["period_start"]) == joined
    assert _time(history[2]["period_start"]) == upgraded
