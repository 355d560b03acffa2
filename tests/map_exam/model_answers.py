"""Answers of a language model to sessions of the map exam, good ones and deliberately weak ones, and their maps.

`model_answers/PART.jsonl` has one answer a line. They were written once for this purpose, not by a vendor's service. A
page is named by its number in the session ("#3"), so that an answer fits any local outline. The kinds: `good`; `cut`
(labels are pieces of titles); `merged` (two subjects in one topic); `misplaced` (one page of each topic is in another);
`divided` (one subject in two topics); `quotes` (labels, sentences and quotes about what is on no page); `language`
(labels in a language of no page); `rubric` (names of sites and words that name nothing).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.comparison import KeptOutline, keep_better
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import Outline
from cluster.mindmap.pages.features import PageFeatures, page_features
from cluster.mindmap.text.meaning import sentence_encoder
from cluster.providers.prompting.grounding import grounded_outline
from cluster.providers.prompting.merge import apply_outline_draft
from cluster.providers.prompting.prompts import PromptAliases
from cluster.providers.prompting.responses import OutlineDraft
from models.mindmap.document import MindmapDocument
from tests.map_exam.sessions import ExamSession, exam_sessions

GOOD = "good"
WEAK_KINDS = ("cut", "merged", "misplaced", "divided", "quotes", "language", "rubric")
KINDS = (GOOD, *WEAK_KINDS)


@dataclass(frozen=True, slots=True)
class AnsweredSession:
    """A session with the local map, the map from a model's answer as it is, and the one that is shown."""

    session: ExamSession
    kind: str
    local: MindmapDocument
    answered: MindmapDocument
    shown: MindmapDocument
    kept: KeptOutline


def answered_sessions(part: str, *, with_vectors: bool = True) -> Iterator[AnsweredSession]:
    """Every recorded answer of one part of the exam, applied as the product applies it."""
    sessions = {f"{session.flavour} {session.number}": session for session in exam_sessions(part)}
    local_of: dict[str, tuple[list[PageFeatures], Outline, MindmapDocument]] = {}
    encoder = sentence_encoder() if with_vectors else None
    for line in (Path(__file__).parent / "model_answers" / f"{part}.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        session = sessions[record["session"]]
        if record["session"] not in local_of:
            features = [page_features(page, encoder) for page in session.pages]
            outline = build_outline(features, encoder=encoder)
            local_of[record["session"]] = features, outline, _compose(outline, session, "local")
        features, local, document = local_of[record["session"]]
        captured = {page.page_id: page for page in session.pages}
        draft = _draft(record["answer"], session, PromptAliases(local))
        answered = grounded_outline(apply_outline_draft(local, draft, PromptAliases(local)), local, captured)
        kept = keep_better(answered, local, features, session.pages, encoder)
        yield AnsweredSession(
            session,
            record["kind"],
            document,
            _compose(answered, session, "model"),
            _compose(kept.outline, session, "model"),
            kept,
        )


def _draft(answer: dict[str, object], session: ExamSession, aliases: PromptAliases) -> OutlineDraft:
    text = json.dumps(answer, ensure_ascii=False)
    # The longest numbers first: "#1" is the beginning of "#12".
    for number in reversed(range(len(session.pages))):
        text = text.replace(f'"#{number}"', json.dumps(aliases.alias_by_page.get(session.pages[number].page_id, "?")))
    return OutlineDraft.model_validate_json(text)


def _compose(outline: Outline, session: ExamSession, provider: str) -> MindmapDocument:
    return compose_document(outline, session.pages, provider=provider, session_title=None)
