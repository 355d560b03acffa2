/** What can go wrong with a request, in the terms the screens speak. */
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
  | "server";

const KINDS: Record<number, ErrorKind> = {
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

export class ApiError extends Error {
  constructor(
    readonly kind: ErrorKind,
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterS: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** The error of an answer that is not 2xx. The body may be ours, a proxy's, or nothing. */
export async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null);
  const detail = isRecord(body) && isRecord(body.error) ? body.error : {};
  const wait = Number(response.headers.get("retry-after"));
  return new ApiError(
    KINDS[response.status] ?? (response.status >= 500 ? "server" : "bad_request"),
    response.status,
    typeof detail.code === "string" ? detail.code : "",
    typeof detail.message === "string" ? detail.message : "",
    Number.isFinite(wait) && wait > 0 ? wait : null,
    response.headers.get("x-request-id"),
  );
}

/** Any thrown value as an ApiError: `fetch` throws TypeError without a connection, DOMException on time-out. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError"))
    return new ApiError("timeout", 0, "timeout", "");
  if (error instanceof TypeError) return new ApiError("offline", 0, "offline", "");
  return new ApiError("server", 0, "unexpected", error instanceof Error ? error.message : "");
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
