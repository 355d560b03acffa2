"""The held-out part of the map exam: a change that lowers one of its figures fails here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tests.map_exam.report
from tests.map_exam.report import report
from tests.map_exam.rubric import wording_faults
from tests.map_exam.sessions import DEVELOPMENT, HELD_OUT, exam_sessions

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


def graded_labels() -> list[tuple[str, ...]]:
    """Session, kind, grade ("good", "fine", "odd" or "wrong"), label, label of the topic, numbers of the pages."""
    text = Path(tests.map_exam.report.__file__).with_name("graded_labels.txt").read_text("utf-8")
    return [tuple(line.split("\t")) for line in text.splitlines()]


def test_the_rubric_agrees_with_labels_that_were_graded_one_by_one() -> None:
    sessions = {f"{session.flavour} {session.number}": session for session in exam_sessions(DEVELOPMENT)}
    agreed: dict[str, list[bool]] = {"topic": [], "subtopic": []}
    shares: list[tuple[bool, bool]] = []
    for name, kind, grade, label, parent, numbers in graded_labels():
        pages = [sessions[name].pages[int(number)] for number in numbers.split()]
        passes = not wording_faults(label, pages, sessions[name], parent)
        is_accepted = grade in ("good", "fine")
        agreed[kind].append(passes == is_accepted)
        shares.append((passes, is_accepted))
    assert len(shares) >= 300
    assert sum(agreed["topic"]) / len(agreed["topic"]) >= 0.88
    assert sum(agreed["subtopic"]) / len(agreed["subtopic"]) >= 0.75
    # The rubric is neither kinder nor stricter than the reader.
    assert abs(sum(p for p, _ in shares) - sum(a for _, a in shares)) <= 0.05 * len(shares)
