/** The colours and the font of the canvases. */
import type { SceneNode } from "./scene";

export interface Palette {
  bg: string;
  text: string;
  muted: string;
  line: string;
  accent: string;
  font: string;
  /** By hue, 0 to 7. */
  fill: string[];
  hue: string[];
  ink: string[];
}

/** The colours of the current theme. The style sheet (`styles/tokens.css`) is their only definition. */
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

export function hueColour(hue: number | null, palette: Palette): string {
  return hue === null ? palette.line : (palette.hue[hue] ?? palette.line);
}

/** Topics and subtopics have labels in their hue, everything else in the colour of text. */
export function labelColour(n: SceneNode, palette: Palette): string {
  const isTopic = n.node.type === "topic" || n.node.type === "subtopic";
  return isTopic ? (palette.ink[n.hue ?? -1] ?? palette.text) : palette.text;
}
