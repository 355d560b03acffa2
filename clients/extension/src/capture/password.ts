/** Pages with a visible password field are not recorded. */

export function hasVisiblePasswordField(document: Document): boolean {
  return [...document.querySelectorAll<HTMLInputElement>('input[type="password"]')].some((field) =>
    typeof field.checkVisibility === "function"
      ? field.checkVisibility({ visibilityProperty: true, opacityProperty: true })
      : field.offsetParent !== null,
  );
}
