/** `fetch` for the API: without cookies, with a time-out, and returning only what the API itself answered. */

import { ApiError, errorOf, isRecord, retryAfterS } from "@trailmind/api";

import { UnreachableError } from "./errors";

export type Fetch = (request: Request) => Promise<Response>;

/** Too large, and too many requests: a proxy may say both for itself. */
const PROXY_STATUSES = new Set([413, 429]);

/**
 * A `fetch` that returns 2xx responses whose body has arrived completely.
 *
 * It throws an ApiError for every other response and Unreachable when no complete response arrived. What stands between
 * us and the server (a proxy whose server is still starting, a captive portal) refuses requests too, and knows nothing
 * of accounts and sessions: its 401, 403 or 404 must not end a recording. Only errors in the API's own format keep their
 * status; of the others only those that are about the request or the moment do, and the rest count as 502.
 */
export function transport(fetch: Fetch, timeoutMs: number): Fetch {
  return async (request) => {
    let response: Response;
    let text: string;
    try {
      response = await fetch(
        new Request(request, {
          // The bearer token is the only credential; the cookies of the server's origin are not ours to send.
          credentials: "omit",
          cache: "no-store",
          signal: AbortSignal.timeout(timeoutMs),
        }),
      );
      // Read here: a body that is cut off leaves open what the server did.
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
  const isBelievable = response.status >= 500 || PROXY_STATUSES.has(response.status);
  return new ApiError(isBelievable ? response.status : 502, "", response.statusText || `HTTP ${response.status}`, {
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
