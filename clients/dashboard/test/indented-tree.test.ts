import { expect, it } from "vitest";
import { firstCamera } from "~/map/camera";
import { NO_MARKS, placeSceneLabels } from "~/map/flat-labels";
import { indentedTreeScene } from "~/map/indented-tree";
import { overlaps } from "~/map/labels";
import { type MapModel, parseMap } from "~/map/model";
import { mapData } from "./support";

const PAGES = ["요약문 예제에 있는 셀의 범위를 고르는 방법", "How cells of a range are merged and split again"];

/** Topics of sub-topics, one of which is below another one, and pages below each. */
function mapOfThreeLevels() {
  const data = mapData(3, 12);
  const moveBelow = (id: unknown, parent: string) => {
    for (const edge of data.edges) if (edge.target === id) edge.source = parent;
  };
  for (const node of data.nodes) {
    if (node.type === "topic") node.label = "LilyPond Music Glossary";
    const [, topic, number] = /^p(\d)-(\d+)$/.exec(String(node.id)) ?? [];
    if (!topic) continue;
    const i = Number(number);
    if (i < 3) Object.assign(node, { type: "subtopic", label: `LilyPond Notation ${i}` });
    else {
      node.label = PAGES[i % 2] ?? "";
      moveBelow(node.id, `p${topic}-${i % 3}`);
    }
    if (i === 1) moveBelow(node.id, `p${topic}-0`);
  }
  return data;
}

const data = mapOfThreeLevels();
const size = { width: 360, height: 610 };
const scene = indentedTreeScene(parseMap(data) as MapModel, { collapsed: new Set(), focus: null, isNarrow: true });
const camera = firstCamera(scene, "all", true, size);
const labels = placeSceneLabels(scene.nodes, camera.k, NO_MARKS, "all", true);

it("writes the whole name of everything in the width of a phone", () => {
  expect(labels).toHaveLength(data.nodes.length);
  for (const { n, x, width, size: fontPx, fold } of labels) {
    expect(fontPx, n.node.label).toBeGreaterThanOrEqual(12);
    expect(n.lines.join(" "), n.node.label).toBe(n.node.label);
    expect(camera.x + x - width / 2, n.node.label).toBeGreaterThan(0);
    expect(camera.x + Math.max(x + width / 2, fold ? fold.x + fold.width / 2 : 0)).toBeLessThan(size.width);
  }
});

it("writes no name over another one", () => {
  const boxes = labels.map((each) => ({ ...each, turn: 0 }));
  for (const a of boxes) for (const b of boxes) if (a !== b) expect(overlaps(a, b, 0), a.n.node.label).toBe(false);
});

it("begins at the core, with each branch below its parent and further to the right", () => {
  const [core] = scene.nodes;
  expect(camera.y + (core?.y ?? 0) * camera.k).toBeLessThan(60);
  for (const { from, to } of scene.links.filter((link) => link.kind === "contains")) {
    const [parent, child] = [scene.byId.get(from), scene.byId.get(to)];
    expect(child?.y, to).toBeGreaterThan(parent?.y ?? Number.POSITIVE_INFINITY);
    if (parent !== core) expect(child?.x, to).toBeGreaterThan(parent?.x ?? Number.POSITIVE_INFINITY);
  }
});
