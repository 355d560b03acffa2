/**
 * Passages of pages: where one is in a page's text, its whole words, and links that open a page at it.
 *
 * Chromium finds the text of a text fragment (`#:~:text=`) only between word borders and inside one block. A range of
 * a first and a last part may span blocks, but begins at the first place where its first part occurs. See
 * https://wicg.github.io/scroll-to-text-fragment/.
 */

/** A part of a text, in UTF-16 code units. */
export interface Span {
  start: number;
  end: number;
}

/** A passage with what is known about the page around it. */
export interface Passage {
  quote: string;
  /** The text of the page directly before and after the quote. */
  prefix?: string;
  suffix?: string;
  /** The text of the page, one line for each of its blocks. */
  pageText?: string;
  /** The language of the page as it declares it. */
  language?: string | null;
}

/** A quote up to this length is one term; the browser compares a longer one by its first and last words. */
const MAX_TERM_CHARS = 300;
/** The length of the first and the last part of a long passage, and of the context that tells two places apart. */
const PART_CHARS = 60;
const CONTEXT_CHARS = 40;
/** A shorter piece of a passage may occur anywhere on the page. */
const MIN_PIECE_CHARS = 12;

const isSpace = (char: string | undefined) => char !== undefined && /\s/u.test(char);

/** The language of a text by its script, for a page that declares none. */
function languageOf(text: string, declared: string | null | undefined): string {
  if (/[\u3040-\u30ff]/u.test(text)) return "ja";
  if (/[\uac00-\ud7a3]/u.test(text)) return "ko";
  if (/[\u4e00-\u9fff]/u.test(text)) return declared?.startsWith("ja") ? "ja" : "zh";
  try {
    return declared ? (Intl.getCanonicalLocales(declared)[0] ?? "en") : "en";
  } catch {
    return "en";
  }
}

/** `span` widened to whole words, by the language of the text. Runs without a space, as in Korean, are one word. */
export function wholeWords(text: string, span: Span, language?: string | null): Span {
  // Words end at spaces, so the text around is enough.
  const from = Math.max(0, text.lastIndexOf("\n", Math.max(0, span.start - 1)) + 1, span.start - 200);
  const lineEnd = text.indexOf("\n", span.end);
  const to = Math.min(lineEnd < 0 ? text.length : lineEnd, span.end + 200);
  const part = text.slice(from, to);
  const words = new Intl.Segmenter(languageOf(part, language), { granularity: "word" });
  let { start, end } = span;
  for (const { index, segment, isWordLike } of words.segment(part)) {
    const [begin, stop] = [from + index, from + index + segment.length];
    if (!isWordLike) continue;
    if (begin < span.start && span.start < stop) start = begin;
    if (begin < span.end && span.end < stop) end = stop;
  }
  return { start, end };
}

/** The places of a quote in a text. White space of any kind and length counts as one space. */
export function placesOf(text: string, quote: string): Span[] {
  const [flat, offsets] = collapsed(text);
  const [wanted] = collapsed(quote.trim());
  const places: Span[] = [];
  if (!wanted) return places;
  for (let at = flat.indexOf(wanted); at >= 0; at = flat.indexOf(wanted, at + 1))
    places.push({ start: offsets[at] ?? 0, end: (offsets[at + wanted.length - 1] ?? 0) + 1 });
  return places;
}

/** A text in which every run of white space is one space, and where each of its characters was. */
function collapsed(text: string): [string, number[]] {
  let flat = "";
  const offsets: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (isSpace(text[i]) && isSpace(text[i - 1])) continue;
    flat += isSpace(text[i]) ? " " : text[i];
    offsets.push(i);
  }
  return [flat, offsets];
}

/** The place of a quote that the text before and after it points to; without context the first one. */
export function placeOf(text: string, { quote, prefix = "", suffix = "" }: Passage): Span | null {
  const places = placesOf(text, quote);
  const squeezed = (part: string) => part.replace(/\s+/gu, "");
  const [before, after] = [squeezed(prefix), squeezed(suffix)];
  const agreement = ({ start, end }: Span) => {
    const [left, right] = [squeezed(text.slice(Math.max(0, start - 200), start)), squeezed(text.slice(end, end + 200))];
    let score = 0;
    while (score < before.length && left.at(-1 - score) === before.at(-1 - score)) score++;
    let right_ = 0;
    while (right_ < after.length && right[right_] === after[right_]) right_++;
    return score + right_;
  };
  let best: Span | null = null;
  let highest = -1;
  for (const place of places) {
    const score = agreement(place);
    if (score > highest) [best, highest] = [place, score];
  }
  return best;
}

/** The value of a text fragment directive for a passage, percent-encoded; empty when nothing of it can be found. */
export function textDirective(passage: Passage): string {
  const { pageText, quote, language } = passage;
  const place = pageText ? placeOf(pageText, passage) : null;
  if (pageText && place) return directiveAt(pageText, wholeWords(pageText, place, language), language);
  // Without the page's text: the words that the context cut in two are completed from it.
  const { prefix = "", suffix = "" } = passage;
  const around = `${prefix}${quote}${suffix}`;
  const { start, end } = wholeWords(around, { start: prefix.length, end: prefix.length + quote.length }, language);
  return directiveOf(around.slice(start, end).trim().replace(/\s+/gu, " "), language);
}

function directiveAt(text: string, span: Span, language: string | null | undefined): string {
  const lines = withoutShortEnds(linesOf(text, span));
  const [first, last] = [lines[0], lines.at(-1)];
  if (!first || !last) return "";
  if (lines.length > 1) return rangeOf(text, first, last, language);
  const quote = text.slice(first.start, first.end);
  if (quote.length > MAX_TERM_CHARS) return rangeOf(text, first, first, language);
  return contextOf(text, first, language) + encode(quote);
}

/** The lines from the first to the last that are long enough not to occur anywhere; all when none is. */
function withoutShortEnds(lines: Span[]): Span[] {
  const isLong = ({ start, end }: Span) => end - start >= MIN_PIECE_CHARS;
  const from = lines.findIndex(isLong);
  return from < 0 ? lines : lines.slice(from, lines.findLastIndex(isLong) + 1);
}

/** The part of a span in each line that it touches. */
function linesOf(text: string, { start, end }: Span): Span[] {
  const lines: Span[] = [];
  for (let from = start; from < end; ) {
    const newline = text.indexOf("\n", from);
    const to = newline < 0 ? end : Math.min(newline, end);
    const piece = trimmed(text, { start: from, end: to });
    if (piece.end > piece.start) lines.push(piece);
    from = to + 1;
  }
  return lines;
}

function trimmed(text: string, { start, end }: Span): Span {
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return { start, end };
}

/** `first` words of one place to the last words of another. */
function rangeOf(text: string, first: Span, last: Span, language: string | null | undefined): string {
  const head = headOf(text, first, language);
  const tail = tailOf(text, last, language);
  return `${contextOf(text, head, language)}${encode(text.slice(head.start, head.end))},${encode(text.slice(tail.start, tail.end))}`;
}

/** The first words of a span. */
function headOf(text: string, span: Span, language: string | null | undefined): Span {
  if (span.end - span.start <= PART_CHARS) return span;
  const { end } = wholeWords(text, { start: span.start, end: span.start + PART_CHARS }, language);
  return trimmed(text, { start: span.start, end: Math.min(end, span.end) });
}

/** The last words of a span. */
function tailOf(text: string, span: Span, language: string | null | undefined): Span {
  if (span.end - span.start <= PART_CHARS) return span;
  const { start } = wholeWords(text, { start: span.end - PART_CHARS, end: span.end }, language);
  return trimmed(text, { start: Math.max(start, span.start), end: span.end });
}

/** The words before a place as `words-,` when the same text stands earlier on the page; otherwise empty. */
function contextOf(text: string, place: Span, language: string | null | undefined): string {
  const earlier = placesOf(text, text.slice(place.start, place.end))[0];
  if (!earlier || earlier.start >= place.start) return "";
  const before = trimmed(text, { start: 0, end: place.start });
  const lineStart = text.lastIndexOf("\n", before.end - 1) + 1;
  const words = tailOf(text, { start: Math.max(lineStart, before.end - CONTEXT_CHARS * 2), end: before.end }, language);
  return words.end > words.start ? `${encode(text.slice(words.start, words.end))}-,` : "";
}

/** The directive of a quote whose page is not known. */
function directiveOf(quote: string, language: string | null | undefined): string {
  if (!quote) return "";
  if (quote.length <= MAX_TERM_CHARS) return encode(quote);
  const whole = { start: 0, end: quote.length };
  const [head, tail] = [headOf(quote, whole, language), tailOf(quote, whole, language)];
  return `${encode(quote.slice(head.start, head.end))},${encode(quote.slice(tail.start, tail.end))}`;
}

/** A term of a text directive. A raw hyphen would separate it from its context. */
function encode(term: string): string {
  return encodeURIComponent(term.replace(/\p{Surrogate}/gu, "\ufffd").replace(/\s+/gu, " ")).replace(/-/g, "%2D");
}

/** `href` with a text directive; the page's own fragment, such as the route of an application, stays. */
export function withTextDirective(href: string, directive: string): string {
  const plain = href.replace(/:~:.*$/u, "");
  if (!directive) return plain;
  return `${plain}${plain.includes("#") ? "" : "#"}:~:text=${directive}`;
}
