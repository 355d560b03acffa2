/** Draws a scene on a 2-D canvas. Everything here is in CSS pixels; the caller has scaled for the display. */
import { type LabelBox, placeLabels } from "./labels";
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
export type LabelMode = "all" | "fitting";

export function draw(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, size: { width: number; height: number }, tones: Tones, marks: Marks, mode: LabelMode): void {
  context.clearRect(0, 0, size.width, size.height);
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
      drawCorePill(context, n, tones, mode === "all" ? 1 : 1 / k);
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
  drawLabels(context, seen, camera, tones, marks, mode, alphaOf);
  context.globalAlpha = 1;
}

/** The core with its name in it. `scale` keeps it the same size on the screen where labels are. */
function drawCorePill(context: CanvasRenderingContext2D, n: SceneNode, tones: Tones, scale: number): void {
  const size = (scale === 1 ? FONT_SIZE.core : CORE_SCREEN) * scale;
  context.font = `680 ${size}px ${tones.font}`;
  const width = Math.max(...n.lines.map((line) => context.measureText(line).width)) + size * 2;
  const height = n.lines.length * size * LINE_HEIGHT + size;
  context.beginPath();
  context.roundRect(n.x - width / 2, n.y - height / 2, width, height, size * 0.8);
  context.fillStyle = tones.bg;
  context.fill();
  context.lineWidth = 2 * scale;
  context.strokeStyle = tones.accent;
  context.stroke();
}

/** Labels in screen pixels, so that text stays sharp. The tree has room for all; elsewhere those that fit. */
function drawLabels(context: CanvasRenderingContext2D, seen: readonly SceneNode[], camera: Camera, tones: Tones, marks: Marks, mode: LabelMode, alphaOf: (id: string) => number): void {
  const { x, y, k } = camera;
  const boxes: LabelBox[] = [];
  const placed = new Map<string, { n: SceneNode; size: number; box: LabelBox; py: number }>();
  for (const n of seen) {
    // In the tree text scales with the branches; elsewhere it stays readable and what does not fit is left out.
    const size = n.side === "center" && mode !== "all" ? CORE_SCREEN : mode === "all" ? FONT_SIZE[n.node.type] * k : Math.max(11, Math.min(FONT_SIZE[n.node.type] * Math.max(0.8, Math.min(k, 1.25)), 24));
    if (mode === "all" && size < 3.5) continue;
    context.font = fontOf(n, size, tones);
    const width = Math.max(...n.lines.map((line) => context.measureText(line).width));
    const height = n.lines.length * size * LINE_HEIGHT;
    const [px, py, r] = [n.x * k + x, n.y * k + y, n.r * k];
    const gap = 5 + 2 * Math.min(1, k);
    const reach = r + gap;
    let box: LabelBox = { id: n.id, x: px - width / 2, y: py - height / 2, width, height, rank: rankOf(n, marks), importance: n.importance };
    if (n.turn !== 0 || n.side === "left" || n.side === "right") {
      const sign = n.side === "left" ? -1 : 1;
      const [dx, dy] = [Math.cos(n.turn) * sign, Math.sin(n.turn) * sign];
      const [cx, cy] = [px + dx * (reach + width / 2), py + dy * (reach + width / 2)];
      const w = Math.abs(Math.cos(n.turn)) * width + Math.abs(Math.sin(n.turn)) * height;
      const h = Math.abs(Math.sin(n.turn)) * width + Math.abs(Math.cos(n.turn)) * height;
      box = { ...box, x: cx - w / 2, y: cy - h / 2, width: w, height: h };
    } else if (n.side === "center") {
      box = { ...box, x: box.x - size, width: width + 2 * size, y: box.y - size / 2, height: height + size, rank: -3 };
    } else {
      box = { ...box, y: py - r - gap - height };
    }
    boxes.push(box);
    placed.set(n.id, { n, size, box, py });
  }
  const turned = [...placed.values()].some(({ n }) => n.turn !== 0);
  const kept = mode === "all" ? null : placeLabels(turned ? boxes.map(shrink) : boxes);
  for (const [id, { n, size, box, py }] of placed) {
    if (kept && !kept.has(id)) continue;
    context.globalAlpha = alphaOf(id) * Math.max(0.8, n.fade);
    context.font = fontOf(n, size, tones);
    context.fillStyle = n.node.type === "topic" || n.node.type === "subtopic" ? (tones.ink[n.hue ?? -1] ?? tones.text) : tones.text;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 4;
    context.strokeStyle = tones.bg;
    context.save();
    context.translate(box.x + box.width / 2, box.y + box.height / 2);
    if (n.turn !== 0) context.rotate(n.turn);
    const width = Math.max(...n.lines.map((line) => context.measureText(line).width));
    const isOneSided = n.side === "left" || n.side === "right";
    context.textAlign = isOneSided ? (n.side === "left" ? "right" : "left") : "center";
    const at = isOneSided ? (n.side === "left" ? width / 2 : -width / 2) : 0;
    n.lines.forEach((line, i) => {
      const dy = (i - (n.lines.length - 1) / 2) * size * LINE_HEIGHT;
      if (n.side !== "center") context.strokeText(line, at, dy);
      context.fillText(line, at, dy);
    });
    context.restore();
    if (n.folded > 0) {
      context.font = `500 ${size * 0.8}px ${tones.font}`;
      context.fillStyle = tones.muted;
      context.textAlign = n.side === "left" ? "right" : "left";
      context.fillText(String(n.folded), n.side === "left" ? box.x - size * 0.45 : box.x + box.width + size * 0.45, n.side === "top" ? box.y + box.height / 2 : py);
    }
  }
}

/** A turned label's upright box is far larger than the label; a smaller one lets spokes stand side by side. */
function shrink(box: LabelBox): LabelBox {
  const size = Math.min(box.width, box.height, 16);
  return { ...box, x: box.x + box.width / 2 - Math.max(size, box.width * 0.3) / 2, y: box.y + box.height / 2 - Math.max(size, box.height * 0.3) / 2, width: Math.max(size, box.width * 0.3), height: Math.max(size, box.height * 0.3) };
}

function rankOf(n: SceneNode, marks: Marks): number {
  if (n.id === marks.selected || n.id === marks.hovered || n.id === marks.dropTarget) return -2;
  if (marks.matches.has(n.id)) return -1;
  return n.rank;
}

export function fontOf(n: { node: { type: SceneNode["node"]["type"] } }, size: number, tones: Tones): string {
  const weight = { core: 680, topic: 640, subtopic: 560, page: 420 }[n.node.type];
  return `${weight} ${size}px ${tones.font}`;
}

/** The camera that shows all of `bounds`, never larger than life. */
export function fitCamera(bounds: Scene["bounds"], size: { width: number; height: number }, most = 1.1, labels = 0): Camera {
  const [padX, padY] = [28 + Math.min(labels, size.width * 0.2), 28 + Math.min(labels, size.height * 0.16)];
  const [w, h] = [Math.max(1, bounds.x1 - bounds.x0), Math.max(1, bounds.y1 - bounds.y0)];
  const k = Math.max(0.04, Math.min(most, (size.width - 2 * padX) / w, (size.height - 2 * padY) / h));
  return { k, x: size.width / 2 - ((bounds.x0 + bounds.x1) / 2) * k, y: size.height / 2 - ((bounds.y0 + bounds.y1) / 2) * k };
}
