/** Gets a PDF that is already open in a tab once more, as a file. */

/** Larger ones are mostly pictures, and a recorder must not fill the line. */
const MAX_BYTES = 16_000_000;

/**
 * The bytes behind `url`, or null when it is not a PDF of a bearable size. With the user's cookies, as the tab had it;
 * never from another site than the one that was judged recordable.
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
    // A sign-in page in the document's place need not be read to its end either.
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

/** The mark may stand anywhere in the first kilobyte. A first chunk shorter than the mark is given the benefit. */
function hasPdfHeader(start: Uint8Array): boolean {
  return start.byteLength < 5 || latin1(start.subarray(0, 1_024)).includes("%PDF-");
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
