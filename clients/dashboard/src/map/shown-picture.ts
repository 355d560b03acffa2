/** The map on the screen as a picture, for exports outside the map. */
import type { Picture } from "./pen";

let shown: (() => Picture | null) | null = null;

/** The picture of the map on the screen; null when there is none. */
export const shownPicture = (): Picture | null => shown?.() ?? null;

/** Announces the map on the screen. Returns a function that withdraws it. */
export function showPicture(picture: () => Picture | null): () => void {
  shown = picture;
  return () => {
    if (shown === picture) shown = null;
  };
}
