/** One request to the server: addressed, timed, parsed. Knows nothing about accounts or retries. */

import * as v from 'valibot';

import { ApiError, Unreachable, retryAfterMs } from './errors';
import { ErrorAnswer } from './schemas';

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: unknown;
  /** Already serialised JSON, for callers that must know its size. Wins over `body`. */
  json?: string;
  bearer?: string;
  timeoutMs?: number;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export class Http {
  constructor(
    private readonly fetch: Fetch = (url, init) => globalThis.fetch(url, init),
    private readonly now: () => number = Date.now,
  ) {}

  /** @throws ApiError for any answer outside 2xx, Unreachable when no complete, well-formed answer arrived. */
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
    let answer: unknown;
    try {
      answer = text === '' ? null : JSON.parse(text);
    } catch {
      throw new Unreachable('the answer is not JSON');
    }
    const parsed = v.safeParse(schema, answer);
    if (!parsed.success) throw new Unreachable(`unexpected answer from ${call.path}`);
    return parsed.output;
  }

  private async exchange(origin: string, call: Call): Promise<Response> {
    const json = call.json ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (json !== undefined) headers['Content-Type'] = 'application/json';
    if (call.bearer !== undefined) headers['Authorization'] = `Bearer ${call.bearer}`;
    try {
      return await this.fetch(`${origin}/v1${call.path}`, {
        method: call.method,
        headers,
        ...(json === undefined ? {} : { body: json }),
        // The bearer token is the only credential; cookies of the server's origin are none of our business.
        credentials: 'omit',
        cache: 'no-store',
        signal: AbortSignal.timeout(call.timeoutMs ?? 30_000),
      });
    } catch (error) {
      throw new Unreachable(String(error));
    }
  }

  private refusal(response: Response, text: string): ApiError {
    let message = response.statusText || `HTTP ${response.status}`;
    let code = '';
    try {
      const parsed = v.safeParse(ErrorAnswer, JSON.parse(text));
      if (parsed.success) {
        message = parsed.output.error.message;
        code = parsed.output.error.code ?? '';
      }
    } catch {
      // A proxy's HTML page: the status says enough.
    }
    return new ApiError(response.status, code, message, retryAfterMs(response.headers.get('Retry-After'), this.now()));
  }
}
