"""From captured pages to a mind map: pure Python and numpy, no network, no clock, no randomness.

`page_features` reads one page, `outline_session` finds the topics, `compose` draws the document. Every result depends
on its arguments alone: not on their order, on the number of workers, or on hash seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.document.compose import compose
from cluster.mindmap.outline.pipeline import outline_session
from cluster.mindmap.outline.types import CrossLink, LeftOutPage, Outline, OutlineTopic, PageNote
from cluster.mindmap.pages.features import PageFeatures, page_features
from models.mindmap.validation import MindmapDocument
from models.recording.pages import CapturedPage


def build_map(
    pages: Sequence[CapturedPage],
    *,
    title: str | None = None,
    language: str | None = None,
    previous: MindmapDocument | None = None,
) -> MindmapDocument:
    """The map of `pages` by the local provider, in this process. `title` is the user's own, if there is one."""
    outline = outline_session([page_features(page) for page in pages], title=title, language=language)
    return compose(outline, pages, provider="local", session_title=title, previous=previous)


__all__ = [
    "CrossLink",
    "LeftOutPage",
    "MindmapDocument",
    "Outline",
    "OutlineTopic",
    "PageFeatures",
    "PageNote",
    "build_map",
    "compose",
    "outline_session",
    "page_features",
]
