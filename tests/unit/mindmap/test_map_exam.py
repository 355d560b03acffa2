"""The held-out part of the map exam: a change that lowers one of its figures fails here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tests.map_exam.report
from tests.map_exam.report import report
from tests.map_exam.sessions import HELD_OUT, exam_sessions

FLOORS = json.loads(Path(tests.map_exam.report.__file__).with_name("floors.json").read_text("utf-8"))


@pytest.mark.parametrize("flavour", sorted(FLOORS))
def test_held_out_figures_do_not_fall(flavour: str) -> None:
    figures = report(HELD_OUT, [flavour])["all"]
    assert isinstance(figures, dict)
    low = {name: (figures[name], floor) for name, floor in FLOORS[flavour].items() if figures[name] < floor}
    assert not low, f"below the floor in tests/map_exam/floors.json: {low}"


def test_the_exam_has_sessions_of_every_flavour() -> None:
    sessions = exam_sessions(HELD_OUT)
    assert len(sessions) >= 60
    assert all(session.flavour in FLOORS for session in sessions)
    assert all(len(session.pages) >= 2 for session in sessions)
