"""Whether the results of a run so far are good enough to go on, and whether a single map is good enough to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.runs.parameters import SCORES, Gates, score_change

#: After the canary, the gates are applied from so many results on: a single failure among few is chance.
MIN_RESULTS = 20
#: Differences below this are rounding.
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class ItemFigures:
    """The figures of a processed item that gates compare. `is_failed` items have no other figure but their cost."""

    is_failed: bool = False
    scorecard_before: Mapping[str, float | None] = field(default_factory=dict)
    scorecard_after: Mapping[str, float | None] = field(default_factory=dict)
    cost_micros: int = 0
    num_edits: int = 0
    num_edits_lost_before: int = 0
    num_edits_lost: int = 0

    @property
    def num_edits_newly_lost(self) -> int:
        """Edits that the map before could keep and the new one cannot."""
        return max(0, self.num_edits_lost - self.num_edits_lost_before)


def gate_problem(gates: Gates, items: Sequence[ItemFigures]) -> str | None:
    """The sentence of the first gate that `items` do not pass; None when they pass all, or when there are none."""
    if not items:
        return None
    num_failed = sum(item.is_failed for item in items)
    if gates.max_failures is not None and num_failed > gates.max_failures * len(items) + _EPSILON:
        return f"{num_failed} of {len(items)} maps failed, more than {gates.max_failures:.1%}"
    if gates.max_score_drop is not None:
        for score in SCORES:
            changes = _changes(score, items)
            mean = sum(changes) / len(changes) if changes else 0.0
            if mean < -gates.max_score_drop - _EPSILON:
                return f"the mean {score} fell by {-mean:.3f}, more than {gates.max_score_drop:g}"
    if gates.max_cost_micros_per_map is not None:
        mean_cost = sum(item.cost_micros for item in items) / len(items)
        if mean_cost > gates.max_cost_micros_per_map:
            limit = gates.max_cost_micros_per_map / 1e6
            return f"a map costs ${mean_cost / 1e6:.4f} in the mean, more than ${limit:.4f}"
    num_edits = sum(item.num_edits for item in items)
    num_lost = sum(item.num_edits_newly_lost for item in items)
    if gates.max_edits_lost is not None and num_lost > gates.max_edits_lost * num_edits + _EPSILON:
        return f"{num_lost} of {num_edits} edits do not fit the new maps, more than {gates.max_edits_lost:.1%}"
    return None


def _changes(score: str, items: Sequence[ItemFigures]) -> list[float]:
    """The changes of a score in the maps that have a new version."""
    changes = (
        score_change(score, item.scorecard_before, item.scorecard_after) for item in items if item.scorecard_after
    )
    return [change for change in changes if change is not None]


def passes_gates(gates: Gates, item: ItemFigures) -> bool:
    """Whether a single map may be shown: its scores and its edits are within the gates."""
    if gates.max_score_drop is not None and any(
        change < -gates.max_score_drop - _EPSILON for score in SCORES for change in _changes(score, [item])
    ):
        return False
    return gates.max_edits_lost is None or item.num_edits_newly_lost <= gates.max_edits_lost * item.num_edits + _EPSILON
