/** Opaque: what need not be mixed with the page behind it is put on the screen faster. */
export const CONTEXT_ATTRIBUTES = {
  alpha: false,
  antialias: false,
  depth: false,
  stencil: false,
  powerPreference: "low-power",
} as const;

let spareCanvas: HTMLCanvasElement | null | undefined;

/** A canvas with a WebGL context, or null where this browser has none. Whoever takes it has it alone. */
export function takeWebGLCanvas(): HTMLCanvasElement | null {
  const canvas = spareCanvas ?? createCanvas();
  spareCanvas = undefined;
  return canvas;
}

/** Whether this browser can draw in 3-D. The context this is found out with is kept: it takes long to make. */
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
