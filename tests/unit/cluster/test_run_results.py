"""The figures and charts of the report of a run."""

from __future__ import annotations

import re
import uuid
from typing import Any, get_args
from xml.etree import ElementTree as ET

import pytest

from cluster.analysis.charts import bar_chart, score_chart
from cluster.analysis.report_words import WORDS
from cluster.analysis.run_results import (
    most,
    num_changes,
    quantile,
    sample,
    score_figures,
    worst_change,
    worst_first,
)
from models.mindmap.diff import ChangeKind
from models.runs.parameters import SCORES
from models.runs.run_tables import ItemStatus, RunStatus


def item(position: int, before: float | None, after: float | None, **changes: Any) -> dict[str, Any]:
    """A map whose separation changes; `after` None is a map without a new version."""
    return {
        "session_id": uuid.UUID(int=position),
        "position": position,
        "status": "done" if after is not None else "failed",
        "base_version": 1,
        "version": 2 if after is not None else None,
        "scorecard_before": {"separation": before},
        "scorecard_after": {"separation": after} if after is not None else {},
        "changes": {"page_moved": position},
        "cost_micros": 0,
        **changes,
    }


ITEMS = [item(1, 0.5, 0.7), item(2, 0.5, 0.1), item(3, 0.5, None), item(4, None, 0.9), item(5, 0.5, 0.5)]


def test_scores_are_compared_where_both_are_known() -> None:
    separation = next(figures for figures in score_figures(ITEMS) if figures.score == "separation")
    assert (separation.before, separation.after) == ([0.5, 0.5, 0.5], [0.7, 0.1, 0.5])
    assert (separation.num_better, separation.num_worse) == (1, 1)
    lost = score_figures([item(1, 0.5, 0.7, scorecard_after={"separation": None})])
    assert next(figures for figures in lost if figures.score == "separation").after == [0.0], "as in the gates"


@pytest.mark.parametrize(("share", "value"), [(0.1, 1), (0.5, 5), (0.9, 9), (0.95, 10), (1.0, 10)])
def test_quantiles_are_nearest_ranks(share: float, value: int) -> None:
    assert quantile([10, 3, 2, 1, 4, 9, 5, 8, 7, 6], share) == value
    assert quantile([], share) is None


def test_failed_maps_are_the_worst_and_unknown_changes_the_last() -> None:
    assert [each["position"] for each in worst_first(ITEMS)] == [3, 2, 5, 1, 4]
    assert worst_change(ITEMS[1]) == ("separation", -0.4)
    assert worst_change(ITEMS[2]) is worst_change(ITEMS[3]) is None


def test_the_sample_reaches_from_the_worst_to_the_best() -> None:
    items = [item(n, 0.5, n / 20) for n in range(1, 12)]
    everyone = {each["session_id"] for each in items}
    assert [each["position"] for each in sample(items, everyone, 3)] == [1, 6, 11]
    assert [each["position"] for each in sample(items, everyone, 1)] == [1]
    assert sample(items, everyone, 0) == sample(items, set(), 3) == []
    assert len(sample(items, everyone, 50)) == 11
    first_map = item(1, None, 0.5, base_version=None)
    assert sample([first_map, ITEMS[2]], {each["session_id"] for each in (first_map, ITEMS[2])}, 3) == []


def test_the_most_expensive_maps_have_a_cost() -> None:
    items = [item(n, 0.5, 0.5, cost_micros=cost) for n, cost in enumerate((0, 7, 9), start=1)]
    assert [each["position"] for each in most(items, lambda each: each["cost_micros"], 5)] == [3, 2]


def test_changes_are_summed() -> None:
    assert num_changes(ITEMS[:2]) == {"page_moved": 3}


@pytest.mark.parametrize(
    ("before", "after", "reference"), [([], [], []), ([0.0, 1.0, 0.5], [1.0, 1.0, 0.2], [0.3]), ([0.1], [], [])]
)
def test_charts_are_well_formed_and_escape_texts(
    before: list[float], after: list[float], reference: list[float]
) -> None:
    hostile = "\"><script>alert('x')</script> 한글 & co"
    for chart in (
        score_chart(hostile, before, after, reference, (hostile, hostile, hostile)),
        bar_chart(hostile, [(hostile, value, hostile) for value in after]),
    ):
        root = ET.fromstring(chart)
        assert {element.tag for element in root.iter()} <= {"svg", "rect", "path", "text", "polyline"}
        assert root.get("aria-label") == hostile
        assert not re.search(r"nan|inf", chart.replace(hostile, ""))


def test_a_bar_is_as_long_as_its_share() -> None:
    root = ET.fromstring(score_chart("t", [0.0], [1.0, 1.0, 0.0, 0.0], [], ("b", "a", "")))
    heights: dict[str, list[float]] = {"after": [], "before": []}
    for element in root.iter("rect"):
        heights[element.get("class", "")].append(float(element.get("height", "0")))
    assert heights == {"after": [45.0, 45.0], "before": [90.0]}


def test_every_word_is_in_both_languages() -> None:
    assert WORDS["en"].keys() == WORDS["ko"].keys()
    names = (
        *(f"score_{score}" for score in SCORES),
        *(f"kind_{kind}" for kind in get_args(ChangeKind)),
        *(f"run_{status}" for status in RunStatus),
        *(f"item_{status}" for status in ItemStatus),
    )
    assert [name for name in names if name not in WORDS["en"]] == []
    for english, korean in zip(WORDS["en"].values(), WORDS["ko"].values(), strict=True):
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", korean))
