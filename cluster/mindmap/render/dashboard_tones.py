"""A map in the colours of the dashboard, and without what is folded there, for exports of what the user sees.

`clients/dashboard/src/styles/tokens.css` defines the colours; a test compares them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from cluster.mindmap.render.canvas import Theme
from models.mindmap.document import MindmapDocument, Node


@dataclass(frozen=True, slots=True)
class Tones:
    """The colours of one theme: `hues` by the position of a topic, `accent` of the core."""

    theme: Theme
    accent: str
    hues: tuple[str, ...]


DASHBOARD_TONES: Final = {
    "light": Tones(
        Theme("#ffffff", "#1b1c20", "#5d606b", "#e5e3de", "#85868d", "#ffffff", "#ffffff", "#ffffff"),
        "#4f46e5",
        ("#2563d8", "#c8600a", "#0c8460", "#c02a78", "#947000", "#7546d8", "#0b7f99", "#88603f"),
    ),
    "dark": Tones(
        Theme("#191a1e", "#ebebee", "#a3a5b0", "#2a2c32", "#757884", "#191a1e", "#15153a", "#191a1e"),
        "#a5a6fb",
        ("#6fa0f5", "#f09a4c", "#3fc398", "#ee74ae", "#d8b33a", "#a98af5", "#45bcd6", "#c69a75"),
    ),
}


def with_tones(document: MindmapDocument, tones: Tones) -> MindmapDocument:
    """`document` with the colours of `tones`."""
    return document.model_copy(update={"nodes": tuple(_with_tone(node, tones) for node in document.nodes)})


def _with_tone(node: Node, tones: Tones) -> Node:
    if node.type == "core":
        return node.model_copy(update={"color": tones.accent})
    hue = node.data.hue
    return node.model_copy(update={"color": tones.theme.cross if hue is None else tones.hues[hue % len(tones.hues)]})


def without_folded(document: MindmapDocument, folded: Collection[str]) -> MindmapDocument:
    """`document` with everything below the `folded` nodes hidden; unknown ids have no effect."""
    if not folded:
        return document
    parents = document.parents()
    hidden: set[str] = set()
    for node in document.nodes:
        ancestor = parents.get(node.id)
        for _ in range(len(document.nodes)):
            if ancestor is None:
                break
            if ancestor in folded:
                hidden.add(node.id)
                break
            ancestor = parents.get(ancestor)
    nodes = tuple(
        node.model_copy(update={"data": node.data.model_copy(update={"hidden": True})}) if node.id in hidden else node
        for node in document.nodes
    )
    return document.model_copy(update={"nodes": nodes})
