/** Layouts of the flat map: positions of nodes and links in world units. Pure. */
import { labelWidth } from "./measure";
import { type MapModel, type MapNode, subtree } from "./model";

export interface SceneNode {
  id: string;
  node: MapNode;
  x: number;
  y: number;
  r: number;
  hue: number | null;
  /** 0 (label placed first) to 3; ties are broken by importance. */
  rank: number;
  importance: number;
  lines: string[];
  /** The side of the node on which the label is. */
  side: "left" | "right" | "top" | "center";
  /** Rotation of a radial label in radians; the text always reads from left to right. */
  turn: number;
  fade: number;
  /** The number of collapsed nodes below it. */
  numCollapsed: number;
}

interface SceneLink {
  from: string;
  to: string;
  hue: number | null;
  width: number;
  kind: "contains" | "cross";
  /** Control points of a cubic Bézier curve: x0 y0 x1 y1 x2 y2 x3 y3. */
  curve: readonly [number, number, number, number, number, number, number, number];
}

export interface Scene {
  nodes: SceneNode[];
  links: SceneLink[];
  byId: Map<string, SceneNode>;
  bounds: { x0: number; y0: number; x1: number; y1: number };
}

export interface SceneOptions {
  collapsed: ReadonlySet<string>;
  /** Show only this topic and the core. */
  focus: string | null;
  /** The pane is too narrow for branches to both sides. */
  isNarrow?: boolean;
  /** All branches to the right of the core. */
  isOneSided?: boolean;
}

const RANK = { core: 0, topic: 0, subtopic: 1, page: 2 } as const;
export const FONT_SIZE = { core: 22, topic: 17, subtopic: 14, page: 12.5 } as const;
export const LINE_HEIGHT = 1.28;

/** Lines of at most `max` characters (a full-width character counts twice), broken at spaces where possible. */
export function wrapLabel(label: string, max = 24): string[] {
  const weigh = (s: string) => [...s].reduce((n, c) => n + ((c.codePointAt(0) ?? 0) > 0x2e7f ? 2 : 1), 0);
  const lines: string[] = [];
  let line = "";
  for (const word of label.trim().split(/\s+/)) {
    if (line && weigh(line) + 1 + weigh(word) > max) {
      lines.push(line);
      line = "";
    }
    line = line ? `${line} ${word}` : word;
    while (weigh(line) > max) {
      let cut = 0;
      let width = 0;
      for (const char of line) {
        width += weigh(char);
        if (width > max) break;
        cut += char.length;
      }
      lines.push(line.slice(0, cut));
      line = line.slice(cut);
    }
  }
  if (line || lines.length === 0) lines.push(line);
  return lines;
}

/** The first line with an ellipsis; hovering shows the full label. */
function firstLine(lines: string[]): string[] {
  return lines.length <= 1 ? lines : [`${lines[0]}…`];
}

function visibleNodes(
  model: MapModel,
  options: SceneOptions,
): { ids: string[]; kids: (id: string) => readonly string[] } {
  const only = options.focus && model.byId.has(options.focus) ? subtree(model, options.focus) : null;
  const kids = (id: string): readonly string[] => {
    if (options.collapsed.has(id)) return [];
    const all = model.children.get(id) ?? [];
    return only && id === model.root.id ? all.filter((child) => only.has(child)) : all;
  };
  const ids = [model.root.id];
  for (const id of ids) ids.push(...kids(id));
  return { ids, kids };
}

function radiusOf(node: MapNode): number {
  const factor = { core: 0.22, topic: 0.2, subtopic: 0.2, page: 0.2 }[node.type];
  return Math.max(3, node.size * factor);
}

function sceneNodeBase(
  model: MapModel,
  node: MapNode,
  options: SceneOptions,
  wrap: number,
): Omit<SceneNode, "x" | "y" | "side" | "turn"> {
  return {
    id: node.id,
    node,
    r: radiusOf(node),
    hue: model.hueOf(node.id),
    rank: RANK[node.type],
    importance: node.data.importance.score ?? 0,
    lines: node.type === "page" && wrap <= 28 ? firstLine(wrapLabel(node.label, wrap)) : wrapLabel(node.label, wrap),
    fade: 1,
    numCollapsed: options.collapsed.has(node.id) ? subtree(model, node.id).size - 1 : 0,
  };
}

function withBounds(nodes: SceneNode[], links: SceneLink[], pad: number, isScaled: boolean): Scene {
  const bounds = { x0: 0, y0: 0, x1: 0, y1: 0 };
  for (const n of nodes) {
    // Only the tree's labels scale with the map; in the other layouts the camera reserves pixels for them.
    const width = isScaled ? labelWidth(n.lines, n.node.type, FONT_SIZE[n.node.type]) + n.r + 30 : n.r;
    const [left, right] = n.side === "right" ? [n.r, width] : n.side === "left" ? [width, n.r] : [width / 2, width / 2];
    bounds.x0 = Math.min(bounds.x0, n.x - left);
    bounds.x1 = Math.max(bounds.x1, n.x + right);
    bounds.y0 = Math.min(bounds.y0, n.y - n.r - pad);
    bounds.y1 = Math.max(bounds.y1, n.y + n.r + pad);
  }
  return { nodes, links, byId: new Map(nodes.map((n) => [n.id, n])), bounds };
}

/** Branches to both sides of the core, topics balanced by height, labels as text on the branch. */
export function treeScene(model: MapModel, options: SceneOptions): Scene {
  const { kids } = visibleNodes(model, options);
  const wrapOf = (node: MapNode) =>
    options.isNarrow ? (node.type === "page" ? 30 : 16) : node.type === "page" ? 44 : 24;
  const heights = new Map<string, number>();
  const ownHeight = (id: string) => {
    const node = model.byId.get(id) as MapNode;
    return (
      wrapLabel(node.label, wrapOf(node)).length * FONT_SIZE[node.type] * LINE_HEIGHT + (node.type === "page" ? 7 : 14)
    );
  };
  const measure = (id: string): number => {
    const below = kids(id).reduce((sum, child) => sum + measure(child), 0);
    const height = Math.max(ownHeight(id), below) + (model.byId.get(id)?.type === "topic" ? 16 : 0);
    heights.set(id, height);
    return height;
  };
  measure(model.root.id);
  const topics = kids(model.root.id);
  const half = topics.reduce((sum, id) => sum + (heights.get(id) ?? 0), 0) / 2;
  const sides: { right: string[]; left: string[] } = { right: [], left: [] };
  let filled = 0;
  for (const id of topics) {
    const height = heights.get(id) ?? 0;
    const isRight = options.isNarrow || options.isOneSided || sides.right.length === 0 || filled + height / 2 <= half;
    sides[isRight ? "right" : "left"].push(id);
    if (isRight) filled += height;
  }
  const nodes: SceneNode[] = [];
  const links: SceneLink[] = [];
  const coreWrap = options.isNarrow ? 12 : 24;
  nodes.push({ ...sceneNodeBase(model, model.root, options, coreWrap), x: 0, y: 0, side: "center", turn: 0 });
  const coreHalf = labelWidth(wrapLabel(model.root.label, coreWrap), "core", FONT_SIZE.core) / 2 + 26;
  const place = (id: string, from: SceneNode, start: number, x0: number, sign: 1 | -1) => {
    const node = model.byId.get(id) as MapNode;
    const height = heights.get(id) ?? 0;
    const at: SceneNode = {
      ...sceneNodeBase(model, node, options, wrapOf(node)),
      x: x0,
      y: start + height / 2,
      side: sign > 0 ? "right" : "left",
      turn: 0,
    };
    at.r = node.type === "page" ? 2.5 + 3 * Math.min(1, at.importance) : node.type === "topic" ? 5.5 : 4;
    nodes.push(at);
    const fromX = from.node.type === "core" ? sign * coreHalf : from.x + sign * (from.r + labelExtent(from) + 12);
    const mid = (fromX + at.x) / 2;
    links.push({
      from: from.id,
      to: id,
      hue: at.hue,
      width: node.type === "topic" ? 3.2 : node.type === "subtopic" ? 2.2 : 1.3,
      kind: "contains",
      curve: [fromX, from.y, mid, from.y, mid, at.y, at.x - sign * at.r, at.y],
    });
    let offset = start + (height - kids(id).reduce((sum, child) => sum + (heights.get(child) ?? 0), 0)) / 2;
    const nextX = x0 + sign * (at.r + labelExtent(at) + (options.isNarrow ? 30 : 52) + (at.numCollapsed ? 20 : 0));
    for (const child of kids(id)) {
      place(child, at, offset, nextX, sign);
      offset += heights.get(child) ?? 0;
    }
  };
  for (const [side, sign] of [
    ["right", 1],
    ["left", -1],
  ] as const) {
    let offset = -sides[side].reduce((sum, id) => sum + (heights.get(id) ?? 0), 0) / 2;
    for (const id of sides[side]) {
      place(id, nodes[0] as SceneNode, offset, sign * (coreHalf + (options.isNarrow ? 36 : 64)), sign);
      offset += heights.get(id) ?? 0;
    }
  }
  return withBounds(nodes, links, 14, true);
}

function labelExtent(n: SceneNode): number {
  return labelWidth(n.lines, n.node.type, FONT_SIZE[n.node.type]) + 8;
}

/**
 * The radius of a ring as a share of the outermost. Inner rings are further out than evenly spaced, so that the core
 * has space.
 */
const RINGS = [
  [0, 0],
  [0.36, 0.46],
  [0.66, 0.73],
  [1, 1],
] as const;

function ringRadius(share: number): number {
  const at = RINGS.findIndex(([from]) => share <= from);
  const [[a, x], [b, y]] = [RINGS[Math.max(0, at - 1)] ?? [0, 0], RINGS[Math.max(0, at)] ?? [1, 1]];
  return b === a ? y : x + ((share - a) / (b - a)) * (y - x);
}

/** Rings by level at the server's angles; labels of pages point outwards and are never upside down. */
export function radialScene(model: MapModel, options: SceneOptions): Scene {
  const places = model.document.layouts.radial ?? {};
  const { ids } = visibleNodes(model, options);
  const placeOf = (node: MapNode) => places[node.id] ?? { x: node.position.x, y: -node.position.y };
  const maxRadius = Math.max(
    1,
    ...ids.map((id) => Math.hypot(placeOf(model.byId.get(id) as MapNode).x, placeOf(model.byId.get(id) as MapNode).y)),
  );
  const nodes = ids.map((id): SceneNode => {
    const node = model.byId.get(id) as MapNode;
    const raw = placeOf(node);
    const share = Math.hypot(raw.x, raw.y) / maxRadius;
    const stretch = share > 0 ? ringRadius(share) / share : 1;
    const at = { x: raw.x * stretch, y: raw.y * stretch };
    const angle = Math.atan2(at.y, at.x);
    const isLeft = Math.abs(angle) > Math.PI / 2;
    const isOuter = node.type === "page";
    return {
      ...sceneNodeBase(model, node, options, isOuter ? 28 : options.isNarrow ? 14 : 20),
      x: at.x,
      y: at.y,
      r: isOuter ? Math.max(3, node.size * 0.14) : radiusOf(node),
      side: node.type === "core" ? "center" : isOuter ? (isLeft ? "left" : "right") : "top",
      turn: isOuter ? (isLeft ? angle - Math.PI * Math.sign(angle || 1) : angle) : 0,
    };
  });
  return withStraightLinks(model, nodes);
}

/** The galaxy from the front, with depth as size and opacity: the fallback without WebGL. */
export function galaxyScene(model: MapModel, options: SceneOptions): Scene {
  const nodes = visibleNodes(model, options).ids.map((id): SceneNode => {
    const node = model.byId.get(id) as MapNode;
    const depth = 500 / (500 - Math.max(-300, Math.min(300, node.position.z)) * 0.6);
    return {
      ...sceneNodeBase(model, node, options, node.type === "page" ? 40 : 20),
      x: node.position.x * depth * 1.6,
      y: -node.position.y * depth * 1.6,
      r: radiusOf(node) * depth,
      side: node.type === "core" ? "center" : "top",
      turn: 0,
      fade: Math.max(0.55, Math.min(1, 0.75 + node.position.z / 900)),
    };
  });
  nodes.sort((a, b) => a.node.position.z - b.node.position.z);
  return withStraightLinks(model, nodes);
}

function withStraightLinks(model: MapModel, nodes: SceneNode[]): Scene {
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const links: SceneLink[] = [];
  const add = (from: SceneNode, to: SceneNode, kind: SceneLink["kind"], width: number) => {
    const bend = kind === "cross" ? 0.18 : 0;
    const [mx, my] = [(from.x + to.x) / 2 - (to.y - from.y) * bend, (from.y + to.y) / 2 + (to.x - from.x) * bend];
    links.push({
      from: from.id,
      to: to.id,
      hue: kind === "cross" ? null : to.hue,
      width,
      kind,
      curve: [from.x, from.y, mx, my, mx, my, to.x, to.y],
    });
  };
  for (const n of nodes) {
    const from = byId.get(model.parent.get(n.id) ?? "");
    if (from) add(from, n, "contains", n.node.type === "topic" ? 2.4 : n.node.type === "subtopic" ? 1.6 : 1);
  }
  for (const edge of model.cross) {
    const [from, to] = [byId.get(edge.source), byId.get(edge.target)];
    if (from && to) add(from, to, "cross", 1 + Math.min(1.5, edge.weight * 2));
  }
  return withBounds(nodes, links, 0, false);
}

/** The node at a point in world units: the nearest whose disc or, in the tree, whose label contains it. */
export function nodeAt(scene: Scene, x: number, y: number, slack: number): SceneNode | null {
  let best: SceneNode | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const n of scene.nodes) {
    const distance = Math.hypot(n.x - x, n.y - y) - n.r;
    let near = distance <= slack ? distance : Number.POSITIVE_INFINITY;
    if (n.turn === 0 && n.side !== "top") {
      const width = labelExtent(n);
      const half = (n.lines.length * FONT_SIZE[n.node.type] * LINE_HEIGHT) / 2 + 2;
      const [left, right] =
        n.side === "right"
          ? [n.x, n.x + n.r + width]
          : n.side === "left"
            ? [n.x - n.r - width, n.x]
            : [n.x - width / 2 - 12, n.x + width / 2 + 12];
      if (x >= left && x <= right && Math.abs(y - n.y) <= half) near = Math.min(near, 0);
    }
    if (near < bestDistance) {
      best = n;
      bestDistance = near;
    }
  }
  return best;
}
