"""How well labels that a user gave in earlier sessions are reused for the same subjects, and only for those.

    python -m tests.map_exam.reuse [--part held_out] [--users 40]

A user reads half of the pages of some subjects in two earlier sessions and calls each topic by the name of the subject
that most of its pages are about. A later session has the other half of the pages of three of these subjects, and pages
of two others. No page is read twice. Prints the table of `docs/map.md` over the two thresholds.
"""

from __future__ import annotations

import argparse
import random
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from unittest.mock import patch

from cluster.mindmap.document import user_labels
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import Outline
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text.meaning import sentence_encoder
from models.mindmap.user_labels import UserLabel, UserLabels
from tests.map_exam.sessions import (
    DEVELOPMENT,
    DEVELOPMENT_2,
    DEVELOPMENT_3,
    ExamSession,
    Flavour,
    Subject,
    compose_session,
    subjects,
)

_PAGES_EACH: Final = (3, 4, 6)
_NAMED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReadSession:
    """A session with its topics and the vectors of its pages."""

    session: ExamSession
    outline: Outline
    vectors: dict[str, bytes]

    def subject_of(self, page_ids: Sequence[str]) -> str | None:
        """The subject of more than half of these pages."""
        counts = Counter(self.session.subject_of[page_id] for page_id in page_ids)
        name, number = max(sorted(counts.items()), key=lambda item: item[1])
        return name if 2 * number > len(page_ids) else None


@dataclass(frozen=True, slots=True)
class ExamUser:
    """A later session, and the labels that its user gave before."""

    later: ReadSession
    labels: UserLabels


@dataclass(frozen=True, slots=True)
class ReuseScore:
    """How many labels were reused, how many of them for another subject, and how many could have been."""

    reused: int
    wrong: int
    possible: int

    @property
    def precision(self) -> float:
        """The share of the reused labels that name the subject of their topic; 1 if there are none."""
        return 1 - self.wrong / self.reused if self.reused else 1.0

    @property
    def recall(self) -> float:
        """The share of the topics about a subject that the user had named which got that name."""
        return (self.reused - self.wrong) / self.possible if self.possible else 1.0


def exam_users(part: str, number: int, text: str = "full") -> list[ExamUser]:
    """`number` users who read the subjects of one part of the exam; pages have `text` as `Flavour.text` says."""
    return [_user(part, each, text) for each in range(number)]


def _user(part: str, number: int, text: str) -> ExamUser:
    rng = random.Random(f"{part} {text} {number}")
    known = subjects(part)
    order = rng.sample(known, len(known))
    num_earlier = min(6, 2 * len(order) // 3)
    halves = {subject.name: _halves(subject, rng) for subject in order}
    before, after = order[:num_earlier], [*order[:3], *order[num_earlier : num_earlier + 2]]
    labels: list[UserLabel] = []
    for i, some in enumerate((before[0::2], before[1::2])):
        read = _read("earlier", 2 * number + i, [halves[subject.name][0] for subject in some], text)
        labels += _labels(read, i)
    return ExamUser(
        _read("later", number, [halves[subject.name][1] for subject in after], text), UserLabels(tuple(labels))
    )


def _halves(subject: Subject, rng: random.Random) -> tuple[Subject, Subject]:
    pages = rng.sample(subject.pages, len(subject.pages))
    middle = len(pages) // 2
    return replace(subject, pages=tuple(pages[:middle])), replace(subject, pages=tuple(pages[middle:]))


def _read(name: str, number: int, chosen: Sequence[Subject], text: str) -> ReadSession:
    session = compose_session(Flavour(f"{name} {text}", 1, (len(chosen),), _PAGES_EACH, text=text), number, chosen)
    encoder = sentence_encoder()
    features = [page_features(page, encoder) for page in session.pages]
    vectors = {page.page_id: page.meaning.vector for page in features if page.meaning.vector}
    return ReadSession(session, build_outline(features, encoder=encoder), vectors)


def _labels(read: ReadSession, number: int) -> list[UserLabel]:
    language_of = {annotation.page_id: annotation.language for annotation in read.outline.annotations}
    found = []
    for topic in read.outline.topics:
        pages = topic.all_page_ids()
        subject = read.subject_of(pages)
        if subject is not None:
            found.append(
                UserLabel(
                    session_id=f"earlier {number}",
                    mindmap_id=uuid.UUID(int=number),
                    topic_id=topic.id,
                    label=f"subject {subject}",
                    kind="topic",
                    named_at=_NAMED_AT,
                    page_ids=pages,
                    languages=tuple(sorted({language_of[page] for page in pages})),
                    vectors=tuple(read.vectors[page] for page in pages if page in read.vectors),
                )
            )
    return found


def reuse_score(users: Sequence[ExamUser]) -> ReuseScore:
    """The score over all later sessions."""
    reused = wrong = possible = 0
    for user in users:
        chosen = user_labels.reused_labels(user.later.outline, user.labels, user.later.vectors)
        named = {label.label for label in user.labels.labels}
        for topic in user.later.outline.topics:
            subject = f"subject {user.later.subject_of(topic.all_page_ids())}"
            possible += subject in named
            if topic.id in chosen:
                reused += 1
                wrong += chosen[topic.id].label != subject
    return ReuseScore(reused, wrong, possible)


def main() -> None:
    """Print precision and recall over the thresholds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", default=[])
    parser.add_argument("--users", type=int, default=40, help="users of each part, with text and with titles only")
    arguments = parser.parse_args()
    parts = arguments.part or [DEVELOPMENT, DEVELOPMENT_2, DEVELOPMENT_3]
    users = [user for part in parts for text in ("full", "none") for user in exam_users(part, arguments.users, text)]
    sys.stdout.write(f"{', '.join(parts)}: {len(users)} users\n")
    for page_cosine in (0.0, 0.25, 0.3, 0.35, 0.4):
        for cosine in (0.4, 0.45, 0.5, 0.55, 0.6):
            with (
                patch.object(user_labels, "MIN_COSINE", cosine),
                patch.object(user_labels, "MIN_PAGE_COSINE", page_cosine),
            ):
                score = reuse_score(users)
            sys.stdout.write(
                f"pages {page_cosine:.2f}, means {cosine:.2f}: precision {score.precision:.3f}, recall "
                f"{score.recall:.3f} ({score.wrong} wrong of {score.reused}, {score.possible} possible)\n"
            )


if __name__ == "__main__":
    main()
