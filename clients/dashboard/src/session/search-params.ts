/** The query parameters of a session's page. */

export const VIEWS = ["split", "timeline", "map"] as const;
export const LAYOUTS = ["tree", "radial", "galaxy", "outline"] as const;
export type View = (typeof VIEWS)[number];
export type LayoutName = (typeof LAYOUTS)[number];

/** `undefined` removes a parameter from the URL. */
export interface SessionSearch {
  view?: View | undefined;
  layout?: LayoutName | undefined;
  node?: string | undefined;
  topic?: string | undefined;
}

/** From this width on, timeline and map are shown side by side. */
export const WIDE = "(min-width: 1000px)";

export function showsTimeline(view: View | undefined, isWide: boolean): boolean {
  return view === "timeline" || (isWide && view !== "map");
}
