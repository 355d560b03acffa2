"""What a run is asked to do: which sessions, with which models and options, within which limits.

Pure values and their checks. A run stores its parameters as JSON, so that every process that works on it uses the same,
and so that a second start under the same name can be compared with the first.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.errors import BadRequest

#: The scores of `models.mindmap.document.Scorecard` that gates and selections compare. `continuity` is left out: it
#: measures how much a map has changed, which is what a run is for.
SCORES = ("grounding", "coverage", "attention", "separation", "stability")
Score = Literal["grounding", "coverage", "attention", "separation", "stability"]
Promotion = Literal["none", "gate", "all"]
MAX_RUN_ID_CHARS = 60
_RUN_ID = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_RUN_ID_CHARS}}}")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScoreBelow(_Frozen):
    """Maps whose `score` is known and below `value`."""

    score: Score
    value: float = Field(ge=0.0, le=1.0)


class Selection(_Frozen):
    """The finished sessions of a run: all of them, or those that meet every criterion that is set.

    `emails` ignores case. A session counts from `since` (inclusive) to `until` (exclusive) by its start.
    `pipeline_version` selects maps that this version of the pipeline or an older one has made. `provider` is the one
    that made the map shown.
    """

    emails: tuple[str, ...] = ()
    plan: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    session_ids: tuple[uuid.UUID, ...] = ()
    pipeline_version: int | None = None
    provider: str | None = None
    score_below: ScoreBelow | None = None
    limit: int | None = Field(default=None, ge=1)

    def parameters(self) -> dict[str, Any]:
        """By the names that the statements use."""
        return {
            "emails": [email.lower() for email in self.emails],
            "plan": self.plan,
            "since": self.since,
            "until": self.until,
            "session_ids": list(self.session_ids),
            "pipeline_version": self.pipeline_version,
            "provider": self.provider,
            "score": self.score_below.score if self.score_below else None,
            "score_below": self.score_below.value if self.score_below else None,
            "limit": self.limit,
        }


class Gates(_Frozen):
    """What stops a run. Shares and scores are in 0..1; None switches a gate off.

    `max_score_drop` is how far the mean of any score may fall, `max_failures` the share of failed items,
    `max_cost_micros_per_map` the mean cost, `max_edits_lost` the share of the users' edits that the new maps cannot
    keep although the maps before could.
    """

    max_score_drop: float | None = Field(default=0.05, ge=0.0, le=1.0)
    max_failures: float | None = Field(default=0.05, ge=0.0, le=1.0)
    max_cost_micros_per_map: int | None = Field(default=None, ge=0)
    max_edits_lost: float | None = Field(default=0.1, ge=0.0, le=1.0)


class RunParameters(_Frozen):
    """Everything that determines the result of a run. Budgets and the number of workers may change; these may not.

    `provider` is None for the configured model chains, `local` for no model, or a vendor; `model` is one of that
    vendor's models. `options` are options of the algorithm by name. `canary` is the share of the sessions that is
    processed first. With `force`, maps whose input is unchanged are made again too.
    """

    selection: Selection = Selection()
    provider: str | None = None
    model: str | None = None
    prompt_version: int
    pipeline_version: int
    options: dict[str, float] = Field(default_factory=dict)
    force: bool = False
    canary: float = Field(default=0.0, ge=0.0, le=1.0)
    gates: Gates = Gates()
    promotion: Promotion = "none"

    def to_json(self) -> dict[str, Any]:
        """The value that a run stores."""
        return self.model_dump(mode="json")


def differing_names(stored: Mapping[str, Any], requested: Mapping[str, Any]) -> list[str]:
    """The names of the parameters in which two stored values differ, those of groups with a dot."""
    names = []
    for name in sorted({*stored, *requested}):
        left, right = stored.get(name), requested.get(name)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            names += [f"{name}.{inner}" for inner in differing_names(left, right)]
        elif left != right:
            names.append(name)
    return names


def parse_share(text: str, what: str) -> float:
    """`1%` or `0.01` as a share. Raises BadRequest."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise BadRequest(f"{what}: “{text}” is not a share; write it as 1% or 0.01") from None
    if not 0.0 <= value <= 1.0:
        raise BadRequest(f"{what}: “{text}” is not between 0% and 100%")
    return value


def parse_score_below(text: str) -> ScoreBelow:
    """`separation<0.6` as a criterion. Raises BadRequest."""
    name, _, value = text.partition("<")
    try:
        number = float(value)
    except ValueError:
        raise BadRequest(f"--score: “{text}” is not a threshold; write it as separation<0.6") from None
    for score in SCORES:
        if score == name.strip():
            if not 0.0 <= number <= 1.0:
                raise BadRequest(f"--score: a score is between 0 and 1, not {number:g}")
            return ScoreBelow(score=score, value=number)
    raise BadRequest(f"--score: there is no score “{name.strip()}”; the scores are {', '.join(SCORES)}")


def check_run_id(run_id: str) -> str:
    """`run_id` itself. Raises BadRequest when it cannot name a run."""
    # A name of dots alone is not kept in an address.
    if not _RUN_ID.fullmatch(run_id) or not run_id.strip("."):
        raise BadRequest(
            f"“{run_id}” cannot name a run: use up to {MAX_RUN_ID_CHARS} letters, digits, dots, hyphens and"
            " underscores, and not only dots"
        )
    return run_id


def score_change(score: str, before: Mapping[str, float | None], after: Mapping[str, float | None]) -> float | None:
    """How much a score has changed; None when it was unknown before.

    A score that cannot be computed any more counts as lost: a map whose topics have become one has no separation.
    """
    old = before.get(score)
    return None if old is None else (after.get(score) or 0.0) - old
