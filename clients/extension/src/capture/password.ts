/** Pages with a visible password field are not recorded. */

import { openRoots } from "./shadow";

export function hasVisiblePasswordField(document: Document, roots = openRoots(document)): boolean {
  return roots.some((root) =>
    [...root.querySelectorAll<HTMLInputElement>('input[type="password"]')].some((field) =>
      typeof field.checkVisibility === "function"
        ? field.checkVisibility({ visibilityProperty: true, opacityProperty: true })
        : field.offsetParent !== null,
    ),
  );
}
