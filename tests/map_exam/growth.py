"""How often the labels of topics change while a session of the map exam grows page by page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.mindmap.build import build_map
from models.mindmap.document import MindmapDocument
from tests.map_exam.rubric import pages_below, wording_faults
from tests.map_exam.sessions import FLAVOURS, ExamSession, exam_sessions

#: Sessions of up to so many pages are small.
SMALL_SESSION = 8
GROWN_FLAVOURS = ("english", "korean", "mixed", "small", "single")
SESSIONS_EACH = 3


@dataclass(slots=True)
class GrownSession:
    """A session, its last map, how many topics were in two successive maps, and how many labels of them changed.

    `num_without_gain` is how many of the changed labels have as many faults as the label before, or more.
    """

    session: ExamSession
    document: MindmapDocument
    num_labels: int
    num_changes: int
    num_without_gain: int


def grown_sessions(part: str) -> Iterable[GrownSession]:
    """The first sessions of some flavours, with a map after every new page that continues the map before."""
    for flavour in (each for each in FLAVOURS if each.name in GROWN_FLAVOURS):
        for session in exam_sessions(part, [flavour])[:SESSIONS_EACH]:
            yield _grow(session)


def _grow(session: ExamSession) -> GrownSession:
    pages = sorted(session.pages, key=lambda page: page.visit_order)
    document = build_map(pages[:2])
    num_labels = num_changes = num_without_gain = 0
    for end in range(3, len(pages) + 1):
        before = {node.id: node.label for node in document.nodes if node.type == "topic"}
        document = build_map(pages[:end], previous=document)
        for node in document.nodes:
            if node.type == "topic" and node.id in before:
                num_labels += 1
                if node.label != before[node.id]:
                    num_changes += 1
                    below = pages_below(node, document, session)
                    old, new = (len(wording_faults(label, below, session)) for label in (before[node.id], node.label))
                    num_without_gain += new >= old
    return GrownSession(session, document, num_labels, num_changes, num_without_gain)
