/** Sizes and positions of the labels of a flat map at one scale, in CSS pixels. */
import { type LabelBox, type Obstacle, placeLabels } from "./labels";
import { labelWidth } from "./measure";
import { FONT_SIZE, LINE_HEIGHT, MIN_TREE_FONT_PX, type Scene, type SceneNode } from "./scene";

export interface Marks {
  selected: string | null;
  hovered: string | null;
  /** When set, all other nodes are dimmed. */
  bright: ReadonlySet<string> | null;
  matches: ReadonlySet<string>;
  dropTarget: string | null;
}

export const NO_MARKS: Marks = { selected: null, hovered: null, bright: null, matches: new Set(), dropTarget: null };

/**
 * "all": labels scale with the map down to a readable size (tree). "fitting": labels keep a readable size. In both,
 * labels of readable size without space are left out until the map is enlarged.
 */
export type LabelMode = "all" | "fitting";

/** A label at its position. Positions are in pixels, not in world units, so that text is sharp. */
export interface PlacedLabel {
  n: SceneNode;
  size: number;
  width: number;
  height: number;
  x: number;
  y: number;
  /** The control that folds the branch, beside the label. */
  fold: FoldControl | null;
  /** Whether the label is larger than the tree reserves for it, so that it may cover lines. */
  isEnlarged: boolean;
}

/** A rounded frame around a point. */
export interface FoldControl {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The core's font size where labels do not scale with the map. */
const CORE_FIXED = 17;
const CORE_NARROW = 12.5;
/** Below this scale a narrow map has no space for the labels of pages. */
const MIN_NARROW_PAGE_SCALE = 0.55;
/** Lines of text may stand so much closer than their height: it contains the space between lines. */
const LEADING_PX = 2.5;
/** Below this font size, in pixels, the labels of a tree's pages are left out. */
const MIN_TREE_PAGE_PX = 7;

/** The core's font size in pixels at scale `k`. */
export function coreFontSize(k: number, isFixed: boolean, isNarrow: boolean): number {
  if (isFixed) return isNarrow ? CORE_NARROW : CORE_FIXED;
  return Math.max(FONT_SIZE.core * k, MIN_TREE_FONT_PX.core);
}

/** The labels that have a free position. */
export function placeSceneLabels(
  nodes: readonly SceneNode[],
  k: number,
  marks: Marks,
  mode: LabelMode,
  isNarrow: boolean,
): PlacedLabel[] {
  // From this scale on the tree itself reserves the space of every label.
  if (mode === "all" && FONT_SIZE.page * k >= MIN_TREE_FONT_PX.page)
    return nodes.map((n) => withFold(firstPlace(labelOf(n, k, mode, isNarrow), k)));
  const boxes: LabelBox[] = [];
  const obstacles: Obstacle[] = [];
  const candidates = new Map<string, PlacedLabel>();
  for (const n of nodes) {
    if (isPageUnlabelled(n, k, mode, isNarrow) && labelRank(n, marks) >= 0) continue;
    const label = labelOf(n, k, mode, isNarrow);
    candidates.set(n.id, label);
    boxes.push(labelBox(label, labelPlaces(label, k), marks));
    if (n.node.type !== "page") obstacles.push({ id: n.id, x: label.x, y: label.y, r: n.r * k + 2 });
  }
  const labels: PlacedLabel[] = [];
  for (const [id, [x, y]] of placeLabels(boxes, mode === "all" ? [] : obstacles, mode === "all" ? -LEADING_PX : 2)) {
    const label = candidates.get(id);
    candidates.delete(id);
    if (label) labels.push(withFold({ ...label, x, y }));
  }
  // A tree without the names of its topics says nothing: they are shown in any case.
  if (mode === "all")
    for (const label of candidates.values())
      if (label.n.node.type === "topic") labels.push(withFold(firstPlace(label, k)));
  return labels;
}

/** The label with its node's centre as its position. */
function labelOf(n: SceneNode, k: number, mode: LabelMode, isNarrow: boolean): PlacedLabel {
  const size = fontSize(n, k, mode, isNarrow);
  return {
    n,
    size,
    width: labelWidth(n.lines, n.node.type, size),
    height: n.lines.length * size * LINE_HEIGHT,
    x: n.x * k,
    y: n.y * k,
    fold: null,
    isEnlarged: mode === "all" && size > FONT_SIZE[n.node.type] * k * 1.02,
  };
}

function firstPlace(label: PlacedLabel, k: number): PlacedLabel {
  const [x, y] = labelPlaces(label, k)[0] ?? [label.x, label.y];
  return { ...label, x, y };
}

/** The width of the fold control and of the gap before it, in pixels. */
function foldWidths(n: SceneNode, size: number): { gap: number; width: number; height: number } {
  const height = Math.max(12, Math.min(18, size * 1.05));
  const digits = n.numCollapsed > 0 ? String(n.numCollapsed).length : 0;
  return { gap: Math.min(5, size * 0.35), height, width: digits > 0 ? height * (0.85 + digits * 0.42) : height };
}

/** The space that the fold control takes behind a label; 0 without one. */
function foldExtent(n: SceneNode, size: number): number {
  if (!n.canFold || n.turn !== 0) return 0;
  const { gap, width } = foldWidths(n, size);
  return gap + width;
}

function withFold(label: PlacedLabel): PlacedLabel {
  const { n, size, width, height, x, y } = label;
  if (!n.canFold || n.turn !== 0) return label;
  const fold = foldWidths(n, size);
  const sign = n.side === "left" ? -1 : 1;
  // Beside the last line, which a centred name may have shorter than the others.
  const lineWidth = n.side === "top" ? labelWidth(n.lines.slice(-1), n.node.type, size) : width;
  const centre = x + sign * (lineWidth / 2 + fold.gap + fold.width / 2);
  const lineY = n.side === "top" ? y + (height * (n.lines.length - 1)) / n.lines.length / 2 : y;
  return { ...label, fold: { x: centre, y: lineY, width: fold.width, height: fold.height } };
}

/**
 * How far the drawing extends from the world's centre at scale `k`, in pixels, with every label that is drawn then at its
 * best position. Where labels collide, some are drawn at another one: see `drawnBounds`.
 */
export function pixelBounds(scene: Scene, k: number, mode: LabelMode, isNarrow: boolean): Scene["bounds"] {
  const bounds = discBounds(scene, k);
  for (const n of scene.nodes)
    if (!isPageUnlabelled(n, k, mode, isNarrow))
      widenByLabel(bounds, withFold(firstPlace(labelOf(n, k, mode, isNarrow), k)));
  return bounds;
}

/** How far the drawing extends with `labels`, which were placed at scale `k`. */
export function drawnBounds(scene: Scene, k: number, labels: readonly PlacedLabel[]): Scene["bounds"] {
  const bounds = discBounds(scene, k);
  for (const label of labels) widenByLabel(bounds, label);
  return bounds;
}

function discBounds(scene: Scene, k: number): Scene["bounds"] {
  const bounds = { x0: 0, y0: 0, x1: 0, y1: 0 };
  for (const n of scene.nodes) {
    const r = n.r * k + 2;
    widen(bounds, n.x * k - r, n.y * k - r, n.x * k + r, n.y * k + r);
  }
  return bounds;
}

function widenByLabel(bounds: Scene["bounds"], { n, x, y, width, height, size, fold }: PlacedLabel): void {
  const [cos, sin] = [Math.abs(Math.cos(n.turn)), Math.abs(Math.sin(n.turn))];
  const pill = n.side === "center" ? size : 0;
  const [halfX, halfY] = [(cos * width + sin * height) / 2 + pill, (sin * width + cos * height) / 2 + pill / 2];
  widen(bounds, x - halfX, y - halfY, x + halfX, y + halfY);
  if (fold) widen(bounds, fold.x - fold.width / 2, y, fold.x + fold.width / 2, y);
}

/** Makes bounds contain a rectangle, too. */
export function widen(bounds: Scene["bounds"], x0: number, y0: number, x1: number, y1: number): void {
  bounds.x0 = Math.min(bounds.x0, x0);
  bounds.y0 = Math.min(bounds.y0, y0);
  bounds.x1 = Math.max(bounds.x1, x1);
  bounds.y1 = Math.max(bounds.y1, y1);
}

/** What is under a point: a node's label or disc, or the control that folds its branch. */
export interface Hit {
  n: SceneNode;
  isFold: boolean;
}

/** What is nearest to a point in the pixels of `k`, at most `slack` pixels away from it. */
export function hitAt(
  scene: Scene,
  labels: readonly PlacedLabel[],
  k: number,
  x: number,
  y: number,
  slack: number,
  hasFold: boolean,
): Hit | null {
  for (const { n, fold } of hasFold ? labels : []) {
    if (!fold) continue;
    const [reachX, reachY] = [fold.width / 2 + Math.min(slack, 8), fold.height / 2 + Math.min(slack, 8)];
    if (Math.abs(x - fold.x) <= reachX && Math.abs(y - fold.y) <= reachY) return { n, isFold: true };
  }
  let best: SceneNode | null = null;
  let nearest = Number.POSITIVE_INFINITY;
  const consider = (n: SceneNode, distance: number) => {
    if (distance >= nearest) return;
    best = n;
    nearest = distance;
  };
  for (const label of labels) {
    const [dx, dy] = [x - label.x, y - label.y];
    const { turn } = label.n;
    const along = Math.abs(dx * Math.cos(turn) + dy * Math.sin(turn));
    const across = Math.abs(dy * Math.cos(turn) - dx * Math.sin(turn));
    const pill = label.n.side === "center" ? label.size / 2 : 0;
    if (along <= label.width / 2 + 3 + pill && across <= label.height / 2 + 2 + pill) consider(label.n, 0);
  }
  for (const n of scene.nodes) {
    const distance = Math.hypot(n.x * k - x, n.y * k - y) - n.r * k;
    if (distance <= slack) consider(n, Math.max(0, distance) + 0.5);
  }
  return best ? { n: best, isFold: false } : null;
}

/** Whether a map shows its pages as dots at scale `k`, except those that are selected, hovered or searched for. */
function isPageUnlabelled({ node }: SceneNode, k: number, mode: LabelMode, isNarrow: boolean): boolean {
  if (node.type !== "page") return false;
  return mode === "all" ? FONT_SIZE.page * k < MIN_TREE_PAGE_PX : isNarrow && k < MIN_NARROW_PAGE_SCALE;
}

function fontSize(n: SceneNode, k: number, mode: LabelMode, isNarrow: boolean): number {
  if (n.side === "center") return coreFontSize(k, mode !== "all", isNarrow);
  if (mode === "all") return Math.max(FONT_SIZE[n.node.type] * k, MIN_TREE_FONT_PX[n.node.type]);
  return Math.max(11, Math.min(FONT_SIZE[n.node.type] * Math.max(0.8, Math.min(k, 1.25)), 24));
}

/** The possible centres of a label, best first. `label` still has its node's centre as its position. */
function labelPlaces({ n, size, width, height, x, y }: PlacedLabel, k: number): [number, number][] {
  const distance = n.r * k + 5 + 2 * Math.min(1, k);
  if (n.side === "center") return [[x, y]];
  if (n.side === "top")
    return [
      [x, y - distance - height / 2],
      [x, y + distance + height / 2],
      [x + distance + width / 2, y],
      // The fold control is behind the label: here between it and its node.
      [x - distance - foldExtent(n, size) - width / 2, y],
    ];
  const sign = n.side === "left" ? -1 : 1;
  return [[x + Math.cos(n.turn) * sign * (distance + width / 2), y + Math.sin(n.turn) * sign * (distance + width / 2)]];
}

export function labelBox({ n, size, width, height }: PlacedLabel, places: [number, number][], marks: Marks): LabelBox {
  const isCore = n.side === "center";
  // Space for the frame of the core's name, or for the fold control, which is on one side of the label only.
  const fold = foldExtent(n, size);
  const margin = isCore ? size : 0;
  return {
    id: n.id,
    places,
    shift: n.side === "left" ? -fold / 2 : fold / 2,
    width: width + 2 * margin + fold,
    height: height + (isCore ? margin : 0),
    turn: n.turn,
    rank: isCore ? -3 : labelRank(n, marks),
    importance: n.importance,
  };
}

function labelRank(n: SceneNode, marks: Marks): number {
  if (n.id === marks.selected || n.id === marks.hovered || n.id === marks.dropTarget) return -2;
  if (marks.matches.has(n.id)) return -1;
  return n.rank;
}
