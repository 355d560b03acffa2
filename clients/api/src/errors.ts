/** An answer outside 2xx. */
export class ApiError extends Error {
  readonly status: number;
  /** Stable, for programs; empty when the answer was not ours (a proxy's page). */
  readonly code: string;
  /** Seconds the server asks to wait before the next try. */
  readonly retryAfterS: number | null;
  /** What to quote when asking the operator. */
  readonly requestId: string | null;

  constructor(status: number, code: string, message: string, retryAfterS: number | null, requestId: string | null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
    this.requestId = requestId;
  }
}

/** The error an answer stands for; `body` is its JSON, or anything else when it was none. */
export function errorOf(response: Response, body: unknown): ApiError {
  const detail = isRecord(body) && isRecord(body["error"]) ? body["error"] : {};
  const wait = Number(response.headers.get("Retry-After") ?? "");
  return new ApiError(
    response.status,
    typeof detail["code"] === "string" ? detail["code"] : "",
    typeof detail["message"] === "string" ? detail["message"] : `HTTP ${response.status}`,
    Number.isFinite(wait) && wait > 0 ? wait : null,
    response.headers.get("X-Request-ID"),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
