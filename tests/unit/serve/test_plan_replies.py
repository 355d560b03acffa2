"""What a server says about the limits of its plans."""

from __future__ import annotations

from cluster.settings import Settings, load_settings
from models.billing.plans import PLANS
from serve.routes.usage import plan_reply


def _limits(settings: Settings) -> dict[str, tuple[int | None, int | None]]:
    replies = (plan_reply(plan, settings) for plan in PLANS.values())
    return {reply.id: (reply.session_retention_days, reply.max_concurrent_sessions) for reply in replies}


def test_a_plan_has_the_limits_that_the_server_enforces() -> None:
    enforcing = load_settings(session_limits=True, session_retention=True)
    assert _limits(enforcing) == {"free": (30, 1), "pro": (None, 5), "enterprise": (None, None)}
    assert set(_limits(load_settings(session_limits=True, session_retention=False)).values()) == {
        (None, 1),
        (None, 5),
        (None, None),
    }
    assert set(_limits(load_settings(session_limits=False, session_retention=False)).values()) == {(None, None)}
