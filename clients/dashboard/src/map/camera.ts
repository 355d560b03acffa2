/** The part of a scene that is on the screen. */
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

/**
 * The camera that shows all of `bounds`, at a scale of at most `maxScale`, with `labels` pixels for labels around it.
 */
export function fitCamera(bounds: Scene["bounds"], size: Size, maxScale = 1.1, labels = 0): Camera {
  const [padX, padY] = [28 + Math.min(labels, size.width * 0.2), 28 + Math.min(labels, size.height * 0.16)];
  const [w, h] = [Math.max(1, bounds.x1 - bounds.x0), Math.max(1, bounds.y1 - bounds.y0)];
  const k = Math.max(0.04, Math.min(maxScale, (size.width - 2 * padX) / w, (size.height - 2 * padY) / h));
  return {
    k,
    x: size.width / 2 - ((bounds.x0 + bounds.x1) / 2) * k,
    y: size.height / 2 - ((bounds.y0 + bounds.y1) / 2) * k,
  };
}

/** The start of a tree: a tree too large to be readable as a whole starts at its core, every other fits the pane. */
export function treeCamera(scene: Scene, size: Size): Camera {
  const whole = fitCamera(scene.bounds, size);
  if (whole.k > 0.58) return whole;
  const { x0, x1 } = scene.bounds;
  const k = size.width < 600 ? 0.72 : 0.62;
  // With branches to one side only, the core stands at the left edge.
  return { k, x: x1 > -3 * x0 ? 16 - x0 * k : size.width / 2, y: size.height / 2 };
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
