"""The figures of a run: distributions, the slowest, worst and most expensive maps, and rows for Parquet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from models.runs.parameters import SCORES, score_change

#: The columns of `maps.parquet`, as DuckDB declares them.
COLUMNS: Final = (
    "session UUID, position INTEGER, status VARCHAR, attempts INTEGER, error VARCHAR, version_before INTEGER,"
    " version INTEGER, num_pages INTEGER, tokens BIGINT, cost_micros BIGINT, took_ms INTEGER, node VARCHAR,"
    " num_edits INTEGER, num_edits_lost_before INTEGER, num_edits_lost INTEGER,"
    " scores_before STRUCT({scores}), scores_after STRUCT({scores}),"
    " changes STRUCT(kind VARCHAR, number INTEGER)[], conflicts STRUCT(op VARCHAR, sentence VARCHAR)[],"
    " finished_at TIMESTAMPTZ"
).format(scores=", ".join(f"{score} DOUBLE" for score in SCORES))

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScoreFigures:
    """A score before and after, of the maps that have a new version and for which it was known before.

    A score that cannot be computed any more counts as 0, as in the gates.
    """

    score: str
    before: list[float]
    after: list[float]

    @property
    def num_better(self) -> int:
        """Maps whose score rose."""
        return sum(new > old for old, new in zip(self.before, self.after, strict=True))

    @property
    def num_worse(self) -> int:
        """Maps whose score fell."""
        return sum(new < old for old, new in zip(self.before, self.after, strict=True))


def score_figures(items: Sequence[Item]) -> list[ScoreFigures]:
    """The figures of every score."""
    figures = []
    for score in SCORES:
        known = [
            (item["scorecard_before"][score], item["scorecard_after"].get(score) or 0.0)
            for item in items
            if item["scorecard_after"] and item["scorecard_before"].get(score) is not None
        ]
        figures.append(ScoreFigures(score, [old for old, _ in known], [new for _, new in known]))
    return figures


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of the values do not exceed (nearest rank); None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def mean(values: Sequence[float]) -> float | None:
    """The mean; None without values."""
    return sum(values) / len(values) if values else None


def worst_change(item: Item) -> tuple[str, float] | None:
    """The score of a map that fell most, or rose least, and by how much; None without a new version."""
    if not item["scorecard_after"]:
        return None
    changes = [
        (change, score)
        for score in SCORES
        if (change := score_change(score, item["scorecard_before"], item["scorecard_after"])) is not None
    ]
    if not changes:
        return None
    change, score = min(changes)
    return score, change


def num_changes(items: Sequence[Item]) -> Counter[str]:
    """The numbers of changes by kind, over all maps."""
    total: Counter[str] = Counter()
    for item in items:
        total.update(item["changes"])
    return total


def worst_first(items: Sequence[Item]) -> list[Item]:
    """Failed maps first, then by the score that fell most; maps without a new version last."""

    def key(item: Item) -> tuple[bool, float, int]:
        change = worst_change(item)
        return item["status"] != "failed", change[1] if change else 2.0, item["position"]

    return sorted(items, key=key)


def most(items: Sequence[Item], value: Callable[[Item], float | None], limit: int) -> list[Item]:
    """The items with the highest values, without those that have none or 0."""
    known = [item for item in items if value(item)]
    return sorted(known, key=lambda item: (-(value(item) or 0.0), item["position"]))[:limit]


def sample(items: Sequence[Item], showable: Collection[UUID], limit: int) -> list[Item]:
    """Up to `limit` maps with a version before and after, spread evenly from the worst change to the best."""
    pairs = [
        item
        for item in worst_first(items)
        if item["session_id"] in showable and item["version"] is not None and item["base_version"] is not None
    ]
    if len(pairs) <= limit or limit < 2:
        return pairs[:limit]
    return [pairs[round(number * (len(pairs) - 1) / (limit - 1))] for number in range(limit)]


def parquet_row(item: Item, *, is_showable: bool) -> dict[str, Any]:
    """An item as a row of `maps.parquet`. Sentences about edits name topics, so that they need their user's consent."""
    return {
        "session": str(item["session_id"]),
        "position": item["position"],
        "status": item["status"],
        "attempts": item["attempts"],
        "error": item["error"],
        "version_before": item["base_version"],
        "version": item["version"],
        "num_pages": item["num_pages"],
        "tokens": item["tokens"],
        "cost_micros": item["cost_micros"],
        "took_ms": item["took_ms"],
        "node": item["node"],
        "num_edits": item["num_edits"],
        "num_edits_lost_before": item["num_edits_lost_before"],
        "num_edits_lost": item["num_edits_lost"],
        "scores_before": {score: item["scorecard_before"].get(score) for score in SCORES},
        "scores_after": {score: item["scorecard_after"].get(score) for score in SCORES},
        "changes": [{"kind": kind, "number": number} for kind, number in sorted(item["changes"].items())],
        "conflicts": [
            {"op": conflict["op"], "sentence": conflict["sentence"] if is_showable else None}
            for conflict in item["conflicts"]
        ],
        "finished_at": item["finished_at"],
    }
