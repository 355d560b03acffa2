/** Widths of labels, measured in the font they are drawn in, once for each text. */
import type { MapNode } from "./model";

const WEIGHT = { core: 680, topic: 640, subtopic: 560, page: 420 } as const;
const MEASURED_AT_PX = 100;
const widthCache = new Map<string, number>();
let context: CanvasRenderingContext2D | null | undefined;
let family = "";

/** The CSS font of a node's label. */
export function labelFont(
  { node }: { node: { type: MapNode["type"] } },
  size: number,
  { font }: { font: string },
): string {
  return `${WEIGHT[node.type]} ${size}px ${font}`;
}

/** Discards all measured widths: they are wrong once another font is loaded. */
export function clearWidthCache(): void {
  widthCache.clear();
}

/** The width of a line of a label, in font sizes. */
function emWidth(line: string, type: MapNode["type"]): number {
  const key = `${type}${line}`;
  let width = widthCache.get(key);
  if (width === undefined) {
    width = measureWidth(line, WEIGHT[type]) ?? estimateWidth(line);
    widthCache.set(key, width);
  }
  return width;
}

/** The width of a label's longest line at a font size. */
export function labelWidth(lines: readonly string[], type: MapNode["type"], size: number): number {
  let longest = 0;
  for (const line of lines) longest = Math.max(longest, emWidth(line, type));
  return longest * size;
}

function measureWidth(line: string, weight: number): number | null {
  if (context === undefined) {
    context = typeof document === "undefined" ? null : document.createElement("canvas").getContext("2d");
    family = context
      ? getComputedStyle(document.documentElement).getPropertyValue("--font").trim() || "sans-serif"
      : "";
  }
  if (!context) return null;
  const font = `${weight} ${MEASURED_AT_PX}px ${family}`;
  if (!context.font.startsWith(String(weight))) context.font = font;
  return context.measureText(line).width / MEASURED_AT_PX;
}

/** Without a canvas: Hangul and Han are square, Latin letters about half as wide. */
function estimateWidth(line: string): number {
  let width = 0;
  for (const char of line) width += (char.codePointAt(0) ?? 0) > 0x2e7f ? 0.92 : char === " " ? 0.26 : 0.53;
  return width;
}
