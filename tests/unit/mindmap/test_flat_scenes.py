"""The server's pictures of the flat layouts have the places of the dashboard, which passes the same case.

The case is written by the dashboard's rules (`clients/dashboard/test/flat-scenes.test.ts`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.mindmap.render.radial_scene import radial_scene
from cluster.mindmap.render.tree_scene import tree_scene
from models.mindmap.document import FlatLayoutName, MindmapDocument

CASE: dict[str, Any] = json.loads((Path(__file__).parent / "flat_scenes.json").read_bytes())


@pytest.mark.parametrize("layout", ["tree", "radial"])
def test_nodes_are_where_the_dashboard_has_them(layout: FlatLayoutName) -> None:
    document = MindmapDocument.model_validate(CASE["document"])
    folded = CASE["folded"]
    scene = tree_scene(document, folded) if layout == "tree" else radial_scene(document, folded, "#888888")
    shown = {at.node.id: at for at in scene.nodes}
    assert set(shown) == set(CASE[layout])
    for node_id, (x, y, side, lines, num_folded) in CASE[layout].items():
        at = shown[node_id]
        assert (at.side, list(at.lines), at.num_folded) == (side, lines, num_folded)
        assert at.y == pytest.approx(y, abs=0.51)
        # The server estimates the widths of labels, which decide how far out the nodes of a tree are.
        assert x is None or at.x == pytest.approx(x, abs=0.51)
