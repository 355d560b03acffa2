"""Every advertised feature is enforced, and one rule decides which plan a user is on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from cluster.settings import Settings, with_changes
from models.billing.plans import PLAN_VERSIONS, PLANS, Plan, plan_in_version, version_sold_at
from tests.support.client import ApiUser, sign_up
from tests.support.completed_session import completed_session

Db = psycopg.AsyncConnection[Any]

SUBSCRIBE = """
    INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end, grace_until)
    VALUES (gen_random_uuid(), %(user)s, %(plan)s, %(status)s, now(), now() + interval '30 days', %(grace_until)s)
"""
OVERRIDE = """
    INSERT INTO plan_overrides (user_id, plan, reason, until) VALUES (%(user)s, %(plan)s, 'a test', %(until)s)
    ON CONFLICT (user_id) DO UPDATE SET plan = excluded.plan, until = excluded.until
"""


async def give(db: Db, user: ApiUser, plan: str, until: datetime | None = None) -> None:
    await db.execute(OVERRIDE, {"user": user.id, "plan": plan, "until": until})


async def subscribe(db: Db, user: ApiUser, plan: str, status: str = "active", grace_days: float | None = None) -> None:
    grace_until = None if grace_days is None else datetime.now(UTC) + timedelta(days=grace_days)
    await db.execute(SUBSCRIBE, {"user": user.id, "plan": plan, "status": status, "grace_until": grace_until})


async def plan_ids(db: Db, user: ApiUser, operator: ApiUser) -> set[str]:
    """The plan of a user according to everything that says it: the API, an operator's view, the stored bytes, SQL."""
    shown = (await user.ok("GET", "/v1/subscription"))["subscription"]["plan"]
    to_operator = (await operator.ok("GET", f"/v1/admin/users/{user.id}"))["user"]
    limit = (await user.ok("GET", "/v1/usage"))["usage"].get("storage_limit_bytes")
    by_limit = next(plan.id for plan in PLANS.values() if plan.storage_limit_bytes == limit)
    row = await (await db.execute("SELECT plan FROM plan_of_user(%s, 'free', now())", [user.id])).fetchone()
    assert row is not None
    return {shown["id"], to_operator["plan"], by_limit, row[0]}


@pytest.fixture
async def operator(api: httpx2.AsyncClient, db: Db) -> ApiUser:
    person = await sign_up(api)
    await db.execute("UPDATE users SET role = 'admin', email_verified_at = now() WHERE id = %s", [person.id])
    return person


async def map_priority(user: ApiUser, db: Db) -> int:
    """The priority of the map of a recording that the user stops."""
    session_id = await user.start()
    await user.ok("POST", f"/v1/sessions/{session_id}/stop")
    query = "SELECT priority FROM procrastinate_jobs WHERE args ->> 'session_id' = %s"
    row = await (await db.execute(query, [session_id])).fetchone()
    assert row is not None
    await db.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'session_id' = %s", [session_id])
    return int(row[0])


async def test_every_listed_feature_is_given_and_refused(api: httpx2.AsyncClient, ann: ApiUser, db: Db) -> None:
    session_id = await completed_session(ann, db)

    def exports(*formats: str) -> Callable[[], Awaitable[bool]]:
        async def can_export() -> bool:
            path = f"/v1/sessions/{session_id}/export"
            answers = [await ann.call("GET", path, params={"format": name}) for name in formats]
            assert {answer.status_code for answer in answers} in ({200}, {402}), [a.text[:100] for a in answers]
            return answers[0].status_code == 200

        return can_export

    async def can_use_keys() -> bool:
        made = await ann.call("POST", "/v1/auth/api-keys", json={"name": "key", "scopes": ["sessions:read"]})
        assert made.status_code in (201, 402)
        return made.status_code == 201

    async def precedes() -> bool:
        return await map_priority(ann, db) > 10

    can: dict[str, Callable[[], Awaitable[bool]]] = {
        "export_png": exports("png"),
        "export_svg": exports("svg"),
        "export_md": exports("markdown", "opml", "freemind"),
        "export_json": exports("json", "csv"),
        "api_access": can_use_keys,
        "priority_support": precedes,
    }
    plans = (await api.get("/v1/plans")).json()["plans"]
    assert set().union(*(plan["features"] for plan in plans)) == can.keys()
    for plan in plans:
        await give(db, ann, plan["id"])
        found = {name for name, check in can.items() if await check()}
        assert found == {name for name, is_included in plan["features"].items() if is_included}, plan["id"]


async def test_an_api_key_rests_while_the_plan_does_not_include_it(
    api: httpx2.AsyncClient, settings: Settings, ann: ApiUser, db: Db
) -> None:
    async def refusal(headers: dict[str, str]) -> dict[str, Any]:
        answer = await api.get("/v1/sessions", headers=headers)
        assert answer.status_code == 402, answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error

    await give(db, ann, "enterprise")
    body = {"name": "script", "scopes": ["sessions:read"]}
    keys = [await ann.ok("POST", "/v1/auth/api-keys", json=body) for _ in range(3)]
    first, second, third = ({"Authorization": f"Bearer {key['key']}"} for key in keys)
    assert (await api.get("/v1/sessions", headers=first)).status_code == 200
    await give(db, ann, "pro")
    # A key that was not used in the last seconds: the status of the other one is cached for ten of them.
    error = await refusal(second)
    assert error["code"] == "PLAN_UPGRADE_REQUIRED"
    assert "Enterprise" in error["message"]
    assert (await ann.call("POST", "/v1/auth/api-keys", json=body)).status_code == 402
    # They can still be seen and revoked.
    assert len((await ann.ok("GET", "/v1/auth/api-keys"))["api_keys"]) == 3
    assert (await ann.call("DELETE", f"/v1/auth/api-keys/{keys[0]['api_key']['id']}")).status_code == 204
    await give(db, ann, "enterprise")
    assert (await api.get("/v1/sessions", headers=third)).status_code == 200


@pytest.mark.parametrize(
    ("status", "grace_days", "expected"),
    [
        ("active", None, "pro"),
        ("trialing", None, "pro"),
        ("past_due", None, "pro"),
        ("past_due", 1, "pro"),
        ("past_due", -0.01, "free"),  # the last day of the time after a failed payment has passed
        ("unpaid", None, "free"),
        ("canceled", None, "free"),
        ("incomplete", None, "free"),
        ("paused", None, "free"),
    ],
)
async def test_everything_agrees_on_the_plan(
    ann: ApiUser, operator: ApiUser, db: Db, status: str, grace_days: float | None, expected: str
) -> None:
    await subscribe(db, ann, "pro", status, grace_days)
    assert await plan_ids(db, ann, operator) == {expected}
    assert await map_priority(ann, db) == {"pro": 20, "free": 10}[expected]
    # What an operator gave precedes what is paid for, until it ends.
    await give(db, ann, "enterprise", until=datetime.now(UTC) + timedelta(days=1))
    assert await plan_ids(db, ann, operator) == {"enterprise"}
    await give(db, ann, "enterprise", until=datetime.now(UTC) - timedelta(seconds=1))
    assert await plan_ids(db, ann, operator) == {expected}


def test_who_bought_a_version_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    changed_at = datetime(2027, 1, 1, tzinfo=UTC)
    changed = Plan("pro", "Pro", 1500, 400_000, 90, 5, version=2, sold_since=changed_at)
    monkeypatch.setattr("models.billing.plans.PLAN_VERSIONS", (*PLAN_VERSIONS, changed))
    monkeypatch.setitem(PLANS, "pro", changed)
    before = version_sold_at("pro", changed_at - timedelta(days=1))
    assert plan_in_version("pro", before).token_limit == 500_000
    assert plan_in_version("pro", version_sold_at("pro", changed_at)) == changed
    assert plan_in_version("pro", None) == changed
    assert plan_in_version("free", version_sold_at("free", changed_at)) == PLANS["free"]


@pytest.mark.parametrize(
    ("changes", "plan"),
    [
        ({"environment": "development"}, "enterprise"),
        ({"environment": "development", "default_plan": "free"}, "free"),
        ({"environment": "test"}, "free"),
        ({"environment": "development", "sells": True}, "free"),
        ({"environment": "development", "sells": True, "default_plan": "pro"}, "pro"),
    ],
)
def test_a_private_server_includes_everything(settings: Settings, changes: dict[str, Any], plan: str) -> None:
    if changes.pop("sells", False):
        changes |= {
            "stripe_secret_key": "sk_test_key",
            "stripe_webhook_secrets": "whsec_secret",
            "stripe_price_pro_monthly": "price_m",
            "stripe_price_pro_yearly": "price_y",
        }
    configured = with_changes(settings, **changes)
    assert configured.default_plan == plan
    assert f"the {PLANS[plan].name} plan" in configured.default_plan_note
    assert "TRAILMIND_DEFAULT_PLAN" in configured.default_plan_note
    # Only a server that sells plans says that another one can be bought.
    assert ("buy" in configured.default_plan_note) == (configured.billing.is_enabled and plan == "free")


async def test_plans_are_public_and_cached(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/plans")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
