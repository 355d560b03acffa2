/** Layouts of the flat map: positions of nodes and links in world units. Pure. */
import { chosenOffset, GALAXY_UNIT, galaxyDepth } from "./free-places";
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
  /** Whether the node has something below it that can be folded. */
  canFold: boolean;
}

export interface SceneLink {
  from: string;
  to: string;
  hue: number | null;
  width: number;
  kind: "contains" | "cross";
  /** Control points of a cubic Bézier curve: x0 y0 x1 y1 x2 y2 x3 y3. */
  curve: readonly [number, number, number, number, number, number, number, number];
  /** The name of a cross link. */
  label?: string;
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
  /** The pane is too narrow for long names. */
  isNarrow?: boolean;
  /** All branches to the right of the core. */
  isOneSided?: boolean;
  /** The pages of a topic stand in columns of at most this many rows. */
  maxRows?: number;
  /** The scale down to which the labels of topics have space at their smallest readable size. */
  labelScale?: number;
}

const RANK = { core: 0, topic: 0, subtopic: 1, page: 2 } as const;
export const FONT_SIZE = { core: 22, topic: 17, subtopic: 14, page: 12.5 } as const;
export const LINE_HEIGHT = 1.28;
/** The smallest readable font of a tree's labels, in pixels. */
export const MIN_TREE_FONT_PX = { core: 14, topic: 12.5, subtopic: 11, page: 10 } as const;
/** The space between a tree's label and its link for the control that folds the branch. */
const FOLD_SPACE = 22;
/** The smallest space between the core's frame and the topics beside it, on the screen. */
const CORE_GAP_PX = 14;
/** In columns every page has one line of at most this many characters. */
const COLUMN_WRAP = 24;
const COLUMN_ROW = FONT_SIZE.page * LINE_HEIGHT + 5;

const MAX_WRAPPED = 20_000;
const wrapped = new Map<string, string[]>();

const words = new Intl.Segmenter(undefined, { granularity: "word" });
const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The width of a text in Latin letters: a full-width character counts twice, a mark on a letter not at all. */
function weigh(text: string): number {
  let width = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x300) width++;
    else if (!/\p{M}/u.test(char)) width += code > 0x2e7f ? 2 : 1;
  }
  return width;
}

/**
 * Lines of at most `max` characters (a full-width character counts twice), broken at spaces where possible, else
 * between words of a script without spaces, else between characters.
 */
export function wrapLabel(label: string, max = 24): string[] {
  const key = `${max} ${label}`;
  let lines = wrapped.get(key);
  if (!lines) {
    if (wrapped.size > MAX_WRAPPED) wrapped.clear();
    lines = wrapNewLabel(label, max);
    wrapped.set(key, lines);
  }
  return lines;
}

function wrapNewLabel(label: string, max: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of label.trim().split(/\s+/)) {
    if (line && weigh(line) + 1 + weigh(word) > max) {
      lines.push(line);
      line = "";
    }
    line = line ? `${line} ${word}` : word;
    while (weigh(line) > max) {
      const cut = lineEnd(line, max);
      lines.push(line.slice(0, cut).trimEnd());
      line = line.slice(cut).trimStart();
    }
  }
  if (line || lines.length === 0) lines.push(line);
  return lines;
}

/** Where a text that is wider than `max` is broken: before a word, at most `max` wide, else inside the first word. */
function lineEnd(text: string, max: number): number {
  let border = 0;
  let width = 0;
  for (const { index, segment, isWordLike } of words.segment(text)) {
    // A comma or a full stop stays with the word before it.
    if (isWordLike) border = index;
    width += weigh(segment);
    if (width > max) break;
  }
  if (border > 0) return border;
  width = 0;
  for (const { index, segment } of characters.segment(text)) {
    width += weigh(segment);
    if (width > max && index > 0) return index;
  }
  return text.length;
}

/** The first line with an ellipsis; hovering shows the full label. */
function firstLine(lines: string[]): string[] {
  return lines.length <= 1 ? lines : [`${lines[0]}…`];
}

export function visibleNodes(
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

/** The radius of a disc in a tree, whose names say how large something is. */
export function treeRadius({ node, importance }: SceneNode): number {
  return node.type === "page" ? 2.5 + 3 * Math.min(1, importance) : node.type === "topic" ? 5.5 : 4;
}

function labelLines(model: MapModel, node: MapNode, wrap: number): string[] {
  // The title of a session with one topic is its topic; the map does not say the same twice.
  if (node.type === "topic" && model.topics.length === 1 && node.label === model.root.label) return [];
  const lines = wrapLabel(node.label, wrap);
  return node.type === "page" && wrap <= 28 ? firstLine(lines) : lines;
}

export function sceneNodeBase(
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
    lines: labelLines(model, node, wrap),
    fade: 1,
    numCollapsed: options.collapsed.has(node.id) ? subtree(model, node.id).size - 1 : 0,
    canFold: node.id !== model.root.id && (model.children.get(node.id)?.length ?? 0) > 0,
  };
}

export function withBounds(nodes: SceneNode[], links: SceneLink[], pad: number, isScaled: boolean): Scene {
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
  const maxRows = options.maxRows ?? Number.POSITIVE_INFINITY;
  const nodeOf = (id: string) => model.byId.get(id) as MapNode;
  /** The children of a node: the pages that stand in columns, and the branches below each other. */
  const partsOf = (id: string): { columns: string[][]; branches: readonly string[] } => {
    const all = kids(id);
    const pages = all.filter((child) => nodeOf(child).type === "page");
    if (pages.length <= maxRows) return { columns: [], branches: all };
    const numColumns = Math.ceil(pages.length / maxRows);
    const rows = Math.ceil(pages.length / numColumns);
    const columns = Array.from({ length: numColumns }, (_, i) => pages.slice(i * rows, (i + 1) * rows));
    return { columns: columns.filter((each) => each.length > 0), branches: all.filter((id) => !pages.includes(id)) };
  };
  const wrapOf = (node: MapNode) => (node.type === "page" ? 44 : 24);
  const heights = new Map<string, number>();
  const fontOf = (type: MapNode["type"]) =>
    type === "page" ? FONT_SIZE.page : Math.max(FONT_SIZE[type], MIN_TREE_FONT_PX[type] / (options.labelScale ?? 1));
  const ownHeight = (node: MapNode) =>
    wrapLabel(node.label, wrapOf(node)).length * fontOf(node.type) * LINE_HEIGHT + (node.type === "page" ? 7 : 14);
  const blockHeight = (columns: string[][]) => (columns[0] ? columns[0].length * COLUMN_ROW + COLUMN_ROW : 0);
  const measure = (id: string): number => {
    const { columns, branches } = partsOf(id);
    const below = blockHeight(columns) + branches.reduce((sum, child) => sum + measure(child), 0);
    const height = Math.max(ownHeight(nodeOf(id)), below) + (nodeOf(id).type === "topic" ? 16 : 0);
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
    const isRight = options.isOneSided || sides.right.length === 0 || filled + height / 2 <= half;
    sides[isRight ? "right" : "left"].push(id);
    if (isRight) filled += height;
  }
  const nodes: SceneNode[] = [];
  const links: SceneLink[] = [];
  const core = sceneNodeBase(model, model.root, options, wrapOf(model.root));
  nodes.push({ ...core, x: 0, y: 0, side: "center", turn: 0 });
  const coreLines = core.lines;
  const coreHalf = labelWidth(coreLines, "core", FONT_SIZE.core) / 2 + 26;
  // In a tree that is shown small, names are larger than the map: topics stay beside the frame of the core's name, which
  // is a letter wider on each side, and lines begin behind the names.
  const coreGap = Math.max(68, CORE_GAP_PX / (options.labelScale ?? 1));
  const topicX = labelWidth(coreLines, "core", fontOf("core")) / 2 + fontOf("core") + coreGap;
  const foldSpace = FOLD_SPACE / (options.labelScale ?? 1);
  const extentOf = (n: SceneNode) => labelWidth(n.lines, n.node.type, fontOf(n.node.type)) + 8;
  const linkStart = (from: SceneNode, sign: 1 | -1) =>
    from.node.type === "core" ? sign * coreHalf : from.x + sign * (from.r + extentOf(from) + foldSpace);
  const add = (id: string, x: number, y: number, sign: 1 | -1, wrap: number): SceneNode => {
    const node = nodeOf(id);
    const side = sign > 0 ? "right" : "left";
    const at: SceneNode = { ...sceneNodeBase(model, node, options, wrap), x, y, side, turn: 0 };
    at.r = treeRadius(at);
    nodes.push(at);
    return at;
  };
  const link = (from: string, to: SceneNode, curve: SceneLink["curve"]) =>
    links.push({ from, to: to.id, hue: to.hue, width: LINK_WIDTH[to.node.type], kind: "contains", curve });
  /** A branch whose automatic place begins at `slotStart`, `slotX`. What the reader has put elsewhere leaves it empty. */
  const place = (id: string, from: SceneNode, slotStart: number, slotX: number, slotSign: 1 | -1) => {
    const height = heights.get(id) ?? 0;
    const chosen = chosenOffset(nodeOf(id), "tree");
    const isBelowCore = from.node.type === "core";
    const sign = chosen && isBelowCore ? (chosen.x < 0 ? -1 : 1) : slotSign;
    const x0 = chosen ? from.x + (isBelowCore ? chosen.x : sign * chosen.x) : slotX;
    const start = chosen ? from.y + chosen.y - height / 2 : slotStart;
    const at = add(id, x0, start + height / 2, sign, wrapOf(nodeOf(id)));
    // A topic above or below the core hangs on its centre.
    const fromX = isBelowCore && Math.abs(x0) < coreHalf ? 0 : linkStart(from, sign);
    const mid = (fromX + at.x) / 2;
    link(from.id, at, [fromX, from.y, mid, from.y, mid, at.y, at.x - sign * at.r, at.y]);
    const { columns, branches } = partsOf(id);
    const below = blockHeight(columns) + branches.reduce((sum, child) => sum + (heights.get(child) ?? 0), 0);
    let offset = start + (height - below) / 2;
    const nextX = x0 + sign * (at.r + extentOf(at) + 38 + (at.canFold ? foldSpace : 0));
    for (const child of branches) {
      place(child, at, offset, nextX, sign);
      offset += heights.get(child) ?? 0;
    }
    placeColumns(at, columns, offset, nextX, sign);
  };
  /** Pages in columns hang on one line for each column, and the lines on one above them. */
  const placeColumns = (parent: SceneNode, columns: string[][], start: number, x0: number, sign: 1 | -1) => {
    let x = x0;
    let previousX = linkStart(parent, sign);
    columns.forEach((column, i) => {
      const top = start + COLUMN_ROW * 0.5;
      let width = 0;
      let previousY = top;
      let isFirst = true;
      column.forEach((id, row) => {
        if (chosenOffset(nodeOf(id), "tree")) {
          place(id, parent, 0, 0, sign);
          return;
        }
        const at = add(id, x, start + COLUMN_ROW * (row + 1.25), sign, COLUMN_WRAP);
        width = Math.max(width, at.r + extentOf(at));
        if (isFirst) {
          isFirst = false;
          const mid = (previousX + x) / 2;
          const fromY = i === 0 ? parent.y : top;
          link(parent.id, at, [previousX, fromY, mid, fromY, mid, top, x, top]);
        }
        link(parent.id, at, [x, previousY, x, previousY, x, at.y, x, at.y]);
        previousY = at.y;
      });
      previousX = x;
      x += sign * (width + 18);
    });
  };
  for (const [side, sign] of [
    ["right", 1],
    ["left", -1],
  ] as const) {
    let offset = -sides[side].reduce((sum, id) => sum + (heights.get(id) ?? 0), 0) / 2;
    for (const id of sides[side]) {
      place(id, nodes[0] as SceneNode, offset, sign * topicX, sign);
      offset += heights.get(id) ?? 0;
    }
  }
  return withBounds(nodes, [...links, ...crossLinks(model, nodes)], 14, true);
}

export const LINK_WIDTH = { core: 1, topic: 3.2, subtopic: 2.2, page: 1.3 } as const;

/** The links between topics; the tree shows those of the selected node only. */
export function crossLinks(model: MapModel, nodes: readonly SceneNode[]): SceneLink[] {
  const byId = new Map(nodes.map((n) => [n.id, n]));
  return model.cross.flatMap((edge) => {
    const [from, to] = [byId.get(edge.source), byId.get(edge.target)];
    return from && to ? [crossLink(from, to, edge.weight, edge.label)] : [];
  });
}

function crossLink(from: SceneNode, to: SceneNode, weight: number, label: string | undefined): SceneLink {
  const bend = 0.18;
  const [mx, my] = [(from.x + to.x) / 2 - (to.y - from.y) * bend, (from.y + to.y) / 2 + (to.x - from.x) * bend];
  return {
    from: from.id,
    to: to.id,
    hue: null,
    width: 1 + Math.min(1.5, weight * 2),
    kind: "cross",
    curve: [from.x, from.y, mx, my, mx, my, to.x, to.y],
    ...(label ? { label } : {}),
  };
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
  const ringPlace = (node: MapNode) => {
    const raw = placeOf(node);
    const share = Math.hypot(raw.x, raw.y) / maxRadius;
    const stretch = share > 0 ? ringRadius(share) / share : 1;
    return { x: raw.x * stretch, y: raw.y * stretch };
  };
  // A node moves with its parent; parents come before their children.
  const placed = new Map<string, { x: number; y: number }>();
  for (const id of ids) {
    const node = model.byId.get(id) as MapNode;
    const own = ringPlace(node);
    const parentId = model.parent.get(id) ?? "";
    const [parent, parentNode] = [placed.get(parentId), model.byId.get(parentId)];
    if (!parent || !parentNode) {
      placed.set(id, own);
      continue;
    }
    const before = ringPlace(parentNode);
    const offset = chosenOffset(node, "radial") ?? { x: own.x - before.x, y: own.y - before.y };
    placed.set(id, { x: parent.x + offset.x, y: parent.y + offset.y });
  }
  const nodes = ids.map((id): SceneNode => {
    const node = model.byId.get(id) as MapNode;
    const at = placed.get(id) as { x: number; y: number };
    const angle = Math.atan2(at.y, at.x);
    const isLeft = Math.abs(angle) > Math.PI / 2;
    const isOuter = node.type === "page";
    return {
      // The frame of a wide name in the middle would cover the topics around it.
      ...sceneNodeBase(model, node, options, isOuter ? 28 : options.isNarrow || node.type === "core" ? 14 : 20),
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
    const depth = galaxyDepth(node.position.z);
    return {
      ...sceneNodeBase(model, node, options, node.type === "page" ? 40 : 20),
      x: node.position.x * depth * GALAXY_UNIT,
      y: -node.position.y * depth * GALAXY_UNIT,
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
  for (const n of nodes) {
    const from = byId.get(model.parent.get(n.id) ?? "");
    if (!from) continue;
    const [mx, my] = [(from.x + n.x) / 2, (from.y + n.y) / 2];
    links.push({
      from: from.id,
      to: n.id,
      hue: n.hue,
      width: n.node.type === "topic" ? 2.4 : n.node.type === "subtopic" ? 1.6 : 1,
      kind: "contains",
      curve: [from.x, from.y, mx, my, mx, my, n.x, n.y],
    });
  }
  return withBounds(nodes, [...links, ...crossLinks(model, nodes)], 0, false);
}
