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

type Item = { str?: string; hasEOL?: boolean };

/** Joins printed lines; a word that is hyphenated at the end of a line becomes one word. */
export function joinLines(items: readonly Item[]): string {
  const text = items.map(({ str = "", hasEOL = false }) => (hasEOL ? `${str}\n` : str)).join("");
  return text.replace(/(\p{L})[-\u2010\u00ad]\n(?=\p{Ll})/gu, "$1");
}

/** Throws if `data` is not a PDF, is broken, or needs a password. */
export async function extractPdfText(
  data: Uint8Array,
  maxChars = MAX_TEXT_CHARS,
  maxPages = MAX_PAGES,
): Promise<PdfText> {
  const document = await getDocumentProxy(data, { verbosity: 0 });
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
    const text = normalizeWhitespace(pages.join("\n\n"));
    const { info } = await document.getMetadata().catch(() => ({ info: {} }));
    const { Title: title } = info as { Title?: unknown };
    return {
      title: typeof title === "string" ? title.trim().slice(0, 1_000) : "",
      text: truncate(text, maxChars),
      isTruncated: text.length > maxChars || number <= document.numPages,
    };
  } finally {
    await document.loadingTask.destroy();
  }
}
