/** `fetch` for the API: without cookies, with a time-out, and without error responses of proxies. */

import { ApiError, errorOf, isRecord, retryAfterS } from "@trailmind/api";

import { UnreachableError } from "./errors";

export type Fetch = (request: Request) => Promise<Response>;

/** Statuses that a proxy may also return on its own behalf: too large, too many requests. */
const PROXY_STATUSES = new Set([413, 429]);

/**
 * A `fetch` that returns 2xx responses whose body has arrived completely.
 *
 * Throws an ApiError for every other response, and UnreachableError when no complete response arrived. A proxy whose
 * server is still starting, or a captive portal, also returns 401, 403 or 404, and these must not end a recording. So
 * only errors in the API's format keep their status; other responses keep 413, 429 and 5xx, and count as 502 otherwise.
 */
export function transport(fetch: Fetch, timeoutMs: number): Fetch {
  return async (request) => {
    let response: Response;
    let text: string;
    try {
      response = await fetch(
        new Request(request, {
          // The bearer token is the only credential.
          credentials: "omit",
          cache: "no-store",
          signal: AbortSignal.timeout(timeoutMs),
        }),
      );
      // Read here, so that an incomplete body throws UnreachableError.
      text = await response.text();
    } catch (error) {
      throw new UnreachableError(String(error));
    }
    if (!response.ok) throw errorFromResponse(response, text);
    return new Response(text || null, { status: response.status });
  };
}

function errorFromResponse(response: Response, text: string): ApiError {
  const body = parseOrNull(text);
  if (isRecord(body) && isRecord(body["error"]) && typeof body["error"]["message"] === "string")
    return errorOf(response, body);
  const isTrusted = response.status >= 500 || PROXY_STATUSES.has(response.status);
  return new ApiError(isTrusted ? response.status : 502, "", response.statusText || `HTTP ${response.status}`, {
    retryAfterS: retryAfterS(response.headers.get("Retry-After"), Date.now()),
  });
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
