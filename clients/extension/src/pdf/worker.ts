/**
 * A dedicated worker that receives the bytes of one PDF and returns its text; it is terminated afterwards.
 *
 * It responds on a separate port: pdf.js assumes that a worker it runs in is its own, and uses the default port.
 */

import { extractPdfText, type PdfText } from "./text";

/** Packed with the extension from pdfjs-dist, see wxt.config.ts. */
const C_MAP_URL = new URL("/cmaps/", self.location.href).href;

export interface PdfRequest {
  data: ArrayBuffer;
  port: MessagePort;
}
export type PdfResponse = { ok: true; value: PdfText } | { ok: false; reason: string };

self.addEventListener("message", ({ data: { data, port } }: MessageEvent<PdfRequest>) => {
  extractPdfText(new Uint8Array(data), undefined, undefined, C_MAP_URL).then(
    (value) => port.postMessage({ ok: true, value } satisfies PdfResponse),
    (error: unknown) => port.postMessage({ ok: false, reason: String(error) } satisfies PdfResponse),
  );
});
