/** Draws a scene on a 2-D canvas or as SVG. Everything here is in CSS pixels; the caller has scaled for the display. */
import {
  coreFontSize,
  drawnBounds,
  type FoldControl,
  type LabelMode,
  type Marks,
  NO_MARKS,
  type PlacedLabel,
  placeSceneLabels,
  widen,
} from "./flat-labels";
import { LINK_FONT_PX, type PlacedLinkLabel, placeLinkLabels } from "./link-labels";
import { labelFont, labelWidth } from "./measure";
import { hueColour, labelColour, type Palette } from "./palette";
import type { Pen, Picture } from "./pen";
import { FONT_SIZE, LINE_HEIGHT, type Scene, type SceneLink, type SceneNode } from "./scene";
import { directionOf } from "./text-direction";

const DIMMED_ALPHA = 0.25;
/** A map narrower than this has no space for the labels of pages until it is enlarged. */
export const NARROW = 600;
/** How far the ring of a marked node extends beyond the node, in world units from scale 1 on, in pixels below. */
const RING_MARGIN = 6;
const CROSS_LINK_DASH = [4, 5];
const SOLID: number[] = [];
/** Seen from far away, lines and discs keep a visible size. */
const MIN_LINE_PX = 0.7;
const MIN_DISC_PX = 1.6;

/**
 * Everything that is drawn at one scale, independent of the camera's position. In CSS pixels; the world's centre is 0,
 * 0.
 */
export interface DrawPlan {
  scene: Scene;
  k: number;
  palette: Palette;
  marks: Marks;
  /** Labels keep their size on the screen, except in the tree, where they scale with the branches. */
  isFixed: boolean;
  isNarrow: boolean;
  labels: PlacedLabel[];
  linkLabels: PlacedLinkLabel[];
}

/** Prepares a scene for drawing at scale `k`. Labels keep their positions while the scale stays the same. */
export function makePlan(
  scene: Scene,
  k: number,
  palette: Palette,
  marks: Marks,
  mode: LabelMode,
  isNarrow: boolean,
): DrawPlan {
  const isFixed = mode === "fitting";
  const labels = placeSceneLabels(scene.nodes, k, marks, mode, isNarrow);
  const shownLinks = scene.links.filter((link) => isLinkShown(link, isFixed, marks));
  const linkLabels = placeLinkLabels(shownLinks, labels, k, marks);
  return { scene, k, palette, marks, isFixed, isNarrow, labels, linkLabels };
}

export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The scale of pictures: every label has its space, and none is enlarged. */
const PICTURE_SCALE = 1;
const PICTURE_MARGIN_PX = 28;

/** The whole scene as it is on the screen, without what the pointer and the search mark on it. */
export function flatPicture(scene: Scene, title: string, palette: Palette, mode: LabelMode): Picture {
  const plan = makePlan(scene, PICTURE_SCALE, palette, NO_MARKS, mode, false);
  const bounds = drawnBounds(scene, PICTURE_SCALE, plan.labels);
  for (const { curve } of scene.links.filter((link) => isLinkShown(link, plan.isFixed, NO_MARKS))) {
    // A curve stays inside its control points; of these it comes at most three quarters close to the inner ones.
    const at = (from: number, control: number, to: number) => (from + to) / 8 + (control * 3) / 4;
    const [x, y] = [at(curve[0], curve[2], curve[6]), at(curve[1], curve[3], curve[7])];
    widen(bounds, x * plan.k, y * plan.k, x * plan.k, y * plan.k);
  }
  for (const { label, x, y } of plan.linkLabels) {
    const half = labelWidth([label], "page", LINK_FONT_PX) / 2;
    widen(bounds, x - half, y - LINK_FONT_PX, x + half, y + LINK_FONT_PX);
  }
  const area: Area = {
    x: Math.floor(bounds.x0) - PICTURE_MARGIN_PX,
    y: Math.floor(bounds.y0) - PICTURE_MARGIN_PX,
    width: Math.ceil(bounds.x1 - bounds.x0) + 2 * PICTURE_MARGIN_PX,
    height: Math.ceil(bounds.y1 - bounds.y0) + 2 * PICTURE_MARGIN_PX,
  };
  const { width, height } = area;
  return { title, width, height, font: palette.font, draw: (pen) => void drawPlan(pen, plan, area) };
}

/** The drawn area in world units, with a margin for rings. */
interface View {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/**
 * Draws the part of a plan inside `area`, whose upper left corner is the context's origin. Returns whether it has
 * content.
 */
export function drawPlan(context: Pen, plan: DrawPlan, area: Area): boolean {
  const { k, palette } = plan;
  context.globalAlpha = 1;
  // An opaque canvas is composited without blending.
  context.fillStyle = palette.bg;
  context.fillRect(0, 0, area.width, area.height);
  const margin = RING_MARGIN / Math.min(1, k);
  const view = {
    x0: area.x / k - margin,
    y0: area.y / k - margin,
    x1: (area.x + area.width) / k + margin,
    y1: (area.y + area.height) / k + margin,
  };
  context.save();
  context.translate(-area.x, -area.y);
  context.save();
  context.scale(k, k);
  context.lineCap = "round";
  const hasLinks = drawLinks(context, plan, view);
  const hasNodes = drawNodes(context, plan, view);
  context.restore();
  drawLinkLabels(context, plan, area);
  const hasLabels = drawLabels(context, plan, area);
  context.restore();
  return hasLinks || hasNodes || hasLabels;
}

function drawLinks(context: Pen, plan: DrawPlan, view: View): boolean {
  const { scene, palette } = plan;
  let isEmpty = true;
  for (const link of scene.links) {
    if (!isLinkShown(link, plan.isFixed, plan.marks)) continue;
    const [x0, y0, x1, y1, x2, y2, x3, y3] = link.curve;
    if (
      Math.max(x0, x1, x2, x3) < view.x0 ||
      Math.min(x0, x1, x2, x3) > view.x1 ||
      Math.max(y0, y1, y2, y3) < view.y0 ||
      Math.min(y0, y1, y2, y3) > view.y1
    )
      continue;
    isEmpty = false;
    const isCross = link.kind === "cross";
    context.globalAlpha = (isCross ? 0.55 : 0.75) * (isLinkBright(link, plan) ? 1 : DIMMED_ALPHA);
    context.strokeStyle = hueColour(link.hue, palette);
    context.lineWidth = Math.max(link.width, MIN_LINE_PX / plan.k);
    context.setLineDash(isCross ? CROSS_LINK_DASH : SOLID);
    context.beginPath();
    context.moveTo(x0, y0);
    context.bezierCurveTo(x1, y1, x2, y2, x3, y3);
    context.stroke();
  }
  context.setLineDash(SOLID);
  return !isEmpty;
}

function drawNodes(context: Pen, plan: DrawPlan, view: View): boolean {
  const { scene, k, palette, marks } = plan;
  const fontSize = coreFontSize(k, plan.isFixed, plan.isNarrow) / k;
  let isEmpty = true;
  for (const n of scene.nodes) {
    const reach = n.side === "center" ? coreWidth(n, fontSize) / 2 : n.r;
    if (n.x + reach < view.x0 || n.x - reach > view.x1 || n.y + reach < view.y0 || n.y - reach > view.y1) continue;
    isEmpty = false;
    context.globalAlpha = nodeAlpha(n.id, marks) * n.fade;
    if (n.side === "center") drawCorePill(context, n, palette, fontSize, fontSize / FONT_SIZE.core);
    else drawDisc(context, n, palette, k);
    drawRing(context, n, plan);
  }
  return !isEmpty;
}

function nodeAlpha(id: string, marks: Marks): number {
  return marks.bright && !marks.bright.has(id) ? DIMMED_ALPHA : 1;
}

function drawDisc(context: Pen, n: SceneNode, palette: Palette, k: number): void {
  const { type } = n.node;
  context.beginPath();
  context.arc(n.x, n.y, Math.max(n.r, MIN_DISC_PX / k), 0, Math.PI * 2);
  if (type === "core") context.fillStyle = palette.accent;
  else if (type === "page" || n.numCollapsed > 0) context.fillStyle = hueColour(n.hue, palette);
  else context.fillStyle = palette.fill[n.hue ?? -1] ?? palette.bg;
  context.fill();
  if (type === "topic" || type === "subtopic") {
    context.lineWidth = type === "topic" ? 2.2 : 1.6;
    context.strokeStyle = hueColour(n.hue, palette);
    context.stroke();
  }
}

/** The ring around a selected, hovered or matching node. */
function drawRing(context: Pen, n: SceneNode, { k, palette, marks }: DrawPlan): void {
  const isSelected = n.id === marks.selected || n.id === marks.dropTarget;
  if (!isSelected && n.id !== marks.hovered && !marks.matches.has(n.id)) return;
  context.globalAlpha = 1;
  context.beginPath();
  context.arc(n.x, n.y, n.r + 4 / Math.min(1, k), 0, Math.PI * 2);
  context.lineWidth = (isSelected ? 2.5 : 1.5) / Math.min(1, k);
  context.strokeStyle = isSelected ? palette.accent : hueColour(n.hue, palette);
  context.stroke();
}

function coreWidth(n: SceneNode, fontSize: number): number {
  return labelWidth(n.lines, "core", fontSize) + fontSize * 2;
}

/** The frame of the core's name. `lineScale` keeps its line proportional to its font on the screen. */
function drawCorePill(context: Pen, n: SceneNode, palette: Palette, fontSize: number, lineScale: number): void {
  const width = coreWidth(n, fontSize);
  const height = n.lines.length * fontSize * LINE_HEIGHT + fontSize;
  context.beginPath();
  context.roundRect(n.x - width / 2, n.y - height / 2, width, height, fontSize * 0.8);
  context.fillStyle = palette.bg;
  context.fill();
  context.lineWidth = 2 * lineScale;
  context.strokeStyle = palette.accent;
  context.stroke();
}

function drawLabels(context: Pen, { labels, palette, marks }: DrawPlan, area: Area): boolean {
  let isEmpty = true;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = palette.bg;
  let lastFont = "";
  for (const label of labels) {
    if (!isInside(label, area)) continue;
    isEmpty = false;
    const { n } = label;
    context.globalAlpha = nodeAlpha(n.id, marks) * Math.max(0.8, n.fade);
    const font = labelFont(n, label.size, palette);
    // Setting a font is expensive, even to the same value.
    if (font !== lastFont) context.font = lastFont = font;
    context.fillStyle = labelColour(n, palette);
    drawLabelText(context, label);
    if (label.fold) {
      drawFold(context, n, label.fold, palette);
      lastFont = "";
      context.lineWidth = 4;
      context.strokeStyle = palette.bg;
    }
  }
  return !isEmpty;
}

function isInside({ n, fold, width, height, x, y }: PlacedLabel, area: Area): boolean {
  const isLevel = n.turn === 0;
  const reachX = isLevel ? width / 2 + (fold ? fold.width + 8 : 4) : (width + height) / 2;
  const reachY = isLevel ? height / 2 + 4 : (width + height) / 2;
  return (
    x + reachX >= area.x &&
    x - reachX <= area.x + area.width &&
    y + reachY >= area.y &&
    y - reachY <= area.y + area.height
  );
}

function drawLabelText(context: Pen, { n, size, width, x, y, isEnlarged }: PlacedLabel): void {
  let offset = 0;
  // The whole label decides: a second line that begins with a Latin name continues an Arabic one.
  context.direction = directionOf(n.node.label);
  context.textAlign = "center";
  if (n.side === "left") {
    context.textAlign = "right";
    offset = width / 2;
  } else if (n.side === "right") {
    context.textAlign = "left";
    offset = -width / 2;
  }
  const isLevel = n.turn === 0;
  if (!isLevel) {
    context.save();
    context.translate(x, y);
    context.rotate(n.turn);
  }
  const textX = (isLevel ? x : 0) + offset;
  const textY = isLevel ? y : 0;
  n.lines.forEach((line, i) => {
    const dy = (i - (n.lines.length - 1) / 2) * size * LINE_HEIGHT;
    // Only labels between lines need an outline against them; stroking text is expensive.
    if (n.side === "top" || isEnlarged) context.strokeText(line, textX, textY + dy);
    context.fillText(line, textX, textY + dy);
  });
  if (!isLevel) context.restore();
}

/** Draws the control that folds a branch: a chevron, and the number of nodes that are collapsed. */
function drawFold(context: Pen, n: SceneNode, { x, y, width, height }: FoldControl, palette: Palette): void {
  const isCollapsed = n.numCollapsed > 0;
  context.beginPath();
  context.roundRect(x - width / 2, y - height / 2, width, height, height / 2);
  context.fillStyle = isCollapsed ? (palette.fill[n.hue ?? -1] ?? palette.bg) : palette.bg;
  context.fill();
  // The chevron points to where the branch goes: away from the core to open it, back to close it.
  const away = n.side === "left" ? -1 : 1;
  const reach = height * 0.15;
  const centre = isCollapsed ? x + away * (width / 2 - height * 0.42) : x;
  const tip = centre + (isCollapsed ? away : -away) * reach;
  context.beginPath();
  context.moveTo(2 * centre - tip, y - reach * 1.7);
  context.lineTo(tip, y);
  context.lineTo(2 * centre - tip, y + reach * 1.7);
  context.lineWidth = 1.4;
  context.strokeStyle = labelColour(n, palette);
  context.stroke();
  if (!isCollapsed) return;
  context.font = `600 ${height * 0.66}px ${palette.font}`;
  context.fillStyle = labelColour(n, palette);
  context.direction = "ltr";
  context.textAlign = "center";
  context.fillText(String(n.numCollapsed), x - away * height * 0.2, y + 0.5);
}

function drawLinkLabels(context: Pen, plan: DrawPlan, area: Area): void {
  const { palette } = plan;
  context.font = `500 ${LINK_FONT_PX}px ${palette.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { link, label, x, y } of plan.linkLabels) {
    if (x < area.x - 160 || x > area.x + area.width + 160 || y < area.y - 20 || y > area.y + area.height + 20) continue;
    context.globalAlpha = isLinkBright(link, plan) ? 1 : DIMMED_ALPHA;
    context.direction = directionOf(label);
    context.lineWidth = 4;
    context.strokeStyle = palette.bg;
    context.strokeText(label, x, y);
    context.fillStyle = palette.muted;
    context.fillText(label, x, y);
  }
}

function isLinkBright({ from, to }: { from: string; to: string }, { marks }: DrawPlan): boolean {
  return !marks.bright || (marks.bright.has(from) && marks.bright.has(to));
}

/** In the tree, links between topics would cross every branch: those of the selected node are shown only. */
function isLinkShown(link: SceneLink, isFixed: boolean, marks: Marks): boolean {
  return link.kind === "contains" || isFixed || link.from === marks.selected || link.to === marks.selected;
}
