/** Opaque: what need not be mixed with the page behind it is put on the screen faster. */
export const CONTEXT = {
  alpha: false,
  antialias: false,
  depth: false,
  stencil: false,
  powerPreference: "low-power",
} as const;

let made: HTMLCanvasElement | null | undefined;

/** A canvas with a WebGL context, or null where this browser has none. Whoever takes it has it alone. */
export function takeWebGL(): HTMLCanvasElement | null {
  const taken = made ?? make();
  made = undefined;
  return taken;
}

/** Whether this browser can draw in 3-D. The context this is found out with is kept: it takes long to make. */
export function hasWebGL(): boolean {
  if (made === undefined) made = make();
  return made !== null;
}

function make(): HTMLCanvasElement | null {
  try {
    const canvas = document.createElement("canvas");
    return canvas.getContext("webgl2", CONTEXT) ? canvas : null;
  } catch {
    return null;
  }
}
