/** The kinds of failed requests, by what the caller can do about them. */
export type ErrorKind =
  | "offline"
  | "timeout"
  | "bad_request"
  | "signed_out"
  | "payment"
  | "forbidden"
  | "missing"
  | "conflict"
  | "too_many"
  | "unavailable"
  | "server"
  | "program";

const KIND_BY_STATUS: Record<number, ErrorKind> = {
  400: "bad_request",
  401: "signed_out",
  402: "payment",
  403: "forbidden",
  404: "missing",
  409: "conflict",
  422: "bad_request",
  429: "too_many",
  502: "unavailable",
  503: "unavailable",
  504: "timeout",
};

const MAX_RETRY_AFTER_S = 3_600;

interface ErrorDetails {
  kind?: ErrorKind;
  values?: Record<string, string>;
  retryAfterS?: number | null;
  requestId?: string | null;
}

/** A request without a usable response, or with one outside 2xx. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly kind: ErrorKind;
  /** The response's HTTP status; 0 when no response arrived. */
  readonly status: number;
  /** Stable, for programs; empty when the response was not the API's (a proxy's page). */
  readonly code: string;
  /** The facts of the message, to word the code in another language. */
  readonly values: Record<string, string>;
  /** Seconds the server asks to wait before the next try. */
  readonly retryAfterS: number | null;
  /** Identifies the request in the server's log. */
  readonly requestId: string | null;

  constructor(status: number, code: string, message: string, details: ErrorDetails = {}) {
    super(message || `HTTP ${status}`);
    this.kind = details.kind ?? KIND_BY_STATUS[status] ?? (status >= 500 ? "server" : "bad_request");
    this.status = status;
    this.code = code;
    this.values = details.values ?? {};
    this.retryAfterS = details.retryAfterS ?? null;
    this.requestId = details.requestId ?? null;
  }

  /** Whether `message` is the API's own sentence. */
  get isFromServer(): boolean {
    return this.status > 0 && this.code !== "";
  }
}

/** The error of a response outside 2xx; `body` is its JSON, or anything else when it has none. */
export function errorOf(response: Response, body: unknown): ApiError {
  const detail = isRecord(body) && isRecord(body["error"]) ? body["error"] : {};
  return new ApiError(
    response.status,
    typeof detail["code"] === "string" ? detail["code"] : "",
    typeof detail["message"] === "string" ? detail["message"] : "",
    {
      values: isRecord(detail["values"])
        ? Object.fromEntries(Object.entries(detail["values"]).map(([name, value]) => [name, String(value)]))
        : {},
      retryAfterS: retryAfterS(response.headers.get("Retry-After"), Date.now()),
      requestId: response.headers.get("X-Request-ID"),
    },
  );
}

/** `errorOf` for a response whose body is still unread. */
export async function readError(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  return errorOf(response, body);
}

/**
 * The result of `fetch`, or of reading a response's body. A rejection becomes an ApiError of the kind "offline" or
 * "timeout".
 *
 * The request is made here and nowhere else: `fetch` rejects with a TypeError, and so does a fault of the program.
 */
export async function reached<T>(pending: Promise<T>): Promise<T> {
  return pending.catch((reason: unknown) => {
    const isStopped =
      reason instanceof DOMException && (reason.name === "TimeoutError" || reason.name === "AbortError");
    const kind = isStopped ? "timeout" : "offline";
    throw new ApiError(0, kind, reason instanceof Error ? reason.message : String(reason), { kind });
  });
}

/**
 * Any thrown value as an ApiError. A value that is neither an ApiError nor a broken or timed-out response is a fault of
 * the program.
 */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError"))
    return new ApiError(0, "timeout", error.message, { kind: "timeout" });
  if (error instanceof SyntaxError) return new ApiError(0, "unexpected", error.message, { kind: "server" });
  return new ApiError(0, "program", error instanceof Error ? error.message : String(error), { kind: "program" });
}

/**
 * Seconds to wait by a `Retry-After` header (RFC 9110, section 10.2.3), which holds seconds or a date; null when it is
 * missing or malformed. At least 0, at most an hour.
 */
export function retryAfterS(header: string | null, nowMs: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  const waitS = Number.isFinite(seconds) ? seconds : (Date.parse(header) - nowMs) / 1000;
  if (!Number.isFinite(waitS)) return null;
  return Math.min(Math.max(waitS, 0), MAX_RETRY_AFTER_S);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
