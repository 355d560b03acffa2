/** Reads PDFs for the service worker, one after the other, in an offscreen document that is open only meanwhile. */

import { browser } from "wxt/browser";

import type { ReadPdfMessage } from "./reader";
import type { PdfText } from "./text";

const PDF_PAGE = "/pdf-reader.html";
/** Longer than the reader's own time-out, for an offscreen document that crashed. */
const TIMEOUT_MS = 20_000;

let tail: Promise<unknown> = Promise.resolve();
let waiting = 0;

/** The text of the PDF at `url`, null if it cannot be read. Never throws. */
export function readPdfOffscreen(url: string): Promise<PdfText | null> {
  waiting += 1;
  const result = tail.then(() => requestText(url)).catch(() => null);
  tail = result.then(async () => {
    waiting -= 1;
    // Closed at once to release its memory.
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
  const timeout = new Promise<null>((resolve) => setTimeout(() => resolve(null), TIMEOUT_MS));
  const response = browser.runtime.sendMessage({ readPdf: url } satisfies ReadPdfMessage) as Promise<
    PdfText | null | undefined
  >;
  return (await Promise.race([response, timeout])) ?? null;
}
