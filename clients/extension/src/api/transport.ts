/** One request to the server: addressed, timed, parsed. Knows nothing about accounts or retries. */

import * as v from "valibot";

import { ApiError, retryAfterMs, Unreachable } from "./errors";
import { ErrorAnswer } from "./schemas";

export interface Call {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  /** Already serialised JSON, for callers that must know its size. Wins over `body`. */
  json?: string;
  bearer?: string;
  idempotencyKey?: string;
  timeoutMs?: number;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Too large, and too many requests: a proxy may say both for itself. */
const FOREIGN_STATUSES = new Set([413, 429]);

export class Http {
  constructor(
    private readonly fetch: Fetch = (url, init) => globalThis.fetch(url, init),
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * @throws ApiError for a refusal, Unreachable when no complete, well-formed answer arrived.
   *
   * What stands between us and the server (a proxy whose server is still starting, a hotel's portal) refuses too, and
   * knows nothing of accounts and sessions: its 401, 403 or 404 must not cost anybody a recording. Only refusals in
   * the server's own words keep their status; of the others those alone that speak about the request or the moment.
   */
  async send<T extends v.GenericSchema>(origin: string, call: Call, schema: T): Promise<v.InferOutput<T>> {
    const response = await this.exchange(origin, call);
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      // Cut in the middle of the body: we cannot know what the server did.
      throw new Unreachable(String(error));
    }
    if (!response.ok) throw this.refusal(response, text);
    const parsed = v.safeParse(schema, parseOrNull(text));
    if (!parsed.success) throw new Unreachable(`unexpected answer from ${call.path}`);
    return parsed.output;
  }

  private async exchange(origin: string, call: Call): Promise<Response> {
    const json = call.json ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const headers: Record<string, string> = { Accept: "application/json" };
    if (json !== undefined) headers["Content-Type"] = "application/json";
    if (call.idempotencyKey !== undefined) headers["Idempotency-Key"] = call.idempotencyKey;
    if (call.bearer !== undefined) headers["Authorization"] = `Bearer ${call.bearer}`;
    try {
      return await this.fetch(`${origin}/v1${call.path}`, {
        method: call.method,
        headers,
        ...(json === undefined ? {} : { body: json }),
        // The bearer token is the only credential; cookies of the server's origin are none of our business.
        credentials: "omit",
        cache: "no-store",
        signal: AbortSignal.timeout(call.timeoutMs ?? 30_000),
      });
    } catch (error) {
      throw new Unreachable(String(error));
    }
  }

  private refusal(response: Response, text: string): ApiError {
    const wishMs = retryAfterMs(response.headers.get("Retry-After"), this.now());
    const ours = v.safeParse(ErrorAnswer, parseOrNull(text));
    if (ours.success) {
      const { message, code } = ours.output.error;
      return new ApiError(response.status, code ?? "", message, wishMs);
    }
    const isBelievable = response.status >= 500 || FOREIGN_STATUSES.has(response.status);
    const status = isBelievable ? response.status : 502;
    return new ApiError(status, "", response.statusText || `HTTP ${response.status}`, wishMs);
  }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
