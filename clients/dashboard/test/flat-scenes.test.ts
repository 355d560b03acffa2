/** The places of nodes in the flat layouts: the server draws by them, too (`tests/unit/mindmap/test_flat_scenes.py`). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseMap } from "../src/map/model";
import { radialScene, type SceneNode, treeScene } from "../src/map/scene";

const CASE = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../tests/unit/mindmap/flat_scenes.json"), "utf8"),
);

/** By id: x where the widths of labels do not decide it, y, the side of the label, its lines, what is folded below. */
function placesOf(nodes: readonly SceneNode[], hasX: boolean) {
  return Object.fromEntries(
    nodes.map(({ id, x, y, side, lines, numCollapsed }) => [
      id,
      [hasX ? Math.round(x) : null, Math.round(y), side, lines, numCollapsed],
    ]),
  );
}

test("nodes are where the pictures of the server have them", () => {
  const model = parseMap(CASE.document);
  if (!model) throw new Error("no map");
  const options = { collapsed: new Set<string>(CASE.folded), focus: null };
  expect(placesOf(treeScene(model, options).nodes, false)).toEqual(CASE.tree);
  expect(placesOf(radialScene(model, options).nodes, true)).toEqual(CASE.radial);
});
