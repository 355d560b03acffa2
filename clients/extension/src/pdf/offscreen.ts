/** The service worker's end: one PDF after the other, through a document that is opened for it. */

import { browser } from "wxt/browser";

import type { ReadPdfMessage } from "./reader";
import type { PdfText } from "./text";

const PDF_PAGE = "/pdf-reader.html";
/** Longer than the reader's own limit; for a document that crashed. */
const TIMEOUT_MS = 20_000;

let tail: Promise<unknown> = Promise.resolve();
let waiting = 0;

/** The words of the PDF at `url`, null when they cannot be had. Never throws. */
export function readPdfOffscreen(url: string): Promise<PdfText | null> {
  waiting += 1;
  const result = tail.then(() => requestText(url)).catch(() => null);
  tail = result.then(async () => {
    waiting -= 1;
    // Memory goes back at once, not when Chrome thinks of it.
    if (waiting === 0) await browser.offscreen.closeDocument().catch(() => undefined);
  });
  return result;
}

async function requestText(url: string): Promise<PdfText | null> {
  const isOpen = (await browser.runtime.getContexts({ contextTypes: ["OFFSCREEN_DOCUMENT"] })).length > 0;
  if (!isOpen) {
    await browser.offscreen.createDocument({
      url: PDF_PAGE,
      reasons: ["WORKERS"],
      justification: "Reads the text of a PDF that is open in a recorded tab.",
    });
  }
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), TIMEOUT_MS));
  const answer = browser.runtime.sendMessage({ readPdf: url } satisfies ReadPdfMessage) as Promise<
    PdfText | null | undefined
  >;
  return (await Promise.race([answer, late])) ?? null;
}
