/** Draws a scene on a 2-D canvas. Everything here is in CSS pixels; the caller has scaled for the display. */
import { type LabelBox, type Obstacle, placeLabels } from "./labels";
import { labelWidth, WEIGHT } from "./measure";
import { FONT_SIZE, LINE_HEIGHT, type Scene, type SceneNode } from "./scene";

export interface Tones {
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
export function readTones(): Tones {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(name).trim();
  const each = (kind: string) => Array.from({ length: 8 }, (_, i) => get(`--t${i}-${kind}`));
  return { bg: get("--surface"), text: get("--text"), muted: get("--muted"), line: get("--line-strong"), accent: get("--accent"), font: get("--font"), fill: each("fill"), hue: each("line"), ink: each("text") };
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

export function draw(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, size: { width: number; height: number }, tones: Tones, marks: Marks, mode: LabelMode): void {
  // An opaque picture is put on the screen without looking at what is behind it.
  context.fillStyle = tones.bg;
  context.fillRect(0, 0, size.width, size.height);
  const { x, y, k } = camera;
  const view = { x0: -x / k - 260 / k, y0: -y / k - 60 / k, x1: (size.width - x) / k + 260 / k, y1: (size.height - y) / k + 60 / k };
  const isSeen = (n: SceneNode) => n.x + n.r > view.x0 && n.x - n.r < view.x1 && n.y + n.r > view.y0 && n.y - n.r < view.y1;
  const alphaOf = (id: string) => (marks.bright && !marks.bright.has(id) ? DIM : 1);
  const colour = (hue: number | null) => (hue === null ? tones.line : (tones.hue[hue] ?? tones.line));

  context.save();
  context.translate(x, y);
  context.scale(k, k);
  context.lineCap = "round";
  for (const link of scene.links) {
    const [x0, y0, x1, y1, x2, y2, x3, y3] = link.curve;
    if (Math.max(x0, x3) < view.x0 || Math.min(x0, x3) > view.x1 || Math.max(y0, y3) < view.y0 || Math.min(y0, y3) > view.y1) continue;
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

  const seen = scene.nodes.filter(isSeen);
  for (const n of seen) {
    context.globalAlpha = alphaOf(n.id) * n.fade;
    const isChosen = n.id === marks.selected || n.id === marks.dropTarget;
    if (n.side === "center") {
      drawCorePill(context, n, tones, mode === "all" ? 1 : 1 / k, size.width < NARROW ? CORE_NARROW : CORE_SCREEN);
    } else {
      context.beginPath();
      context.arc(n.x, n.y, n.r, 0, Math.PI * 2);
      context.fillStyle = n.node.type === "core" ? tones.accent : n.node.type === "page" || n.folded > 0 ? colour(n.hue) : (tones.fill[n.hue ?? -1] ?? tones.bg);
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
  drawLabels(context, seen, camera, tones, marks, mode, alphaOf, size.width < NARROW);
  context.globalAlpha = 1;
}

/** The core with its name in it. `scale` keeps it the same size on the screen where labels are. */
function drawCorePill(context: CanvasRenderingContext2D, n: SceneNode, tones: Tones, scale: number, letters: number): void {
  const size = (scale === 1 ? FONT_SIZE.core : letters) * scale;
  context.font = `680 ${size}px ${tones.font}`;
  const width = labelWidth(n.lines, "core", size) + size * 2;
  const height = n.lines.length * size * LINE_HEIGHT + size;
  context.beginPath();
  context.roundRect(n.x - width / 2, n.y - height / 2, width, height, size * 0.8);
  context.fillStyle = tones.bg;
  context.fill();
  context.lineWidth = 2 * scale;
  context.strokeStyle = tones.accent;
  context.stroke();
}

/** More labels than this are never read at once. */
const MOST_LABELS = 400;

interface Written {
  n: SceneNode;
  size: number;
  width: number;
  height: number;
  x: number;
  y: number;
}

/** Labels in screen pixels, so that text stays sharp. The tree has room for all; elsewhere those that fit. */
function drawLabels(context: CanvasRenderingContext2D, seen: readonly SceneNode[], camera: Camera, tones: Tones, marks: Marks, mode: LabelMode, alphaOf: (id: string) => number, isNarrow: boolean): void {
  const { x, y, k } = camera;
  const boxes: LabelBox[] = [];
  const obstacles: Obstacle[] = [];
  const written: Written[] = [];
  const fitting = new Map<string, Written>();
  for (const n of seen) {
    // In the tree text scales with the branches; elsewhere it stays readable and what does not fit is left out.
    if (isNarrow && mode !== "all" && n.node.type === "page" && k < 0.55 && rankOf(n, marks) >= 0) continue;
    const size = n.side === "center" && mode !== "all" ? (isNarrow ? CORE_NARROW : CORE_SCREEN) : mode === "all" ? FONT_SIZE[n.node.type] * k : Math.max(11, Math.min(FONT_SIZE[n.node.type] * Math.max(0.8, Math.min(k, 1.25)), 24));
    if (mode === "all" && size < 3.5) continue;
    const width = labelWidth(n.lines, n.node.type, size);
    const height = n.lines.length * size * LINE_HEIGHT;
    const [px, py, r] = [n.x * k + x, n.y * k + y, n.r * k];
    const away = r + 5 + 2 * Math.min(1, k);
    const one: Written = { n, size, width, height, x: px, y: py };
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
    const margin = n.side === "center" ? size : 0;
    fitting.set(n.id, one);
    boxes.push({ id: n.id, places, width: width + 2 * margin, height: height + margin, turn: n.turn, rank: n.side === "center" ? -3 : rankOf(n, marks), importance: n.importance });
    if (n.node.type !== "page") obstacles.push({ id: n.id, x: px, y: py, r: r + 2 });
  }
  for (const [id, [at, top]] of placeLabels(boxes, obstacles)) {
    const one = fitting.get(id);
    if (one && written.length < MOST_LABELS) written.push({ ...one, x: at, y: top });
  }
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = tones.bg;
  let lastFont = "";
  for (const { n, size, width, height, x: cx, y: cy } of written) {
    context.globalAlpha = alphaOf(n.id) * Math.max(0.8, n.fade);
    const font = fontOf(n, size, tones);
    // Setting a font is dear, even the same again.
    if (font !== lastFont) context.font = lastFont = font;
    context.fillStyle = n.node.type === "topic" || n.node.type === "subtopic" ? (tones.ink[n.hue ?? -1] ?? tones.text) : tones.text;
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
      context.fillText(String(n.folded), n.side === "left" ? cx - width / 2 - size * 0.45 : cx + width / 2 + size * 0.45, n.side === "top" ? cy + (height * (n.lines.length - 1)) / n.lines.length / 2 : cy);
    }
  }
}

function rankOf(n: SceneNode, marks: Marks): number {
  if (n.id === marks.selected || n.id === marks.hovered || n.id === marks.dropTarget) return -2;
  if (marks.matches.has(n.id)) return -1;
  return n.rank;
}

export function fontOf(n: { node: { type: SceneNode["node"]["type"] } }, size: number, tones: Tones): string {
  return `${WEIGHT[n.node.type]} ${size}px ${tones.font}`;
}

/** The camera that shows all of `bounds`, never larger than life. */
export function fitCamera(bounds: Scene["bounds"], size: { width: number; height: number }, most = 1.1, labels = 0): Camera {
  const [padX, padY] = [28 + Math.min(labels, size.width * 0.2), 28 + Math.min(labels, size.height * 0.16)];
  const [w, h] = [Math.max(1, bounds.x1 - bounds.x0), Math.max(1, bounds.y1 - bounds.y0)];
  const k = Math.max(0.04, Math.min(most, (size.width - 2 * padX) / w, (size.height - 2 * padY) / h));
  return { k, x: size.width / 2 - ((bounds.x0 + bounds.x1) / 2) * k, y: size.height / 2 - ((bounds.y0 + bounds.y1) / 2) * k };
}
