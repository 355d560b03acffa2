/** Normalises text before it is sent. */

/** The length of a long article; the server stores less. */
export const MAX_TEXT_CHARS = 50_000;

/** Longer sequences that form one character (an emoji with its modifiers, a letter with its marks) are cut. */
const MAX_CHARACTER_UNITS = 64;

/** Collapses white space; paragraph breaks stay. */
export function normalizeWhitespace(text: string): string {
  return text
    .replace(/\r/g, "")
    .replace(/[^\S\n]+/gu, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

// White space that is shown as it is written, while text is normalised: control characters, which no page shows.
const KEPT_SPACE = "\u0001";
const KEPT_TAB = "\u0002";
const KEPT_AT_END = new RegExp(`[${KEPT_SPACE}${KEPT_TAB}]+(?=\n|$)`, "g");
/** Blanks at the start of a line or in a row, and tabs: single ones elsewhere survive without help. */
const LAYOUT = /(?<=^|\n) | {2,}|\t/g;

/** `text` of a program or a drawing, marked so that its indentation survives `normalizeWhitespace`. */
export const keepLayout = (text: string): string =>
  text.replace(LAYOUT, (found) => (found === "\t" ? KEPT_TAB : KEPT_SPACE.repeat(found.length)));

/** Normalised text with the blanks that `keepLayout` marked. */
export const withLayout = (text: string): string =>
  text.replace(KEPT_AT_END, "").replaceAll(KEPT_SPACE, " ").replaceAll(KEPT_TAB, "\t");

/** `innerText` for sending: the browser has collapsed the white space that is not shown. */
export const normalizeShown = (text: string): string => withLayout(normalizeWhitespace(keepLayout(text)));

/** At most the first `max` UTF-16 code units, without splitting a character as a reader sees it. */
export function truncate(text: string, max: number): string {
  if (text.length <= max) return text;
  const from = Math.max(0, max - MAX_CHARACTER_UNITS);
  const end = borderAt(text.slice(from, max + MAX_CHARACTER_UNITS), max - from);
  return text.slice(0, end === null ? withoutHalf(text, max) : from + end);
}

/** At most the last `max` UTF-16 code units, without splitting a character. */
export function truncateStart(text: string, max: number): string {
  if (text.length <= max) return text;
  const from = Math.max(0, text.length - max - MAX_CHARACTER_UNITS);
  const near = text.slice(from, text.length - max + MAX_CHARACTER_UNITS);
  const wanted = text.length - max - from;
  const border = [...characters(near)].find(({ index }) => index >= wanted)?.index;
  const start = from + (border ?? wanted);
  return text.slice(/[\uDC00-\uDFFF]/.test(text.charAt(start)) ? start + 1 : start);
}

const characters = (text: string) => new Intl.Segmenter().segment(text);

/** The last border between two characters up to `max`, null if there is none. */
function borderAt(text: string, max: number): number | null {
  let border: number | null = null;
  for (const { index } of characters(text)) {
    if (index > max) break;
    if (index > 0) border = index;
  }
  return border;
}

const withoutHalf = (text: string, end: number): number =>
  /[\uD800-\uDBFF]/.test(text.charAt(end - 1)) ? end - 1 : end;
