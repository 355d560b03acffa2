"""A whole map by the local provider, in one call and one process."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import lack_vectors, page_features
from cluster.mindmap.text.meaning import sentence_encoder
from models.mindmap.document import MindmapDocument
from models.mindmap.notes import map_note
from models.mindmap.user_labels import NO_LABELS, UserLabels
from models.recording.pages import CapturedPage


def build_map(
    pages: Sequence[CapturedPage],
    *,
    title: str | None = None,
    language: str | None = None,
    previous: MindmapDocument | None = None,
    with_meaning: bool = True,
    labels: UserLabels = NO_LABELS,
) -> MindmapDocument:
    """The map of `pages`, by the local provider; by words alone unless `with_meaning`.

    `title` is the user's own session title, if any; `language` is the user's ("ko" or "en") and decides the language
    of the summary of a session in mixed languages. `previous` is the last version without edits; the new map reuses
    its ids and positions. `labels` are those that the user gave in other sessions. Never raises for unusual content.
    """
    encoder = sentence_encoder() if with_meaning else None
    features = [page_features(page, encoder) for page in pages]
    outline = build_outline(features, title=title, language=language, encoder=encoder)
    vectors = {page.page_id: page.meaning.vector for page in features}
    document = compose_document(
        outline,
        pages,
        provider="local",
        session_title=title,
        previous=previous,
        labels=labels,
        vectors=vectors,
    )
    return document.with_notes([map_note("words_only")]) if with_meaning and lack_vectors(features) else document
