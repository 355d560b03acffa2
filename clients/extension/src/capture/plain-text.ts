/** Normalises text before it is sent. */

/** The length of a long article; the server stores less. */
export const MAX_TEXT_CHARS = 50_000;

/** Collapses white space; paragraph breaks stay. */
export function normalizeWhitespace(text: string): string {
  return text
    .replace(/\r/g, "")
    .replace(/[^\S\n]+/gu, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/** The first `max` UTF-16 code units, without splitting a surrogate pair. */
export function truncate(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = /[\uD800-\uDBFF]/.test(text.charAt(max - 1)) ? max - 1 : max;
  return text.slice(0, end);
}
