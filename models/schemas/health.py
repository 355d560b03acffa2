"""Response bodies of the health checks."""

from __future__ import annotations

from typing import Literal

from models.schemas.base import Reply


class HealthReply(Reply):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class ReadyReply(Reply):
    """The state of every dependency: `checks` maps each to `ok` or to a sentence."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
