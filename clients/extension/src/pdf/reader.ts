/**
 * Reads PDFs in an offscreen document, because a service worker can neither start workers nor import code on demand.
 * The document is open only while a PDF is read: the library is larger than the rest of the extension.
 */

import { browser } from "wxt/browser";

import { downloadPdf } from "./download";
import type { PdfText } from "./text";
import type { PdfRequest, PdfResponse } from "./worker";

/** For the download and the parsing together. */
const TIMEOUT_MS = 15_000;
/** Closes the document if the service worker was killed and cannot close it. */
const IDLE_MS = 20_000;

export interface ReadPdfMessage {
  readPdf: string;
}

export type PdfParser = (data: Uint8Array<ArrayBuffer>, signal: AbortSignal) => Promise<PdfText>;

/** Parses in a worker that `signal` terminates, because some files make the parser loop indefinitely. */
const parseInWorker: PdfParser = (data, signal) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const end = () => worker.terminate();
    const fail = (reason: unknown) => {
      end();
      reject(reason);
    };
    signal.addEventListener("abort", () => fail(signal.reason), { once: true });
    worker.addEventListener("error", (event) => fail(new Error(event.message)));
    const { port1: ours, port2: theirs } = new MessageChannel();
    ours.onmessage = ({ data: response }: MessageEvent<PdfResponse>) => {
      end();
      if (response.ok) resolve(response.value);
      else reject(new Error(response.reason));
    };
    worker.postMessage({ data: data.buffer, port: theirs } satisfies PdfRequest, [data.buffer, theirs]);
  });

export async function readPdf(
  url: string,
  parse: PdfParser = parseInWorker,
  fetch = globalThis.fetch,
): Promise<PdfText | null> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const data = await downloadPdf(url, signal, fetch);
    return data && (await parse(data, signal));
  } catch (error) {
    // Not an error: the visit is recorded without text.
    console.info("pdf_not_read", String(error));
    return null;
  }
}

/** Handles the requests of the service worker; `close` is called when none arrived for `IDLE_MS`. */
export function listen(close: () => void): void {
  let timer = setTimeout(close, IDLE_MS);
  browser.runtime.onMessage.addListener((message: unknown, sender, respond) => {
    const url = (message as Partial<ReadPdfMessage> | null)?.readPdf;
    if (sender.id !== browser.runtime.id || sender.tab || typeof url !== "string") return false;
    clearTimeout(timer);
    void readPdf(url).then((text) => {
      timer = setTimeout(close, IDLE_MS);
      respond(text);
    });
    return true;
  });
}
