/** The address of an export that the server makes. Its pictures have the layout, theme and colours of the screen. */
import { type MapOwner, ownerPath } from "~/api/queries";
import { effectiveTheme } from "~/theme";
import type { FORMATS } from "./features";
import { LAYOUTS, type LayoutName } from "./search-params";

const DEFAULT_LAYOUT: LayoutName = "tree";

export function exportPath(owner: MapOwner, format: (typeof FORMATS)[number]): string {
  const query = new URLSearchParams({ format });
  if (format === "png" || format === "svg") {
    for (const [name, value] of pictureLook()) query.set(name, value);
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
