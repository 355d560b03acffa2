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


def _tones(
    colors: tuple[str, str, str, str, str], accent: str, hues: tuple[str, ...], fills: tuple[str, ...],
    inks: tuple[str, ...],
) -> Tones:  # fmt: skip
    """The tones of a theme: `colors` of background, text, soft text, lines and connections, then those of each hue."""
    by_hue = [dict(zip(hues, each, strict=True)) for each in (fills, inks)]
    return Tones(Theme(*colors, colors[0], *by_hue), accent, hues)


DASHBOARD_TONES: Final = {
    "light": _tones(
        ("#ffffff", "#1b1c20", "#5d606b", "#e5e3de", "#85868d"),
        "#4f46e5",
        ("#2563d8", "#c8600a", "#0c8460", "#c02a78", "#947000", "#7546d8", "#0b7f99", "#88603f"),
        ("#dbe7fd", "#ffe4cc", "#d2f0e4", "#fbdcec", "#faecb4", "#e8e0fd", "#d0eef5", "#ecdfd6"),
        ("#1d4fb0", "#984706", "#0a664b", "#9c1f60", "#715600", "#5d33b8", "#0a6378", "#6b4a30"),
    ),
    "dark": _tones(
        ("#191a1e", "#ebebee", "#a3a5b0", "#2a2c32", "#757884"),
        "#a5a6fb",
        ("#6fa0f5", "#f09a4c", "#3fc398", "#ee74ae", "#d8b33a", "#a98af5", "#45bcd6", "#c69a75"),
        ("#1c2d4f", "#452b15", "#12382c", "#43192f", "#3b310c", "#2f2350", "#0f343d", "#382b21"),
        ("#9fc0ff", "#ffbd85", "#7fe0bd", "#ffa6cf", "#efd27a", "#c8b4ff", "#86dcef", "#e0bf9f"),
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
