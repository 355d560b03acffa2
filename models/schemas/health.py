"""Response bodies of the health checks."""

from __future__ import annotations

from typing import Literal

from models.schemas.base import Reply


class HealthReply(Reply):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadyReply(Reply):
    """Every part we need answers; `checks` maps each to `ok` or to a sentence."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
