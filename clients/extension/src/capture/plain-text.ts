/** Text as it goes over the wire, whatever it was read from. */

/** Enough for a long article; the server keeps less. */
export const MAX_TEXT_CHARS = 50_000;

/** Paragraphs stay apart, blanks inside them collapse. */
export function normalizeWhitespace(text: string): string {
  return text
    .replace(/\r/g, "")
    .replace(/[^\S\n]+/gu, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/** Cut at `max` UTF-16 units without splitting a character. */
export function truncate(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = /[\uD800-\uDBFF]/.test(text.charAt(max - 1)) ? max - 1 : max;
  return text.slice(0, end);
}
