"""The map as an image: SVG in three layouts and two themes.

Every text is escaped, and the image loads nothing. An image shows the map as the dashboard draws it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from cluster.mindmap.render.canvas import THEMES, Canvas, Theme, without_repeated_label
from cluster.mindmap.render.dashboard_tones import DASHBOARD_TONES, with_tones, without_folded
from cluster.mindmap.render.flat_image import draw_radial, draw_tree
from cluster.mindmap.render.galaxy_image import draw_galaxy
from cluster.mindmap.render.radial_scene import radial_scene
from cluster.mindmap.render.tree_scene import tree_scene
from models.mindmap.document import LayoutName, MindmapDocument

ThemeName = Literal["light", "dark"]
PaletteName = Literal["standard", "dashboard"]


def to_svg(
    document: MindmapDocument,
    layout: LayoutName = "galaxy",
    theme: ThemeName = "light",
    *,
    palette: PaletteName = "standard",
    folded: Collection[str] = (),
) -> str:
    """The map as one self-contained SVG document. Raises `KeyError` for an unknown layout, theme or palette.

    `palette` is "standard" (the colours in the document) or "dashboard" (those on the user's screen); what is below the
    nodes `folded` is left out, and in the flat layouts counted beside their names.
    """
    document = without_repeated_label(document)
    colours = THEMES[theme]
    if {"standard": False, "dashboard": True}[palette]:
        document, colours = with_tones(document, DASHBOARD_TONES[theme]), DASHBOARD_TONES[theme].theme
    draw = {"galaxy": _draw_galaxy, "tree": _draw_tree, "radial": _draw_radial}[layout]
    return draw(document, colours, folded).svg(document.title or _core_label(document))


def _core_label(document: MindmapDocument) -> str:
    return document.nodes[0].label if document.nodes else "Trailmind"


def _draw_galaxy(document: MindmapDocument, theme: Theme, folded: Collection[str]) -> Canvas:
    return draw_galaxy(without_folded(document, folded), theme)


def _draw_tree(document: MindmapDocument, theme: Theme, folded: Collection[str]) -> Canvas:
    return draw_tree(tree_scene(document, folded), theme)


def _draw_radial(document: MindmapDocument, theme: Theme, folded: Collection[str]) -> Canvas:
    return draw_radial(radial_scene(document, folded, theme.cross), theme)
