/** The part of a scene that is on the screen. */
import { drawnBounds, type LabelMode, NO_MARKS, pixelBounds, placeSceneLabels } from "./flat-labels";
import type { Scene } from "./scene";

/** Screen = world × `k` + (`x`, `y`), in CSS pixels. */
export interface Camera {
  x: number;
  y: number;
  k: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The smallest and the largest scale that a map is fitted at. */
const MIN_FIT = 0.04;
const MAX_FIT = 1.1;
/** The space around a fitted map. */
const FIT_MARGIN_PX = 16;

/**
 * The camera that shows everything `boundsAt` returns for its scale, in pixels from the world's centre. Labels keep a
 * readable size, so that the bounds do not scale with the map: the largest scale that fits is searched.
 */
export function fitCamera(
  boundsAt: (k: number) => Scene["bounds"],
  size: Size,
  maxScale = MAX_FIT,
  margin = FIT_MARGIN_PX,
): Camera {
  const [width, height] = [Math.max(1, size.width - 2 * margin), Math.max(1, size.height - 2 * margin)];
  const fits = (k: number) => {
    const { x0, y0, x1, y1 } = boundsAt(k);
    return x1 - x0 <= width && y1 - y0 <= height;
  };
  let [low, high] = [MIN_FIT, maxScale];
  if (fits(high)) low = high;
  else
    for (let i = 0; i < 9; i++) {
      const middle = Math.sqrt(low * high);
      if (fits(middle)) low = middle;
      else high = middle;
    }
  const { x0, y0, x1, y1 } = boundsAt(low);
  return { k: low, x: size.width / 2 - (x0 + x1) / 2, y: size.height / 2 - (y0 + y1) / 2 };
}

/** So often a map is made smaller until its labels are in view; each time by what they exceed. */
const MAX_FIT_STEPS = 6;

/**
 * The camera that shows a whole scene. Labels that keep their size are not always at their best position: the one that
 * they are drawn at has to be in view, too.
 */
export function fitScene(scene: Scene, mode: LabelMode, isNarrow: boolean, size: Size): Camera {
  const margin = isNarrow ? 10 : FIT_MARGIN_PX;
  const fitted = fitCamera((k) => pixelBounds(scene, k, mode, isNarrow), size, MAX_FIT, margin);
  if (mode === "all") return fitted;
  const world = { x: scene.bounds.x1 - scene.bounds.x0, y: scene.bounds.y1 - scene.bounds.y0 };
  let { k } = fitted;
  for (let i = 0; ; i++) {
    const { x0, y0, x1, y1 } = drawnBounds(scene, k, placeSceneLabels(scene.nodes, k, NO_MARKS, mode, isNarrow));
    const excess = Math.max(
      (x1 - x0 - size.width + 2 * margin) / Math.max(1, world.x),
      (y1 - y0 - size.height + 2 * margin) / Math.max(1, world.y),
    );
    if (excess <= 0 || i === MAX_FIT_STEPS)
      return { k, x: size.width / 2 - (x0 + x1) / 2, y: size.height / 2 - (y0 + y1) / 2 };
    k = Math.max(MIN_FIT, k - excess - 0.002);
  }
}

/** The width of the column of zoom buttons, and the height of the closed legend. */
const TOOLS_PX = 44;
/** On a narrow screen the buttons are a row below the map, with the space around it. */
const NARROW_TOOLS_PX = 58;

/** The part of the map that neither the zoom buttons nor the legend cover. */
export function sizeBesideTools(size: Size): Size {
  const isWide = size.width > 600;
  return {
    width: Math.max(1, size.width - (isWide ? TOOLS_PX : 0)),
    height: Math.max(1, size.height - (isWide ? TOOLS_PX : NARROW_TOOLS_PX)),
  };
}

/** A tree that a narrow screen shows smaller than this is read by scrolling. */
const MIN_NARROW_START = 0.9;

/** The first camera of a map beside its tools: the whole map, except for a long tree on a narrow screen. */
export function firstCamera(scene: Scene, mode: LabelMode, isNarrow: boolean, size: Size): Camera {
  const free = sizeBesideTools(size);
  const whole = fitScene(scene, mode, isNarrow, free);
  if (mode !== "all" || !isNarrow || whole.k >= MIN_NARROW_START) return whole;
  // Its width fits the screen. Its core is in the middle, or at the top when nothing is above it.
  const margin = 10;
  const boundsAt = (k: number) => pixelBounds(scene, k, "all", true);
  const wide = fitCamera((k) => ({ ...boundsAt(k), y0: 0, y1: 0 }), free, 1, margin);
  return wide.k > whole.k ? { ...wide, y: Math.min(size.height / 2, margin - boundsAt(wide.k).y0) } : whole;
}

/** The camera moved as little as possible so that a box, in pixels of the screen, is inside `size`. */
export function movedIntoView(camera: Camera, box: Scene["bounds"], size: Size, margin = FIT_MARGIN_PX): Camera {
  const shift = (from: number, to: number, length: number) => {
    if (to - from > length - 2 * margin) return margin - from;
    if (from < margin) return margin - from;
    return to > length - margin ? length - margin - to : 0;
  };
  return {
    k: camera.k,
    x: camera.x + shift(box.x0, box.x1, size.width),
    y: camera.y + shift(box.y0, box.y1, size.height),
  };
}

/** The part of the map's canvas that the evidence panel does not cover. */
export function uncoveredSize(canvas: HTMLElement | null, size: Size): Size {
  const map = canvas?.getBoundingClientRect();
  const panel = canvas?.closest(".session-body")?.querySelector(".evidence")?.getBoundingClientRect();
  if (!map || !panel || panel.left >= map.right - 1) return size;
  return panel.left > map.left + 40
    ? { ...size, width: panel.left - map.left }
    : { ...size, height: Math.max(48, panel.top - map.top) };
}
