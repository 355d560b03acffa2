/** The address of an export of what the user sees: pictures have the layout, folds, colours and theme of the screen. */
import { type MapOwner, ownerPath } from "~/api/queries";
import { shownFolds } from "~/map/shown-folds";
import { effectiveTheme } from "~/theme";
import type { FORMATS } from "./features";
import { LAYOUTS, type LayoutName } from "./search-params";

const MAX_FOLDED = 200;
const DEFAULT_LAYOUT: LayoutName = "tree";

export function exportPath(owner: MapOwner, format: (typeof FORMATS)[number]): string {
  const query = new URLSearchParams({ format });
  if (format === "png" || format === "svg") {
    for (const [name, value] of pictureLook()) query.set(name, value);
    for (const id of [...shownFolds()].slice(0, MAX_FOLDED)) query.append("folded", id);
    // A picture on a screen with two pixels per point is as sharp as the screen.
    if (format === "png") query.set("scale", "2");
  }
  return `${ownerPath(owner)}/export?${query}`;
}

/** The query parameters of a picture that looks like the map on the screen. */
export function pictureLook(): URLSearchParams {
  return new URLSearchParams({
    layout: pictureLayout(new URLSearchParams(location.search).get("layout")),
    theme: effectiveTheme(),
    palette: "dashboard",
  });
}

/** The outline is a list; its picture is the tree. */
function pictureLayout(name: string | null): LayoutName {
  const layout = LAYOUTS.find((each) => each === name) ?? DEFAULT_LAYOUT;
  return layout === "outline" ? DEFAULT_LAYOUT : layout;
}
