/** Whether the browser has WebGL, and the canvas that answered the question. */

/** An opaque canvas without extra buffers is composited faster. */
export const CONTEXT_ATTRIBUTES = {
  alpha: false,
  antialias: false,
  depth: false,
  stencil: false,
  powerPreference: "low-power",
} as const;

/** Undefined before the first question; null without WebGL. */
let spareCanvas: HTMLCanvasElement | null | undefined;

/** A canvas with a WebGL context, or null without WebGL. The caller is its only user. */
export function takeWebGLCanvas(): HTMLCanvasElement | null {
  const canvas = spareCanvas ?? createCanvas();
  spareCanvas = undefined;
  return canvas;
}

/**
 * Whether this browser can draw in 3-D. The context of the test is kept for `takeWebGLCanvas`: creating one is slow.
 */
export function hasWebGL(): boolean {
  if (spareCanvas === undefined) spareCanvas = createCanvas();
  return spareCanvas !== null;
}

function createCanvas(): HTMLCanvasElement | null {
  try {
    const canvas = document.createElement("canvas");
    return canvas.getContext("webgl2", CONTEXT_ATTRIBUTES) ? canvas : null;
  } catch {
    return null;
  }
}
