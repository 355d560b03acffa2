/**
 * Reads PDFs for the service worker, which can neither start workers nor load code when it needs it. Lives in an
 * offscreen document that is there only while something is being read: the library weighs more than all the rest.
 */

import { browser } from "wxt/browser";

import { downloadPdf } from "./download";
import type { PdfText } from "./text";
import type { PdfRequest, PdfResponse } from "./worker";

/** Download and reading together. */
const TIMEOUT_MS = 15_000;
/** If the service worker died meanwhile, nobody else would close this document. */
const IDLE_MS = 20_000;

export interface ReadPdfMessage {
  readPdf: string;
}

export type PdfParser = (data: Uint8Array<ArrayBuffer>, signal: AbortSignal) => Promise<PdfText>;

/** Parses in a worker that is ended with `signal`: some files keep a parser busy for ever. */
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
    ours.onmessage = ({ data: answer }: MessageEvent<PdfResponse>) => {
      end();
      if (answer.ok) resolve(answer.value);
      else reject(new Error(answer.reason));
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
    // No text is no trouble: the visit counts without it.
    console.info("this PDF could not be read", String(error));
    return null;
  }
}

/** The offscreen document's whole life. */
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
