/** The labels of the galaxy, on a 2-D canvas above the WebGL canvas. */
import type { Size } from "./camera";
import { type LabelBox, type Obstacle, placeLabels } from "./labels";
import { labelFont, labelWidth } from "./measure";
import { labelColour, type Palette } from "./palette";
import type { Pen } from "./pen";
import type { SceneNode } from "./scene";
import { directionOf } from "./text-direction";

export interface GalaxyMarks {
  selected: string | null;
  hovered: string | null;
  /** When set, all other nodes are dimmed. */
  bright: ReadonlySet<string> | null;
  matches: ReadonlySet<string>;
}

/** Where a node is on the screen, in pixels; `depth` is its distance from the camera in world units. */
export interface ScreenPosition {
  x: number;
  y: number;
  r: number;
  depth: number;
}

/** What the renderer shows. One object per renderer, changed in place, so that a frame allocates nothing for it. */
export interface GalaxyView {
  nodes: readonly SceneNode[];
  /** The nodes in front of the camera. */
  screen: Map<string, ScreenPosition>;
  size: Size;
  marks: GalaxyMarks;
  palette: Palette | null;
  /** From the camera to its target, in world units. */
  distance: number;
}

/** The camera distance at which labels have their nominal size. */
export const NOMINAL_DISTANCE = 620;
const FONT_SIZE = { core: 19, topic: 16, subtopic: 13, page: 12 } as const;
const RANK = { core: 0, topic: 0, subtopic: 1, page: 2 } as const;
const LINE_HEIGHT = 1.22;
/** The width of the outline that separates letters from lines. */
const OUTLINE = 4;
/** Pages nearer than this have labels. */
const PAGE_LABEL_DEPTH = 340;
const PAGE_LABEL_DISTANCE = 260;
/** A frame renders at most this many labels at a new size; the others are scaled until a later frame renders them. */
const MAX_RENDERED_PER_FRAME = 5;
/** The positions around a node, by index: above, below, right, left. */
const SLOTS = [0, 1, 2, 3] as const;

interface LabelBitmap {
  canvas: HTMLCanvasElement;
  width: number;
  height: number;
}

interface Candidate extends LabelBox {
  n: SceneNode;
  fontSize: number;
  /** The slot of each of `places`. */
  slots: number[];
}

export class GalaxyLabels {
  readonly canvas = document.createElement("canvas");
  /** Rendered labels by node and font size: outlining letters is expensive. */
  private readonly labelCache = new Map<string, Map<number, LabelBitmap>>();
  private numRendered = 0;
  /** The slot of each label in the last frame, tried first in the next: labels then do not jump. */
  private readonly labelSlots = new Map<string, number>();

  /** `onDeferred` is called when a label of this frame has to be rendered in a later one. */
  constructor(private readonly onDeferred: () => void) {
    this.canvas.className = "galaxy-labels";
  }

  resize({ width, height }: Size): void {
    const ratio = pixelRatio();
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
  }

  /** Discards the rendered labels: other nodes or another palette. */
  clearCache(): void {
    this.labelCache.clear();
  }

  draw(view: GalaxyView): void {
    const context = this.canvas.getContext("2d");
    const { palette, marks, size } = view;
    if (!context || !palette) return;
    const ratio = pixelRatio();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    this.numRendered = 0;
    for (const { candidate, place } of this.placed(view)) {
      const { id } = candidate;
      this.labelSlots.set(id, candidate.slots[candidate.places.indexOf(place)] ?? 0);
      const { canvas, width, height } = this.bitmap(candidate.n, candidate.fontSize, palette, ratio);
      const isDimmed = marks.bright !== null && !marks.bright.has(id) && !marks.matches.has(id);
      context.globalAlpha = isDimmed ? 0.3 : 1;
      context.drawImage(
        canvas,
        toDevicePixel(place[0] - width / 2, ratio),
        toDevicePixel(place[1] - height / 2, ratio),
        width,
        height,
      );
    }
    context.globalAlpha = 1;
    drawSelection(context, view, palette);
  }

  /** Writes the labels of a view as `draw` places them. */
  write(pen: Pen, view: GalaxyView, palette: Palette): void {
    for (const { candidate, place } of this.placed(view))
      writeLabel(pen, candidate.n, candidate.fontSize, palette, place[0], place[1]);
  }

  private placed(view: GalaxyView): { candidate: Candidate; place: readonly [number, number] }[] {
    const candidates = new Map<string, Candidate>();
    const obstacles: Obstacle[] = [];
    this.collect(view, candidates, obstacles);
    return [...placeLabels([...candidates.values()], obstacles, 3)].flatMap(([id, place]) => {
      const candidate = candidates.get(id);
      return candidate ? [{ candidate, place }] : [];
    });
  }

  /** The labels to place, and the discs they should not cover. */
  private collect(view: GalaxyView, candidates: Map<string, Candidate>, obstacles: Obstacle[]): void {
    for (const n of view.nodes) {
      const at = view.screen.get(n.id);
      if (!at || isOffScreen(at, view.size)) continue;
      obstacles.push({ id: n.id, x: at.x, y: at.y, r: at.r });
      const isMarked = n.id === view.marks.selected || n.id === view.marks.hovered || view.marks.matches.has(n.id);
      if (isMarked || isLabelled(n, at, view)) candidates.set(n.id, this.candidate(n, at, isMarked, view.size));
    }
  }

  private candidate(n: SceneNode, at: ScreenPosition, isMarked: boolean, view: Size): Candidate {
    // In half pixels, so that a rendered label can be used again while the camera moves.
    const fontSize =
      Math.round(2 * FONT_SIZE[n.node.type] * Math.max(0.82, Math.min(1.15, NOMINAL_DISTANCE / at.depth))) / 2;
    const lines = linesOf(n);
    const width = labelWidth(lines, n.node.type, fontSize);
    const height = lines.length * fontSize * LINE_HEIGHT;
    const distance = at.r + 5;
    const around: [number, number][] = [
      [at.x, at.y - distance - height / 2],
      [at.x, at.y + distance + height / 2],
      [at.x + distance + width / 2, at.y],
      [at.x - distance - width / 2, at.y],
    ];
    const last = this.labelSlots.get(n.id) ?? 0;
    const all = [last, ...SLOTS.filter((slot) => slot !== last)];
    // At the edge of a narrow screen the name stands on the side where it can be read.
    const inView = all.filter((slot) => {
      const x = around[slot]?.[0] ?? 0;
      return x - width / 2 >= 0 && x + width / 2 <= view.width;
    });
    const slots = inView.length > 0 ? inView : all;
    return {
      n,
      fontSize,
      slots,
      id: n.id,
      places: slots.flatMap((slot) => (around[slot] ? [around[slot]] : [])),
      width,
      height,
      turn: 0,
      rank: isMarked ? -1 : RANK[n.node.type],
      importance: 1 / at.depth,
    };
  }

  private bitmap(n: SceneNode, fontSize: number, palette: Palette, ratio: number): LabelBitmap {
    const sizes = this.labelCache.get(n.id) ?? new Map<number, LabelBitmap>();
    this.labelCache.set(n.id, sizes);
    const cached = sizes.get(fontSize);
    if (cached) return cached;
    const [other] = sizes;
    if (other && ++this.numRendered > MAX_RENDERED_PER_FRAME) {
      this.onDeferred();
      const stretch = fontSize / other[0];
      return { canvas: other[1].canvas, width: other[1].width * stretch, height: other[1].height * stretch };
    }
    const bitmap = renderLabel(n, fontSize, palette, ratio);
    sizes.set(fontSize, bitmap);
    return bitmap;
  }
}

function pixelRatio(): number {
  return Math.min(2, devicePixelRatio || 1);
}

function toDevicePixel(value: number, ratio: number): number {
  return Math.round(value * ratio) / ratio;
}

function isOffScreen(at: ScreenPosition, { width, height }: Size): boolean {
  return at.x < -200 || at.y < -60 || at.x > width + 200 || at.y > height + 60;
}

/** Topics always have a label; pages when the camera is near, or when they belong to the selection. */
function isLabelled(n: SceneNode, at: ScreenPosition, { distance, marks }: GalaxyView): boolean {
  return (
    n.node.type !== "page" ||
    at.depth < PAGE_LABEL_DEPTH ||
    distance < PAGE_LABEL_DISTANCE ||
    (marks.bright?.has(n.id) ?? false)
  );
}

function drawSelection(context: CanvasRenderingContext2D, { screen, marks }: GalaxyView, palette: Palette): void {
  const at = marks.selected ? screen.get(marks.selected) : undefined;
  if (!at) return;
  context.beginPath();
  context.arc(at.x, at.y, at.r + 4, 0, Math.PI * 2);
  context.strokeStyle = palette.accent;
  context.lineWidth = 2.5;
  context.stroke();
}

function renderLabel(n: SceneNode, fontSize: number, palette: Palette, ratio: number): LabelBitmap {
  const canvas = document.createElement("canvas");
  const lines = linesOf(n);
  canvas.width = Math.ceil((labelWidth(lines, n.node.type, fontSize) + 2 * OUTLINE) * ratio);
  canvas.height = Math.ceil((lines.length * fontSize * LINE_HEIGHT + 2 * OUTLINE) * ratio);
  const bitmap = { canvas, width: canvas.width / ratio, height: canvas.height / ratio };
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return bitmap;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  writeLabel(context, n, fontSize, palette, bitmap.width / 2, bitmap.height / 2);
  return bitmap;
}

/** The lines of a label; the last one ends with the number of nodes that are folded below the node. */
function linesOf({ lines, numCollapsed }: SceneNode): string[] {
  if (numCollapsed === 0) return lines;
  const count = `+${numCollapsed}`;
  return [...lines.slice(0, -1), [...lines.slice(-1), count].join(" ")];
}

/** Writes a label around its centre. */
function writeLabel(pen: Pen, n: SceneNode, fontSize: number, palette: Palette, x: number, y: number): void {
  pen.direction = directionOf(n.node.label);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = OUTLINE;
  pen.strokeStyle = palette.bg;
  pen.font = labelFont(n, fontSize, palette);
  pen.fillStyle = labelColour(n, palette);
  const lines = linesOf(n);
  lines.forEach((line, i) => {
    const lineY = y + (i - (lines.length - 1) / 2) * fontSize * LINE_HEIGHT;
    pen.strokeText(line, x, lineY);
    pen.fillText(line, x, lineY);
  });
}
