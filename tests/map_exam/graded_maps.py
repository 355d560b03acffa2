"""How far the checks of the rubric agree with a reader of whole maps.

    python -m tests.map_exam.graded_maps

`graded_maps.txt` has what a reader who had not built the maps said about those of 27 held-out sessions, made by the
ninth version of the pipeline. A line has the part of the exam, the session, the kind, the grade, the label (of a page:
its own), the label of the topic above a sub-topic, the numbers of the pages, and the graded sentence. Labels and
descriptions are "good", "fine", "odd" or "wrong"; quotes bear the label out ("yes" or "no"); pages belong together
("yes", "mostly" or "no").
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cluster.mindmap.outline.label_checks import description_problems
from cluster.mindmap.pages.evidence import label_halves, quote_problems
from models.recording.pages import CapturedPage
from tests.map_exam.rubric import topic_wording_faults, wording_faults
from tests.map_exam.sessions import HELD_OUT_PARTS, ExamSession, exam_sessions

ACCEPTED = frozenset(("good", "fine", "yes"))


@dataclass(frozen=True, slots=True)
class Graded:
    """One label, description or quote that was graded, with the session and the pages that it is about."""

    kind: str
    grade: str
    label: str
    parent: str
    text: str
    pages: tuple[CapturedPage, ...]
    session: ExamSession


def _quote_faults(graded: Graded) -> list[str]:
    quote, _, field = graded.text.rpartition("  (")
    return min((quote_problems(half, quote, field.rstrip(")")) for half in label_halves(graded.label)), key=len)


#: The faults that the rubric finds, by the kind of what was graded.
CHECKS: dict[str, Callable[[Graded], list[str]]] = {
    "topic": lambda graded: wording_faults(graded.label, graded.pages, graded.session),
    "sub-topic": lambda graded: wording_faults(graded.label, graded.pages, graded.session, graded.parent),
    # The maps of that time named no pages in descriptions.
    "topic description": lambda graded: topic_wording_faults(graded.label, graded.text, graded.pages, num_named=0),
    "page description": lambda graded: description_problems(graded.text),
    "quote": _quote_faults,
}


@cache
def graded_maps() -> tuple[Graded, ...]:
    """Everything that the reader graded. Read once: the sessions of the exam are composed for it."""
    sessions = {(part, f"{s.flavour} {s.number}"): s for part in HELD_OUT_PARTS for s in exam_sessions(part)}
    found = []
    for line in Path(__file__).with_name("graded_maps.txt").read_text("utf-8").splitlines():
        part, name, kind, grade, label, parent, numbers, text = line.split("\t")
        session = sessions[part, name]
        pages = tuple(session.pages[int(number)] for number in numbers.split())
        found.append(Graded(kind, grade, label, parent, text, pages, session))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of one kind were graded, passed the checks, were accepted by the reader, and both."""

    graded: int
    passed: int
    accepted: int
    both: int

    @property
    def precision(self) -> float:
        """The share of what passes that the reader accepted."""
        return self.both / max(1, self.passed)

    @property
    def recall(self) -> float:
        """The share of what the reader accepted that passes."""
        return self.both / max(1, self.accepted)


def agreement(kind: str) -> Agreement:
    """The agreement of the checks for one kind (`CHECKS`) with the reader."""
    pairs = [(not CHECKS[kind](each), each.grade in ACCEPTED) for each in graded_maps() if each.kind == kind]
    return Agreement(len(pairs), sum(p for p, _ in pairs), sum(a for _, a in pairs), sum(p and a for p, a in pairs))


def main() -> None:
    """Print the agreement for each kind."""
    sys.stdout.write(f"{'':20}{'graded':>10}{'passed':>10}{'accepted':>10}{'precision':>10}{'recall':>10}\n")
    for kind in CHECKS:
        each = agreement(kind)
        counts = f"{each.graded:10}{each.passed:10}{each.accepted:10}"
        sys.stdout.write(f"{kind:20}{counts}{each.precision:10.2f}{each.recall:10.2f}\n")


if __name__ == "__main__":
    main()
