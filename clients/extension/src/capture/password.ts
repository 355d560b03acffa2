/** Pages that ask for a password are nobody's reading. */

export function hasVisiblePasswordField(document: Document): boolean {
  return [...document.querySelectorAll<HTMLInputElement>('input[type="password"]')].some((field) =>
    typeof field.checkVisibility === "function"
      ? field.checkVisibility({ visibilityProperty: true, opacityProperty: true })
      : field.offsetParent !== null,
  );
}
