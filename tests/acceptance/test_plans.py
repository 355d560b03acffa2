"""Acceptance checks 65 to 68: plans, subscription, usage."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import psycopg

from models.plans import FREE, PERIOD, PLANS, Standing, anchored_period, past_periods
from tests.support.client import Person


def _time(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


async def _book(db: psycopg.AsyncConnection[Any], user_id: str, tokens: int, at: datetime, operation: str) -> None:
    await db.execute(
        "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, counted_at)"
        " VALUES (%s, %s, %s, 'settle', %s, %s, %s)",
        [uuid.uuid4(), user_id, uuid.uuid4(), operation, tokens, at],
    )


async def test_65_everybody_has_a_subscription(ann: Person) -> None:
    found = (await ann.ok("GET", "/v1/subscription"))["subscription"]
    assert found["plan"]["id"] == "free"
    assert found["status"] == "active"
    assert found["cancel_at_period_end"] is False
    assert found["id"] == str(uuid.UUID(int=0))
    start, end = _time(found["current_period_start"]), _time(found["current_period_end"])
    assert end - start == timedelta(days=30)
    assert start == _time(ann.reply["user"]["created_at"])


async def test_66_three_plans(api: httpx.AsyncClient) -> None:
    plans = {p["id"]: p for p in (await api.get("/v1/subscription/plans")).json()["plans"]}
    assert list(plans) == ["free", "pro", "enterprise"]
    free, pro, enterprise = plans.values()
    assert (free["price_cents"], free["token_limit"], free["session_retention_days"]) == (0, 50_000, 30)
    assert (free["max_concurrent_sessions"], free["billing_period"]) == (1, "monthly")
    assert free["features"] == {"export_png": True}
    assert (pro["price_cents"], pro["token_limit"], pro["max_concurrent_sessions"]) == (1200, 500_000, 5)
    assert "session_retention_days" not in pro
    assert set(pro["features"]) == {"export_png", "export_svg", "export_md", "export_json", "priority_support"}
    assert not {"token_limit", "session_retention_days", "max_concurrent_sessions"} & enterprise.keys()
    assert {"api_access", "team_sharing", "sso", "custom_ai"} <= set(enterprise["features"])


async def test_67_usage_of_a_new_user(ann: Person) -> None:
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["tokens_used"], usage["token_limit"], usage["percent_used"]) == (0, 50_000, 0)
    assert (usage["is_unlimited"], usage["can_use_ai"], usage["by_operation"]) == (False, True, {})
    assert _time(usage["period_end"]) - _time(usage["period_start"]) == timedelta(days=30)


async def test_67_usage_is_the_sum_of_the_ledger(ann: Person, db: psycopg.AsyncConnection[Any]) -> None:
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


async def test_68_history_has_distinct_periods(ann: Person, db: psycopg.AsyncConnection[Any]) -> None:
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


async def test_a_paid_period_is_the_subscriptions(ann: Person, db: psycopg.AsyncConnection[Any]) -> None:
    await db.execute(
        "INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end)"
        " VALUES (gen_random_uuid(), %s, 'enterprise', 'active', now() - interval '3 days',"
        " now() + interval '27 days')",
        [ann.id],
    )
    usage = (await ann.ok("GET", "/v1/usage"))["usage"]
    assert (usage["is_unlimited"], usage["percent_used"], usage["can_use_ai"]) == (True, 0, True)
    assert usage["token_limit"] == FREE.token_limit  # what the clients expect beside `is_unlimited`


def test_periods_never_stop_and_never_repeat() -> None:
    joined = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    for days in (0, 1, 29, 30, 31, 400):
        start, end = anchored_period(joined, joined + timedelta(days=days))
        assert start <= joined + timedelta(days=days) < end
        assert (start - joined) % PERIOD == timedelta(0)
    standing = Standing(PLANS["free"], "active", *anchored_period(joined, joined + timedelta(days=100)))
    periods = past_periods(standing, joined, 24)
    assert len(periods) == 4
    assert periods[-1][0] == joined
