"""Makes the maps of a dataset again with this installation, and compares them with those in the dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.analysis.dataset_reading import ReadSession, load_manifest, read_sessions
from cluster.mindmap.build import build_map
from cluster.mindmap.clustering.stability import adjusted_rand_index
from models.errors import BadRequest
from models.mindmap.document import MindmapDocument
from models.mindmap.validation import validate_document
from models.runs.parameters import SCORES


@dataclass(frozen=True, slots=True)
class ComparedSession:
    """One session. `agreement` is the adjusted Rand index of the topics of its pages in both maps.

    A map that its user has edited shows which topics the user wants, so that agreement with it is a measure of quality.
    """

    session: str
    language: str
    num_pages: int
    is_edited: bool
    agreement: float
    scores_in_dataset: dict[str, float | None]
    scores_now: dict[str, float | None]
    num_problems: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DatasetEvaluation:
    """All sessions of a dataset, and means over those for which a value is known."""

    k: int | None
    sessions: list[ComparedSession] = field(default_factory=list)

    def mean_agreement(self, *, edited_only: bool = False) -> float | None:
        """The mean agreement of all maps, or of those that users have edited."""
        return _mean([each.agreement for each in self.sessions if each.is_edited or not edited_only])

    def mean_scores(self) -> dict[str, tuple[float | None, float | None]]:
        """By score, the means in the dataset and now."""
        return {
            score: (
                _mean([each.scores_in_dataset[score] for each in self.sessions]),
                _mean([each.scores_now[score] for each in self.sessions]),
            )
            for score in SCORES
        }

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "k": self.k,
            "agreement": self.mean_agreement(),
            "agreement_of_edited": self.mean_agreement(edited_only=True),
            "scores": {name: {"in_dataset": old, "now": new} for name, (old, new) in self.mean_scores().items()},
            "sessions": [asdict(each) for each in self.sessions],
        }


def evaluate_dataset(directory: Path, on_progress: Callable[[int], None] = lambda _done: None) -> DatasetEvaluation:
    """Compare the maps of all sessions of a dataset. Raises BadRequest for a dataset that cannot be read."""
    manifest = load_manifest(directory)
    if not manifest.has_texts:
        raise BadRequest(f"{directory} has no texts to make maps from: export a dataset without --no-texts")
    evaluation = DatasetEvaluation(manifest.k)
    for session in read_sessions(directory):
        evaluation.sessions.append(_compare(session))
        on_progress(len(evaluation.sessions))
    return evaluation


def _compare(session: ReadSession) -> ComparedSession:
    began = time.perf_counter()
    document = build_map(session.pages)
    seconds = time.perf_counter() - began
    before, after = session.topic_of_pages(), _topic_of_pages(document)
    # A page below no topic is a group of its own.
    expected = [before.get(page.page_id, page.page_id) for page in session.pages]
    predicted = [after.get(page.page_id, page.page_id) for page in session.pages]
    scores = document.scorecard.model_dump()
    return ComparedSession(
        session=session.name,
        language=session.language,
        num_pages=len(session.pages),
        is_edited=session.map_row["is_edited"],
        agreement=round(adjusted_rand_index(expected, predicted), 4),
        scores_in_dataset={score: session.map_row["scorecard"][score] for score in SCORES},
        scores_now={score: scores[score] for score in SCORES},
        num_problems=len(validate_document(document, session.pages)),
        seconds=round(seconds, 3),
    )


def _topic_of_pages(document: MindmapDocument) -> dict[str, str]:
    topics = document.topic_of_pages()
    return {node.data.page_id or "": topics[node.id] for node in document.nodes if node.id in topics}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
