/** The text of a PDF. Runs in its own worker, which can be terminated if the file is broken. */

import { getDocumentProxy } from "unpdf";

import { MAX_TEXT_CHARS, normalizeWhitespace, truncate } from "../capture/plain-text";

/** Longer documents are truncated: the first pages are enough to identify the subject. */
const MAX_PAGES = 100;

export interface PdfText {
  /** From the metadata of the document; often empty, or the name of a template. */
  title: string;
  text: string;
  isTruncated: boolean;
}

/** Characters that stand for glyphs without a meaning. */
const UNKNOWN = /[\p{Co}\p{Cc}\uFFFD]/gu;
/** A text with a larger part of them is noise: the fonts do not say which characters they show. */
const MAX_UNKNOWN_PART = 0.3;

type Item = { str?: string; hasEOL?: boolean };

/** Joins printed lines; a word that is hyphenated at the end of a line becomes one word. */
export function joinLines(items: readonly Item[]): string {
  const text = items.map(({ str = "", hasEOL = false }) => (hasEOL ? `${str}\n` : str)).join("");
  return text.replace(/(\p{L})[-\u2010\u00ad]\n(?=\p{Ll})/gu, "$1");
}

/**
 * Throws if `data` is not a PDF, is broken, or needs a password. `cMapUrl` is the folder of the character maps that
 * Korean, Japanese and Chinese files refer to by name; without it they have no text.
 */
export async function extractPdfText(
  data: Uint8Array,
  maxChars = MAX_TEXT_CHARS,
  maxPages = MAX_PAGES,
  cMapUrl?: string,
): Promise<PdfText> {
  const maps = cMapUrl ? { cMapUrl, cMapPacked: true, useWorkerFetch: true } : {};
  const document = await getDocumentProxy(data, { verbosity: 0, ...maps });
  try {
    const pages: string[] = [];
    let length = 0;
    let number = 1;
    for (; number <= Math.min(document.numPages, maxPages) && length <= maxChars; number += 1) {
      const page = await document.getPage(number);
      const pageText = normalizeWhitespace(joinLines((await page.getTextContent()).items as Item[]));
      page.cleanup();
      pages.push(pageText);
      length += pageText.length;
    }
    const found = normalizeWhitespace(pages.join("\n\n"));
    const isUnreadable = (found.replaceAll("\n", "").match(UNKNOWN)?.length ?? 0) > found.length * MAX_UNKNOWN_PART;
    const text = isUnreadable ? "" : found;
    const { info } = await document.getMetadata().catch(() => ({ info: {} }));
    const { Title: title } = info as { Title?: unknown };
    return {
      title: typeof title === "string" ? truncate(title.trim(), 1_000) : "",
      text: truncate(text, maxChars),
      isTruncated: text.length > maxChars || number <= document.numPages,
    };
  } finally {
    await document.loadingTask.destroy();
  }
}
