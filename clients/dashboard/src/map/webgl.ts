let known: boolean | null = null;

/** Whether this browser can draw in 3-D. Asked once: a context is not free. */
export function hasWebGL(): boolean {
  if (known !== null) return known;
  try {
    const context = document.createElement("canvas").getContext("webgl2");
    known = context !== null;
    context?.getExtension("WEBGL_lose_context")?.loseContext();
  } catch {
    known = false;
  }
  return known;
}
