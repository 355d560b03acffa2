/** Sizes and positions of the labels of a flat map at one scale, in CSS pixels. */
import { type LabelBox, type Obstacle, placeLabels } from "./labels";
import { labelWidth } from "./measure";
import { FONT_SIZE, LINE_HEIGHT, type SceneNode } from "./scene";

export interface Marks {
  selected: string | null;
  hovered: string | null;
  /** When set, all other nodes are dimmed. */
  bright: ReadonlySet<string> | null;
  matches: ReadonlySet<string>;
  dropTarget: string | null;
}

/**
 * "all": labels scale with the map (tree). "fitting": labels keep a readable size; those without space are left out.
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
}

/** The core's font size where labels do not scale with the map. */
const CORE_FIXED = 17;
const CORE_NARROW = 12.5;
/** Below this scale a narrow map has no space for the labels of pages. */
const MIN_NARROW_PAGE_SCALE = 0.55;
/** Smaller text is not drawn. */
const MIN_FONT_PX = 3.5;

export function fixedCoreFontSize(isNarrow: boolean): number {
  return isNarrow ? CORE_NARROW : CORE_FIXED;
}

/** All labels in "all" mode; in "fitting" mode those that have a free position. */
export function placeSceneLabels(
  nodes: readonly SceneNode[],
  k: number,
  marks: Marks,
  mode: LabelMode,
  isNarrow: boolean,
): PlacedLabel[] {
  const boxes: LabelBox[] = [];
  const obstacles: Obstacle[] = [];
  const labels: PlacedLabel[] = [];
  const candidates = new Map<string, PlacedLabel>();
  for (const n of nodes) {
    if (isNarrow && mode !== "all" && isHiddenOnNarrowMap(n, k, marks)) continue;
    const size = fontSize(n, k, mode, isNarrow);
    if (mode === "all" && size < MIN_FONT_PX) continue;
    const label: PlacedLabel = {
      n,
      size,
      width: labelWidth(n.lines, n.node.type, size),
      height: n.lines.length * size * LINE_HEIGHT,
      x: n.x * k,
      y: n.y * k,
    };
    const places = labelPlaces(label, k);
    if (mode === "all") {
      [label.x, label.y] = places[0] ?? [label.x, label.y];
      labels.push(label);
      continue;
    }
    candidates.set(n.id, label);
    boxes.push(labelBox(label, places, marks));
    if (n.node.type !== "page") obstacles.push({ id: n.id, x: label.x, y: label.y, r: n.r * k + 2 });
  }
  for (const [id, [x, y]] of placeLabels(boxes, obstacles)) {
    const label = candidates.get(id);
    if (label) labels.push({ ...label, x, y });
  }
  return labels;
}

function isHiddenOnNarrowMap(n: SceneNode, k: number, marks: Marks): boolean {
  return n.node.type === "page" && k < MIN_NARROW_PAGE_SCALE && labelRank(n, marks) >= 0;
}

function fontSize(n: SceneNode, k: number, mode: LabelMode, isNarrow: boolean): number {
  if (mode === "all") return FONT_SIZE[n.node.type] * k;
  if (n.side === "center") return fixedCoreFontSize(isNarrow);
  return Math.max(11, Math.min(FONT_SIZE[n.node.type] * Math.max(0.8, Math.min(k, 1.25)), 24));
}

/** The possible centres of a label, best first. `label` still has its node's centre as its position. */
function labelPlaces({ n, width, height, x, y }: PlacedLabel, k: number): [number, number][] {
  const distance = n.r * k + 5 + 2 * Math.min(1, k);
  if (n.side === "center") return [[x, y]];
  if (n.side === "top")
    return [
      [x, y - distance - height / 2],
      [x, y + distance + height / 2],
      [x + distance + width / 2, y],
      [x - distance - width / 2, y],
    ];
  const sign = n.side === "left" ? -1 : 1;
  return [[x + Math.cos(n.turn) * sign * (distance + width / 2), y + Math.sin(n.turn) * sign * (distance + width / 2)]];
}

function labelBox({ n, size, width, height }: PlacedLabel, places: [number, number][], marks: Marks): LabelBox {
  const isCore = n.side === "center";
  // Space for the frame of the core's name, or for the number of collapsed nodes.
  const margin = isCore ? size : n.numCollapsed > 0 ? size * (0.45 + 0.5 * String(n.numCollapsed).length) : 0;
  return {
    id: n.id,
    places,
    width: width + 2 * margin,
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
