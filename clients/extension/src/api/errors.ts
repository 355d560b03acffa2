/** What can go wrong between us and the server, told apart by what the caller can do about it. */

/** The server answered, and the answer is not a success. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** How long the server asked us to wait, if it did. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

/** No usable answer arrived. Whether the server acted on the request is unknown: resend it as it was. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** Nobody is signed in, or the server no longer accepts the refresh token. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
}

/** Milliseconds from a `Retry-After` header, which is either seconds or a date. At most an hour. */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  if (!Number.isFinite(waitMs)) return null;
  return Math.min(Math.max(waitMs, 0), 3_600_000);
}
