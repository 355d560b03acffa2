/**
 * Copies `text`; returns whether it is on the clipboard. `navigator.clipboard` is undefined on pages without https; there
 * the older command copies the selection of a field.
 */
export async function copyText(text: string): Promise<boolean> {
  if (isSecureContext) {
    const isCopied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    if (isCopied) return true;
  }
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr";
  // Inside the dialog, if one is open: a modal dialog takes the focus back from everything outside.
  (focused?.closest("[role=dialog]") ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isCopied;
}
