import { describe, expect, it } from "vitest";
import { fitCamera, fitScene, movedIntoView, sizeBesideTools } from "~/map/camera";
import { hitAt, labelBox, type Marks, NO_MARKS, pixelBounds, placeSceneLabels } from "~/map/flat-labels";
import { placeAt } from "~/map/free-places";
import { GalaxyLabels } from "~/map/galaxy-labels";
import { indentedTreeScene } from "~/map/indented-tree";
import { type LabelBox, overlaps, placeLabels } from "~/map/labels";
import { LINK_FONT_PX, placeLinkLabels } from "~/map/link-labels";
import { labelWidth } from "~/map/measure";
import { type MapModel, parseMap, subtree } from "~/map/model";
import type { Palette } from "~/map/palette";
import type { Pen } from "~/map/pen";
import { nextPress } from "~/map/presses";
import { FONT_SIZE, galaxyScene, LINE_HEIGHT, MIN_TREE_FONT_PX, radialScene, treeScene, wrapLabel } from "~/map/scene";
import { directionOf } from "~/map/text-direction";
import { mapData } from "./support";

const all = { collapsed: new Set<string>(), focus: null };
const model = parseMap(mapData(5, 7)) as MapModel;

describe("treeScene", () => {
  it("draws every node once, to both sides", () => {
    const scene = treeScene(model, all);
    expect(scene.nodes.length).toBe(model.nodes.length);
    const sides = new Set(scene.nodes.filter((n) => n.node.type === "topic").map((n) => n.side));
    expect(sides).toEqual(new Set(["left", "right"]));
  });
  it("never lets two labels touch, however long they are", () => {
    const data = mapData(6, 9);
    data.nodes.forEach((node, i) => {
      node.label =
        i % 3 === 0
          ? "아주 긴 한국어 제목이 여러 줄로 나뉘어야 하는 페이지"
          : `${node.label} with quite a long name that has to be wrapped somewhere`;
    });
    const scene = treeScene(parseMap(data) as MapModel, all);
    const boxes = scene.nodes.map((n) => {
      const width = labelWidth(n.lines, n.node.type, FONT_SIZE[n.node.type]);
      const height = n.lines.length * FONT_SIZE[n.node.type] * LINE_HEIGHT;
      const x = n.side === "right" ? n.x + n.r : n.side === "left" ? n.x - n.r - width : n.x - width / 2;
      return { id: n.id, x: x + width / 2, y: n.y, width, height, turn: 0 };
    });
    for (const a of boxes)
      for (const b of boxes) if (a.id < b.id) expect(overlaps(a, b), `${a.id} and ${b.id}`).toBe(false);
  });
  it("collapses nodes and counts them", () => {
    const scene = treeScene(model, { collapsed: new Set(["t1"]), focus: null });
    expect(scene.byId.get("t1")?.numCollapsed).toBe(7);
    expect(scene.byId.has("p1-0")).toBe(false);
  });
  it("shows only a focused topic", () => {
    const scene = treeScene(model, { ...all, focus: "t2" });
    expect(scene.nodes.map((n) => n.id).sort()).toEqual([
      "core",
      "p2-0",
      "p2-1",
      "p2-2",
      "p2-3",
      "p2-4",
      "p2-5",
      "p2-6",
      "t2",
    ]);
  });
});

describe("places that the reader has chosen", () => {
  const placed = (id: string, layout: "tree" | "radial", x: number, y: number, source = mapData(5, 7)) => {
    const node = source.nodes.find((each) => each.id === id) as { data: Record<string, unknown> };
    node.data = { ...node.data, places: { [layout]: { x, y } } };
    return source;
  };
  const scenes = { tree: treeScene, radial: radialScene };
  const at = (scene: ReturnType<typeof treeScene>, id: string) => {
    const n = scene.byId.get(id) as (typeof scene.nodes)[number];
    return { x: n.x, y: n.y };
  };
  const dataWithRings = () => {
    const data = mapData(5, 7);
    const angle = (i: number) => ({ x: 300 * Math.cos(i), y: 300 * Math.sin(i) });
    data.layouts.radial = Object.fromEntries(
      data.nodes.map((node, i) => [node.id, i === 0 ? { x: 0, y: 0 } : angle(i)]),
    ) as typeof data.layouts.radial;
    return data;
  };

  it.each(["tree", "radial"] as const)("puts a node where it was dropped, and moves nothing else: %s", (layout) => {
    const before = scenes[layout](parseMap(dataWithRings()) as MapModel, all);
    for (const [id, x, y] of [
      ["t0", -730, -210],
      ["t1", 410, 333],
      ["p0-2", 55, 1],
      ["p4-6", -300, 44],
    ] as const) {
      const place = placeAt(layout, model, before, id, x, y);
      if (place?.layout !== layout) throw new Error("no place");
      const data = placed(id, layout, place.offset.x, place.offset.y, dataWithRings());
      const after = scenes[layout](parseMap(data) as MapModel, all);
      expect(at(after, id).x).toBeCloseTo(x, 0);
      expect(at(after, id).y).toBeCloseTo(y, 0);
      const moved = after.nodes.filter((n) => Math.hypot(n.x - at(before, n.id).x, n.y - at(before, n.id).y) > 0.1);
      expect(new Set(moved.map((n) => n.id)), id).toEqual(subtree(model, id));
      expect(after.bounds.x0).toBeLessThanOrEqual(x);
      expect(after.bounds.x1).toBeGreaterThanOrEqual(x);
      // Its link ends at it.
      const link = after.links.find((each) => each.to === id && each.kind === "contains");
      expect(Math.hypot((link?.curve[6] ?? 0) - x, (link?.curve[7] ?? 0) - y)).toBeLessThan(20);
    }
  });
  it("turns a topic on the left of the core to the left, with all its pages", () => {
    const scene = treeScene(parseMap(placed("t0", "tree", -400, 10)) as MapModel, { ...all, isOneSided: true });
    for (const n of scene.nodes) {
      const isPlaced = subtree(model, "t0").has(n.id);
      if (n.id !== "core") expect(n.side, n.id).toBe(isPlaced ? "left" : "right");
      if (isPlaced) expect(n.x).toBeLessThanOrEqual(-400);
    }
  });
  it("leaves the line of a column without a page that was moved out of it", () => {
    const data = placed("p1-0", "tree", 500, 500);
    const scene = treeScene(parseMap(data) as MapModel, { ...all, maxRows: 4 });
    expect(scene.nodes).toHaveLength(model.nodes.length);
    for (let i = 0; i < 7; i++)
      expect(
        scene.links.some((link) => link.to === `p1-${i}`),
        `${i}`,
      ).toBe(true);
    const { x, y } = at(scene, "t1");
    expect(at(scene, "p1-0").x).toBeCloseTo(x + 500 * (scene.byId.get("t1")?.side === "left" ? -1 : 1));
    expect(at(scene, "p1-0").y).toBeCloseTo(y + 500);
  });
  it("finds the position in space that a flat picture of the galaxy shows at a point", () => {
    const scene = galaxyScene(model, all);
    const place = placeAt("galaxy", model, scene, "t2", 120, -80);
    if (place?.layout !== "galaxy") throw new Error("no place");
    const data = mapData(5, 7);
    const node = data.nodes.find((each) => each.id === "t2") as { position: unknown };
    node.position = place.position;
    expect(at(galaxyScene(parseMap(data) as MapModel, all), "t2").x).toBeCloseTo(120);
    expect(at(galaxyScene(parseMap(data) as MapModel, all), "t2").y).toBeCloseTo(-80);
    expect(placeAt("tree", model, scene, "core", 1, 1)).toBeNull();
  });
});

it("never turns a radial label upside down", () => {
  const data = mapData(1, 24);
  const places: Record<string, { x: number; y: number }> = {};
  data.nodes.forEach((node, i) => {
    places[String(node.id)] = { x: 300 * Math.cos(i), y: 300 * Math.sin(i) };
  });
  data.layouts.radial = places as typeof data.layouts.radial;
  for (const n of radialScene(parseMap(data) as MapModel, all).nodes)
    expect(Math.abs(n.turn)).toBeLessThanOrEqual(Math.PI / 2 + 1e-9);
});

it("wraps at spaces, and cuts text without spaces", () => {
  expect(wrapLabel("Version control with Git and friends")).toEqual(["Version control with Git", "and friends"]);
  expect(wrapLabel("x".repeat(60)).map((line) => line.length)).toEqual([24, 24, 12]);
  expect(wrapLabel("가".repeat(30)).map((line) => line.length)).toEqual([12, 12, 6]);
  expect(wrapLabel("👩‍💻".repeat(40)).join("")).toBe("👩‍💻".repeat(40));
});

it("breaks labels of scripts without spaces between words", () => {
  expect(wrapLabel("量子计算机的发展历史和未来应用")).toEqual(["量子计算机的发展历史和", "未来应用"]);
  expect(wrapLabel("ประวัติศาสตร์ของเมืองเชียงใหม่ในอดีต")).toEqual(["ประวัติศาสตร์ของเมืองเชียงใหม่", "ในอดีต"]);
  expect(wrapLabel("京都のお茶は美味しい。東京の夜")).toEqual(["京都のお茶は美味しい。", "東京の夜"]);
  const devanagari = "अंतरराष्ट्रीयकरणविश्वविद्यालयपुस्तकालय";
  expect(wrapLabel(devanagari).join("")).toBe(devanagari);
  for (const line of wrapLabel(devanagari)) expect(line).not.toMatch(/^\p{M}/u);
});

it("writes a label in the direction of its first letter", () => {
  expect(directionOf("الشعاب المرجانية (coral reefs)")).toBe("rtl");
  expect(directionOf("12. שוניות אלמוגים")).toBe("rtl");
  expect(directionOf("«آبسنگ» مرجانی")).toBe("rtl");
  expect(directionOf("Coral reefs الشعاب")).toBe("ltr");
  expect(directionOf("산호초")).toBe("ltr");
  expect(directionOf("2026")).toBe("ltr");
});

describe("placeLabels", () => {
  const box = (id: string, x: number, rank: number, importance: number): LabelBox => ({
    id,
    places: [[x, 0]],
    width: 50,
    height: 10,
    turn: 0,
    rank,
    importance,
  });
  const ids = (boxes: LabelBox[]) => [...placeLabels(boxes).keys()].sort();
  it("prefers rank, then importance", () => {
    expect(ids([box("a", 0, 1, 9), box("b", 20, 0, 0), box("c", 200, 1, 0)])).toEqual(["b", "c"]);
    expect(ids([box("a", 0, 1, 0.1), box("b", 20, 1, 0.9)])).toEqual(["b"]);
  });
  it("uses the next position when the best is occupied or covers a node", () => {
    const second: LabelBox = {
      ...box("b", 20, 1, 0),
      places: [
        [20, 0],
        [20, 30],
        [20, 60],
      ],
    };
    expect(placeLabels([box("a", 0, 0, 0), second]).get("b")).toEqual([20, 30]);
    expect(placeLabels([box("a", 0, 0, 0), second], [{ id: "n", x: 20, y: 30, r: 5 }]).get("b")).toEqual([20, 60]);
    expect(placeLabels([box("a", 0, 0, 0), second], [{ id: "b", x: 20, y: 30, r: 5 }]).get("b")).toEqual([20, 30]);
  });
  it("places no overlapping labels among a thousand rotated ones", () => {
    const many = Array.from(
      { length: 1000 },
      (_, i): LabelBox => ({
        ...box(`n${i}`, 0, i % 3, i),
        places: [[(i * 37) % 900, (i * 53) % 600]],
        turn: (i % 7) / 3 - 1,
      }),
    );
    const kept = [...placeLabels(many)].map(([id, [x, y]]) => ({
      x,
      y,
      width: 50,
      height: 10,
      turn: many.find((each) => each.id === id)?.turn ?? 0,
    }));
    expect(kept.length).toBeGreaterThan(100);
    for (const a of kept) for (const b of kept) if (a !== b) expect(overlaps(a, b)).toBe(false);
  });
});

const marks: Marks = { selected: null, hovered: null, bright: null, matches: new Set(), dropTarget: null };

it("finds the node under the pointer, label included, and the control that folds it", () => {
  const scene = treeScene(model, all);
  const labels = placeSceneLabels(scene.nodes, 1, marks, "all", false);
  const page = labels.find((each) => each.n.id === "p0-3");
  const topic = labels.find((each) => each.n.id === "t0");
  if (!page || !topic?.fold) throw new Error("no label");
  expect(page.fold).toBeNull();
  expect(hitAt(scene, labels, 1, page.x + 10, page.y, 4, true)).toMatchObject({ n: { id: "p0-3" }, isFold: false });
  expect(hitAt(scene, labels, 1, topic.x, topic.y, 4, true)).toMatchObject({ n: { id: "t0" }, isFold: false });
  expect(hitAt(scene, labels, 1, topic.fold.x, topic.fold.y, 4, true)).toMatchObject({ n: { id: "t0" }, isFold: true });
  expect(hitAt(scene, labels, 1, 1e6, 1e6, 4, true)).toBeNull();
});

it("names a topic beside a wide core, with the control that folds it between name and node", () => {
  const data = mapData(1, 3);
  Object.assign(data.nodes[0] ?? {}, { label: "A session with quite a long name" });
  for (let x = -90; x >= -130; x -= 2) {
    data.layouts.radial = { core: { x: 0, y: 0 }, t0: { x, y: 0 }, "p0-0": { x: -217, y: 200 } } as never;
    const scene = radialScene(parseMap(data) as MapModel, all);
    const topic = placeSceneLabels(scene.nodes, 1, marks, "fitting", false).find((each) => each.n.id === "t0");
    if (!topic?.fold) throw new Error(`no label at ${x}`);
    const disc = { x: topic.n.x, y: topic.n.y, width: 2 * topic.n.r, height: 2 * topic.n.r, turn: 0 };
    expect(overlaps({ ...topic.fold, turn: 0 }, disc), `the control covers the node at ${x}`).toBe(false);
  }
});

describe("the names of links", () => {
  // Two topics on opposite sides of the core: the middle of their link is near the core's name.
  const data = mapData(2, 3);
  Object.assign(data.edges.at(-1) ?? {}, { label: "shared" });
  data.layouts.radial = { core: { x: 0, y: 0 }, t0: { x: -100, y: 0 }, t1: { x: 100, y: 0 } } as never;
  const scene = radialScene(parseMap(data) as MapModel, all);
  const named = scene.links.filter((link) => link.label);
  it("stand over no label of a node, however small the map is, and over each other neither", () => {
    expect(named).toHaveLength(1);
    let numShown = 0;
    for (let k = 0.3; k < 2.5; k += 0.1) {
      for (const isNarrow of [true, false]) {
        const labels = placeSceneLabels(scene.nodes, k, marks, "fitting", isNarrow);
        // The same link twice: the second name has to give way to the first.
        const twice = [...named, ...named.map((link) => ({ ...link, from: `${link.from} again` }))];
        const names = placeLinkLabels(twice, labels, k, marks).map((each) => ({
          ...each,
          width: labelWidth([each.label], "page", LINK_FONT_PX),
          height: LINK_FONT_PX,
          turn: 0,
        }));
        numShown += names.length;
        for (const name of names)
          for (const label of labels)
            expect(overlaps(name, { ...label, ...labelBox(label, [], marks) }), `${k} ${label.n.id}`).toBe(false);
        if (names[0] && names[1]) expect(overlaps(names[0], names[1])).toBe(false);
      }
    }
    expect(numShown).toBeGreaterThan(20);
  });
  it("are shown at a selected node even without space", () => {
    const labels = placeSceneLabels(scene.nodes, 0.05, marks, "fitting", true);
    expect(placeLinkLabels(named, labels, 0.05, marks)).toHaveLength(0);
    expect(placeLinkLabels(named, labels, 0.05, { ...marks, selected: "t1" })).toHaveLength(1);
  });
});

describe("the tree seen from far away", () => {
  const large = parseMap(mapData(12, 40)) as MapModel;
  const scene = treeScene(large, { ...all, maxRows: 4 });
  const labels = placeSceneLabels(scene.nodes, 0.3, marks, "all", false);
  it("names every topic and keeps every label readable", () => {
    expect(labels.filter((each) => each.n.node.type === "topic")).toHaveLength(12);
    for (const label of labels) expect(label.size).toBeGreaterThanOrEqual(10);
  });
  it("leaves out the labels of pages that have no space", () => {
    const boxes = labels.filter((each) => each.n.node.type === "page").map((each) => ({ ...each, turn: 0 }));
    expect(boxes.length).toBeLessThan(480);
    for (const a of boxes) for (const b of boxes) if (a !== b) expect(overlaps(a, b, -2.6)).toBe(false);
  });
  it("puts the pages of a topic in columns, each at a place of its own", () => {
    const places = new Set(scene.nodes.map((n) => `${Math.round(n.x)} ${Math.round(n.y)}`));
    expect(places.size).toBe(large.nodes.length);
    const tall = treeScene(large, all).bounds;
    expect(scene.bounds.y1 - scene.bounds.y0).toBeLessThan((tall.y1 - tall.y0) / 4);
  });
});

it("begins the lines of a tree that is shown small behind the names, which are larger than the map", () => {
  const labelScale = 0.3;
  const scene = treeScene(model, { ...all, labelScale });
  for (const { from, curve, kind } of scene.links) {
    const parent = scene.byId.get(from);
    if (parent?.node.type !== "topic" || kind !== "contains") continue;
    const fontSize = MIN_TREE_FONT_PX.topic / labelScale;
    const end = parent.r + labelWidth(parent.lines, "topic", fontSize);
    expect(Math.abs(curve[0] - parent.x), parent.node.label).toBeGreaterThan(end);
  }
});

it.each([1, 0.3, 0.15])("keeps topics beside the frame of the core's name at scale %d", (labelScale) => {
  const scene = treeScene(model, { ...all, labelScale });
  const labels = placeSceneLabels(scene.nodes, labelScale, marks, "all", false);
  const core = labels.find(({ n }) => n.side === "center");
  for (const { n, x, width } of labels) {
    if (n.node.type !== "topic") continue;
    const frame = (core?.width ?? 0) / 2 + (core?.size ?? 0);
    expect(Math.abs(x) - width / 2, n.node.label).toBeGreaterThan(frame + 5);
    expect(Math.abs(n.x) * labelScale - n.r * labelScale, n.node.label).toBeGreaterThan(frame + 5);
  }
});

describe("fitScene", () => {
  it("shows labels and fold controls that had to move to the side of their node", () => {
    const data = mapData(24, 3);
    data.nodes.forEach((node, i) => {
      if (node.type === "topic") node.label = `Lighthouses of ${i}`;
    });
    data.layouts.radial = Object.fromEntries(
      data.nodes.map((node, i) => {
        const isTopic = node.type === "topic";
        // All topics in a narrow sector: their names find space above them for a few only.
        const angle = (i / data.nodes.length - 0.5) * 1.2;
        const radius = isTopic ? 300 : node.type === "core" ? 0 : 320;
        return [String(node.id), { x: radius * Math.cos(angle), y: radius * Math.sin(angle) }];
      }),
    ) as typeof data.layouts.radial;
    const scene = radialScene(parseMap(data) as MapModel, {
      collapsed: new Set(data.nodes.flatMap((node) => (node.type === "topic" ? [String(node.id)] : []))),
      focus: null,
      isNarrow: true,
    });
    for (const size of [
      { width: 390, height: 560 },
      { width: 820, height: 700 },
    ]) {
      const isNarrow = size.width < 600;
      const camera = fitScene(scene, "fitting", isNarrow, size);
      const labels = placeSceneLabels(scene.nodes, camera.k, NO_MARKS, "fitting", isNarrow);
      expect(labels.some(({ n, x }) => x > n.x * camera.k + n.r * camera.k)).toBe(true);
      for (const { n, x, width, fold } of labels) {
        const right = camera.x + Math.max(x + width / 2, fold ? fold.x + fold.width / 2 : 0);
        expect(right, n.node.label).toBeLessThanOrEqual(size.width);
        expect(camera.x + x - width / 2, n.node.label).toBeGreaterThanOrEqual(0);
      }
    }
  });
});

it("puts the control that folds a branch beside the last line of its name", () => {
  const data = mapData(2, 3);
  for (const node of data.nodes) if (node.type === "topic") node.label = "Constellations · Sky";
  const scene = radialScene(parseMap(data) as MapModel, { ...all, isNarrow: true });
  for (const label of placeSceneLabels(scene.nodes, 1, NO_MARKS, "fitting", true)) {
    if (label.n.node.type !== "topic") continue;
    expect(label.n.lines).toEqual(["Constellations", "· Sky"]);
    const lastLine = labelWidth(["· Sky"], "topic", label.size);
    expect((label.fold?.x ?? 0) - label.x - lastLine / 2).toBeLessThan(20);
  }
});

describe("fitCamera", () => {
  it("shows every label, although labels do not become smaller with the map", () => {
    const size = { width: 900, height: 700 };
    for (const scene of [
      treeScene(model, all),
      radialScene(model, all),
      treeScene(parseMap(mapData(9, 30)) as MapModel, all),
    ]) {
      const mode = scene.nodes.some((n) => n.turn !== 0) ? "fitting" : "all";
      const camera = fitCamera((k) => pixelBounds(scene, k, mode, false), size);
      const bounds = pixelBounds(scene, camera.k, mode, false);
      expect(bounds.x0 + camera.x).toBeGreaterThanOrEqual(15.9);
      expect(bounds.x1 + camera.x).toBeLessThanOrEqual(884.1);
      expect(bounds.y0 + camera.y).toBeGreaterThanOrEqual(15.9);
      expect(bounds.y1 + camera.y).toBeLessThanOrEqual(684.1);
    }
  });
  it("leaves the row of buttons on a phone free, which is 52 px high and 12 px above the edge", () => {
    const size = { width: 390, height: 610 };
    const scene = indentedTreeScene(model, { ...all, isNarrow: true });
    const bounds = (k: number) => pixelBounds(scene, k, "all", true);
    const { k, y } = fitCamera(bounds, sizeBesideTools(size), 1.1, 10);
    expect(bounds(k).y1 + y).toBeLessThanOrEqual(size.height - 64);
  });
  it("moves as little as possible to bring a box into view", () => {
    const size = { width: 800, height: 600 };
    const camera = { x: 5, y: 7, k: 1 };
    expect(movedIntoView(camera, { x0: 100, y0: 100, x1: 200, y1: 120 }, size)).toEqual(camera);
    expect(movedIntoView(camera, { x0: 700, y0: 100, x1: 850, y1: 120 }, size, 10)).toEqual({ x: -55, y: 7, k: 1 });
  });
});

describe("nextPress", () => {
  it("gives a double click what its first click hit", () => {
    const first = nextPress(null, 100, 100, 1000, "git");
    expect(nextPress(first, 103, 101, 1300, "other")).toMatchObject({ hit: "git", isSecond: true });
    expect(nextPress(first, 103, 101, 1600, "other")).toMatchObject({ hit: "other", isSecond: false });
    expect(nextPress(first, 120, 101, 1300, "other")).toMatchObject({ hit: "other", isSecond: false });
  });
});

describe("the galaxy", () => {
  const palette = { text: "#111", bg: "#fff", ink: [], font: "sans-serif" } as unknown as Palette;
  /** The labels that are written when the nodes are at these places of a view, and where. */
  const written = (collapsed: string[], width: number, xOf: (i: number) => number): [string, number][] => {
    const { nodes } = galaxyScene(model, { collapsed: new Set(collapsed), focus: null });
    const screen = new Map(nodes.map((n, i) => [n.id, { x: xOf(i), y: 40 * i, r: 6, depth: 300 }]));
    const texts: [string, number][] = [];
    const pen = { strokeText: () => undefined, fillText: (text: string, x: number) => texts.push([text, x]) };
    const view = { nodes, screen, marks, palette, size: { width, height: 40 * nodes.length }, distance: 600 };
    new GalaxyLabels(() => undefined).write(pen as unknown as Pen, view, palette);
    return texts;
  };
  it("says how many nodes a folded branch holds", () => {
    const texts = written(["t0"], 900, () => 450).map(([text]) => text);
    expect(texts).toContain("Topic 0 +7");
    expect(texts.filter((text) => text.includes("+"))).toHaveLength(1);
  });
  it("cuts no name at the edge where another side of its node has space", () => {
    const texts = written([], 390, (i) => (i % 2 === 0 ? 12 : 378));
    expect(texts.length).toBeGreaterThan(10);
    for (const [text, x] of texts) {
      const width = labelWidth([text], "page", 12);
      expect(x - width / 2, text).toBeGreaterThanOrEqual(-2);
      expect(x + width / 2, text).toBeLessThanOrEqual(392);
    }
  });
});

describe("a session with one topic", () => {
  it("shows the name of the topic once, in the core", () => {
    const data = mapData(1, 3);
    const named = {
      ...data,
      nodes: data.nodes.map((node) => (node.id === "t0" ? { ...node, label: "Everything" } : node)),
    };
    const one = parseMap(named) as MapModel;
    for (const layout of [treeScene, radialScene]) {
      const scene = layout(one, { collapsed: new Set(), focus: null });
      expect(scene.byId.get("core")?.lines).toEqual(["Everything"]);
      expect(scene.byId.get("t0")?.lines).toEqual([]);
      const plan = placeSceneLabels(scene.nodes, 1, marks, "all", false);
      expect(plan.every(({ width, height }) => Number.isFinite(width) && Number.isFinite(height))).toBe(true);
    }
    const other = parseMap(data) as MapModel;
    expect(treeScene(other, { collapsed: new Set(), focus: null }).byId.get("t0")?.lines).toEqual(["Topic 0"]);
  });
});
