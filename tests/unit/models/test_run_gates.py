"""Gates, options and names of regeneration runs."""

from __future__ import annotations

import pytest

from models.errors import BadRequest
from models.runs.gates import ItemFigures, gate_problem, passes_gates
from models.runs.parameters import (
    Gates,
    ScoreBelow,
    check_run_id,
    differing_names,
    parse_score_below,
    parse_share,
)

GOOD = ItemFigures(scorecard_before={"separation": 0.8}, scorecard_after={"separation": 0.8, "stability": 0.1})
WORSE = ItemFigures(scorecard_before={"separation": 0.8}, scorecard_after={"separation": 0.6})
LOST = ItemFigures(scorecard_before={"separation": 0.8}, scorecard_after={"separation": None})
FAILED = ItemFigures(is_failed=True)
UNCHANGED = ItemFigures()


@pytest.mark.parametrize(
    ("items", "gates", "problem"),
    [
        ([], Gates(), None),
        ([GOOD, UNCHANGED], Gates(), None),
        ([GOOD, WORSE], Gates(), "the mean separation fell by 0.100, more than 0.05"),
        ([GOOD] * 4 + [WORSE], Gates(), None),
        ([GOOD, LOST], Gates(), "the mean separation fell by 0.400, more than 0.05"),
        ([WORSE, LOST], Gates(max_score_drop=None), None),
        ([GOOD, FAILED], Gates(), "1 of 2 maps failed, more than 5.0%"),
        ([GOOD, FAILED], Gates(max_failures=0.5), None),
        ([ItemFigures(cost_micros=30_000)] * 2, Gates(max_cost_micros_per_map=30_000), None),
        (
            [ItemFigures(cost_micros=40_000), UNCHANGED],
            Gates(max_cost_micros_per_map=10_000),
            "a map costs $0.0200 in the mean, more than $0.0100",
        ),
        (
            [ItemFigures(num_edits=4, num_edits_lost=2, num_edits_lost_before=1), ItemFigures(num_edits=1)],
            Gates(),
            "1 of 5 edits do not fit the new maps, more than 10.0%",
        ),
        ([ItemFigures(num_edits=4, num_edits_lost=2, num_edits_lost_before=2)], Gates(), None),
    ],
)
def test_a_gate_names_what_it_stops(items: list[ItemFigures], gates: Gates, problem: str | None) -> None:
    assert gate_problem(gates, items) == problem


def test_a_single_map_passes_by_its_scores_and_edits() -> None:
    assert passes_gates(Gates(), GOOD)
    assert passes_gates(Gates(), UNCHANGED)
    assert not passes_gates(Gates(), WORSE)
    assert not passes_gates(Gates(), LOST)
    assert passes_gates(Gates(max_score_drop=0.3), WORSE)
    assert not passes_gates(Gates(), ItemFigures(num_edits=1, num_edits_lost=1))


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.25", 0.25), ("100%", 1.0), ("0", 0.0)])
def test_a_share_is_read(text: str, share: float) -> None:
    assert parse_share(text, "--canary") == share


@pytest.mark.parametrize("text", ["", "one", "101%", "-1%", "nan", "2"])
def test_no_share_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="--canary: "):
        parse_share(text, "--canary")


def test_a_threshold_is_read() -> None:
    assert parse_score_below("separation<0.6") == ScoreBelow(score="separation", value=0.6)


@pytest.mark.parametrize("text", ["separation", "separation<", "beauty<0.5", "grounding<7", "grounding<nan"])
def test_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="--score: "):
        parse_score_below(text)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 61, "é", "a\n", ".", ".."])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="cannot name a run"):
        check_run_id(name)


def test_differences_are_named() -> None:
    assert differing_names({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4, "d": 3}, "e": 5}) == ["b.c", "e"]
