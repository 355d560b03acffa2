/** Downloads a PDF that is open in a tab. */

/** Larger PDFs are mostly images, and their download would use too much bandwidth. */
const MAX_BYTES = 16_000_000;

/**
 * The bytes of the PDF at `url`; null if it is not a PDF, is too large, or redirects to another origin, for which the
 * policy was not evaluated. Fetched with the user's cookies, like the tab. Throws what `fetch` throws.
 */
export async function downloadPdf(
  url: string,
  signal: AbortSignal,
  fetch: typeof globalThis.fetch = globalThis.fetch,
  maxBytes = MAX_BYTES,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const response = await fetch(url, {
    credentials: "include",
    cache: "force-cache",
    referrerPolicy: "no-referrer",
    signal,
  });
  const isSameOrigin = new URL(response.url || url).origin === new URL(url).origin;
  const size = Number(response.headers.get("Content-Length") ?? 0);
  if (!response.ok || !response.body || !isSameOrigin || size > maxBytes) {
    await response.body?.cancel();
    return null;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.byteLength;
    // Stops early if the response is another document, such as a sign-in page.
    if (length > maxBytes || (chunks.length === 1 && !hasPdfHeader(value))) {
      await reader.cancel();
      return null;
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return length > 0 ? bytes : null;
}

/** The header `%PDF-` can be anywhere in the first kilobyte. A chunk shorter than the header is accepted. */
function hasPdfHeader(start: Uint8Array): boolean {
  return start.byteLength < 5 || latin1(start.subarray(0, 1_024)).includes("%PDF-");
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
