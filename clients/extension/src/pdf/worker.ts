/**
 * A dedicated worker: takes the bytes of one PDF, answers with its words, and is thrown away.
 *
 * It answers on a port of its own: pdf.js takes any worker it finds itself in for its own and speaks on the main one.
 */

import { extractPdfText, type PdfText } from "./text";

export interface PdfRequest {
  data: ArrayBuffer;
  port: MessagePort;
}
export type PdfResponse = { ok: true; value: PdfText } | { ok: false; reason: string };

self.addEventListener("message", ({ data: { data, port } }: MessageEvent<PdfRequest>) => {
  extractPdfText(new Uint8Array(data)).then(
    (value) => port.postMessage({ ok: true, value } satisfies PdfResponse),
    (error: unknown) => port.postMessage({ ok: false, reason: String(error) } satisfies PdfResponse),
  );
});
