"""A whole map by the local provider, in one call and one process."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage


def build_map(
    pages: Sequence[CapturedPage],
    *,
    title: str | None = None,
    language: str | None = None,
    previous: MindmapDocument | None = None,
) -> MindmapDocument:
    """The map of `pages`, by the local provider.

    `title` is the user's own session title, if any; `language` is the user's ("ko" or "en") and decides the language
    of the summary of a session in mixed languages. `previous` is the last version without edits; the new map reuses
    its ids and positions. Never raises for unusual page content.
    """
    outline = build_outline([page_features(page) for page in pages], title=title, language=language)
    return compose_document(outline, pages, provider="local", session_title=title, previous=previous)
