/** Draws a scene on a 2-D canvas. Everything here is in CSS pixels; the caller has scaled for the display. */
import { type LabelBox, type Obstacle, placeLabels } from "./labels";
import { labelWidth, WEIGHT } from "./measure";
import { FONT_SIZE, LINE_HEIGHT, type Scene, type SceneNode } from "./scene";

export interface Palette {
  bg: string;
  text: string;
  muted: string;
  line: string;
  accent: string;
  font: string;
  fill: string[];
  hue: string[];
  ink: string[];
}

/** The colours of the present theme, read from the style sheet, which is their only home. */
export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(name).trim();
  const each = (kind: string) => Array.from({ length: 8 }, (_, i) => get(`--t${i}-${kind}`));
  return {
    bg: get("--surface"),
    text: get("--text"),
    muted: get("--muted"),
    line: get("--line-strong"),
    accent: get("--accent"),
    font: get("--font"),
    fill: each("fill"),
    hue: each("line"),
    ink: each("text"),
  };
}

export interface Camera {
  x: number;
  y: number;
  k: number;
}

export interface Marks {
  selected: string | null;
  hovered: string | null;
  /** When set, all others are dimmed. */
  bright: ReadonlySet<string> | null;
  matches: ReadonlySet<string>;
  dropTarget: string | null;
}

const DIM = 0.25;
/** The core's letters on the screen where labels do not grow with the picture. */
const CORE_SCREEN = 17;
const CORE_NARROW = 12.5;
/** A picture narrower than this has no room for the labels of pages until it is enlarged. */
export const NARROW = 600;
export type LabelMode = "all" | "fitting";

/** What is drawn at one scale: everything but where the reader stands. In CSS pixels, the world's middle at 0, 0. */
export interface DrawPlan {
  scene: Scene;
  k: number;
  tones: Palette;
  marks: Marks;
  /** Labels keep their size on the screen, except in the tree, where they grow with the branches. */
  isFixed: boolean;
  isNarrow: boolean;
  labels: PlacedLabel[];
}

/** A scene made ready to be drawn at scale `k`. Labels have their places for as long as the scale stays the same. */
export function makePlan(
  scene: Scene,
  k: number,
  tones: Palette,
  marks: Marks,
  mode: LabelMode,
  isNarrow: boolean,
): DrawPlan {
  return {
    scene,
    k,
    tones,
    marks,
    isFixed: mode === "fitting",
    isNarrow,
    labels: placeSceneLabels(scene.nodes, k, marks, mode, isNarrow),
  };
}

export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** How far rings stick out of a node, in the world's units at life size and in pixels below it. */
const AROUND = 6;

/** Draws the part of a plan that lies in `area`, its upper left corner at the context's origin. Whether there is any. */
export function drawPlan(context: CanvasRenderingContext2D, plan: DrawPlan, area: Area): boolean {
  const { scene, k, tones, marks } = plan;
  let isEmpty = true;
  context.globalAlpha = 1;
  // An opaque picture is put on the screen without looking at what is behind it.
  context.fillStyle = tones.bg;
  context.fillRect(0, 0, area.width, area.height);
  const around = AROUND / Math.min(1, k);
  const view = {
    x0: area.x / k - around,
    y0: area.y / k - around,
    x1: (area.x + area.width) / k + around,
    y1: (area.y + area.height) / k + around,
  };
  const alphaOf = (id: string) => (marks.bright && !marks.bright.has(id) ? DIM : 1);
  const colour = (hue: number | null) => (hue === null ? tones.line : (tones.hue[hue] ?? tones.line));

  context.save();
  context.translate(-area.x, -area.y);
  context.save();
  context.scale(k, k);
  context.lineCap = "round";
  for (const link of scene.links) {
    const [x0, y0, x1, y1, x2, y2, x3, y3] = link.curve;
    if (
      Math.max(x0, x1, x2, x3) < view.x0 ||
      Math.min(x0, x1, x2, x3) > view.x1 ||
      Math.max(y0, y1, y2, y3) < view.y0 ||
      Math.min(y0, y1, y2, y3) > view.y1
    )
      continue;
    isEmpty = false;
    const isBright = !marks.bright || (marks.bright.has(link.from) && marks.bright.has(link.to));
    context.globalAlpha = (link.kind === "cross" ? 0.55 : 0.75) * (isBright ? 1 : DIM);
    context.strokeStyle = colour(link.hue);
    context.lineWidth = link.width;
    context.setLineDash(link.kind === "cross" ? [4, 5] : []);
    context.beginPath();
    context.moveTo(x0, y0);
    context.bezierCurveTo(x1, y1, x2, y2, x3, y3);
    context.stroke();
  }
  context.setLineDash([]);

  for (const n of scene.nodes) {
    const letters = plan.isFixed ? (plan.isNarrow ? CORE_NARROW : CORE_SCREEN) / k : FONT_SIZE.core;
    const reach = n.side === "center" ? coreBox(n, letters).width / 2 : n.r;
    if (n.x + reach < view.x0 || n.x - reach > view.x1 || n.y + reach < view.y0 || n.y - reach > view.y1) continue;
    isEmpty = false;
    context.globalAlpha = alphaOf(n.id) * n.fade;
    const isChosen = n.id === marks.selected || n.id === marks.dropTarget;
    if (n.side === "center") {
      drawCorePill(context, n, tones, letters, plan.isFixed ? 1 / k : 1);
    } else {
      context.beginPath();
      context.arc(n.x, n.y, n.r, 0, Math.PI * 2);
      context.fillStyle =
        n.node.type === "core"
          ? tones.accent
          : n.node.type === "page" || n.folded > 0
            ? colour(n.hue)
            : (tones.fill[n.hue ?? -1] ?? tones.bg);
      context.fill();
      if (n.node.type === "topic" || n.node.type === "subtopic") {
        context.lineWidth = n.node.type === "topic" ? 2.2 : 1.6;
        context.strokeStyle = colour(n.hue);
        context.stroke();
      }
    }
    if (isChosen || n.id === marks.hovered || marks.matches.has(n.id)) {
      context.globalAlpha = 1;
      context.beginPath();
      context.arc(n.x, n.y, n.r + 4 / Math.min(1, k), 0, Math.PI * 2);
      context.lineWidth = (isChosen ? 2.5 : 1.5) / Math.min(1, k);
      context.strokeStyle = isChosen ? tones.accent : colour(n.hue);
      context.stroke();
    }
  }
  context.restore();
  const isWritten = drawLabels(context, plan, area, alphaOf);
  context.restore();
  return isWritten || !isEmpty;
}

function coreBox(n: SceneNode, letters: number): { width: number; height: number } {
  return {
    width: labelWidth(n.lines, "core", letters) + letters * 2,
    height: n.lines.length * letters * LINE_HEIGHT + letters,
  };
}

/** The frame of the core's name. `scale` keeps its line as thick on the screen as its letters are large. */
function drawCorePill(
  context: CanvasRenderingContext2D,
  n: SceneNode,
  tones: Palette,
  letters: number,
  scale: number,
): void {
  const { width, height } = coreBox(n, letters);
  context.beginPath();
  context.roundRect(n.x - width / 2, n.y - height / 2, width, height, letters * 0.8);
  context.fillStyle = tones.bg;
  context.fill();
  context.lineWidth = 2 * scale;
  context.strokeStyle = tones.accent;
  context.stroke();
}

/** A label in its place, in pixels, so that text stays sharp. */
interface PlacedLabel {
  n: SceneNode;
  size: number;
  width: number;
  height: number;
  x: number;
  y: number;
}

/** The tree has room for all labels; elsewhere those that fit are written. */
function placeSceneLabels(
  nodes: readonly SceneNode[],
  k: number,
  marks: Marks,
  mode: LabelMode,
  isNarrow: boolean,
): PlacedLabel[] {
  const boxes: LabelBox[] = [];
  const obstacles: Obstacle[] = [];
  const written: PlacedLabel[] = [];
  const fitting = new Map<string, PlacedLabel>();
  for (const n of nodes) {
    // In the tree text scales with the branches; elsewhere it stays readable and what does not fit is left out.
    if (isNarrow && mode !== "all" && n.node.type === "page" && k < 0.55 && labelRank(n, marks) >= 0) continue;
    const size =
      n.side === "center" && mode !== "all"
        ? isNarrow
          ? CORE_NARROW
          : CORE_SCREEN
        : mode === "all"
          ? FONT_SIZE[n.node.type] * k
          : Math.max(11, Math.min(FONT_SIZE[n.node.type] * Math.max(0.8, Math.min(k, 1.25)), 24));
    if (mode === "all" && size < 3.5) continue;
    const width = labelWidth(n.lines, n.node.type, size);
    const height = n.lines.length * size * LINE_HEIGHT;
    const [px, py, r] = [n.x * k, n.y * k, n.r * k];
    const away = r + 5 + 2 * Math.min(1, k);
    const one: PlacedLabel = { n, size, width, height, x: px, y: py };
    let places: [number, number][];
    if (n.side === "center") places = [[px, py]];
    else if (n.side === "top") {
      places = [
        [px, py - away - height / 2],
        [px, py + away + height / 2],
        [px + away + width / 2, py],
        [px - away - width / 2, py],
      ];
    } else {
      const sign = n.side === "left" ? -1 : 1;
      places = [[px + Math.cos(n.turn) * sign * (away + width / 2), py + Math.sin(n.turn) * sign * (away + width / 2)]];
    }
    if (mode === "all") {
      [one.x, one.y] = places[0] ?? [px, py];
      written.push(one);
      continue;
    }
    // Room for the frame of the core's name, and for the number of nodes folded away.
    const margin = n.side === "center" ? size : n.folded > 0 ? size * (0.45 + 0.5 * String(n.folded).length) : 0;
    fitting.set(n.id, one);
    boxes.push({
      id: n.id,
      places,
      width: width + 2 * margin,
      height: height + (n.side === "center" ? margin : 0),
      turn: n.turn,
      rank: n.side === "center" ? -3 : labelRank(n, marks),
      importance: n.importance,
    });
    if (n.node.type !== "page") obstacles.push({ id: n.id, x: px, y: py, r: r + 2 });
  }
  for (const [id, [at, top]] of placeLabels(boxes, obstacles)) {
    const one = fitting.get(id);
    if (one) written.push({ ...one, x: at, y: top });
  }
  return written;
}

function drawLabels(
  context: CanvasRenderingContext2D,
  { labels, tones }: DrawPlan,
  area: Area,
  alphaOf: (id: string) => number,
): boolean {
  let isEmpty = true;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = tones.bg;
  let lastFont = "";
  for (const { n, size, width, height, x: cx, y: cy } of labels) {
    const [reachX, reachY] =
      n.turn === 0
        ? [width / 2 + (n.folded > 0 ? size * 4 : 4), height / 2 + 4]
        : [(width + height) / 2, (width + height) / 2];
    if (
      cx + reachX < area.x ||
      cx - reachX > area.x + area.width ||
      cy + reachY < area.y ||
      cy - reachY > area.y + area.height
    )
      continue;
    isEmpty = false;
    context.globalAlpha = alphaOf(n.id) * Math.max(0.8, n.fade);
    const font = labelFont(n, size, tones);
    // Setting a font is dear, even the same again.
    if (font !== lastFont) context.font = lastFont = font;
    context.fillStyle =
      n.node.type === "topic" || n.node.type === "subtopic" ? (tones.ink[n.hue ?? -1] ?? tones.text) : tones.text;
    const isOneSided = n.side === "left" || n.side === "right";
    context.textAlign = isOneSided ? (n.side === "left" ? "right" : "left") : "center";
    const at = isOneSided ? (n.side === "left" ? width / 2 : -width / 2) : 0;
    if (n.turn !== 0) {
      context.save();
      context.translate(cx, cy);
      context.rotate(n.turn);
    }
    const [ox, oy] = n.turn === 0 ? [cx, cy] : [0, 0];
    n.lines.forEach((line, i) => {
      const dy = (i - (n.lines.length - 1) / 2) * size * LINE_HEIGHT;
      // Only what stands among lines needs an edge against them; it is dear to draw.
      if (n.side === "top") context.strokeText(line, ox + at, oy + dy);
      context.fillText(line, ox + at, oy + dy);
    });
    if (n.turn !== 0) context.restore();
    if (n.folded > 0) {
      context.font = lastFont = `500 ${size * 0.8}px ${tones.font}`;
      context.fillStyle = tones.muted;
      context.textAlign = n.side === "left" ? "right" : "left";
      context.fillText(
        String(n.folded),
        n.side === "left" ? cx - width / 2 - size * 0.45 : cx + width / 2 + size * 0.45,
        n.side === "top" ? cy + (height * (n.lines.length - 1)) / n.lines.length / 2 : cy,
      );
    }
  }
  return !isEmpty;
}

function labelRank(n: SceneNode, marks: Marks): number {
  if (n.id === marks.selected || n.id === marks.hovered || n.id === marks.dropTarget) return -2;
  if (marks.matches.has(n.id)) return -1;
  return n.rank;
}

export function labelFont(n: { node: { type: SceneNode["node"]["type"] } }, size: number, tones: Palette): string {
  return `${WEIGHT[n.node.type]} ${size}px ${tones.font}`;
}

/** The camera that shows all of `bounds`, never larger than life. */
export function fitCamera(
  bounds: Scene["bounds"],
  size: { width: number; height: number },
  most = 1.1,
  labels = 0,
): Camera {
  const [padX, padY] = [28 + Math.min(labels, size.width * 0.2), 28 + Math.min(labels, size.height * 0.16)];
  const [w, h] = [Math.max(1, bounds.x1 - bounds.x0), Math.max(1, bounds.y1 - bounds.y0)];
  const k = Math.max(0.04, Math.min(most, (size.width - 2 * padX) / w, (size.height - 2 * padY) / h));
  return {
    k,
    x: size.width / 2 - ((bounds.x0 + bounds.x1) / 2) * k,
    y: size.height / 2 - ((bounds.y0 + bounds.y1) / 2) * k,
  };
}
