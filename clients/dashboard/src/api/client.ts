/** The API, typed by its OpenAPI description. Every call either answers data or throws an ApiError. */
import { trailmind } from "@trailmind/api";
import { takeEarly } from "./early";
import { ApiError, errorOf, toApiError } from "./errors";
import { accessToken, forget, renew, WEB_CLIENT } from "./login";

const TIMEOUT_MS = 20_000;

/** `fetch` with the login: adds the token, renews it once when it is refused. */
export async function authorizedFetch(input: Request, timeoutMs: number | null = TIMEOUT_MS): Promise<Response> {
  const early = await takeEarly(input);
  if (early) return early;
  const again = input.clone();
  const token = await accessToken();
  const response = await send(input, token, timeoutMs);
  if (response.status !== 401 || !token) return response;
  if (!(await renew())) {
    forget(true);
    return response;
  }
  return send(again, await accessToken(), timeoutMs);
}

function send(request: Request, token: string | null, timeoutMs: number | null): Promise<Response> {
  const headers = new Headers(request.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(WEB_CLIENT)) headers.set(name, value);
  const signals = [request.signal, ...(timeoutMs === null ? [] : [AbortSignal.timeout(timeoutMs)])];
  return fetch(new Request(request, { headers, signal: AbortSignal.any(signals) }));
}

export const api = trailmind({
  baseUrl: typeof location === "undefined" ? "http://localhost" : location.origin,
  fetch: (request) => authorizedFetch(request),
});

/** The data of an answer; throws what `errorOf` makes of anything but 2xx. */
export async function data<T>(call: Promise<{ data?: T; response: Response; error?: unknown }>): Promise<T> {
  const answer = await call.catch((error: unknown) => {
    throw toApiError(error);
  });
  if (!answer.response.ok) {
    const { response } = answer;
    // openapi-fetch has read the body already; put it back for `errorOf`.
    throw await errorOf(
      new Response(JSON.stringify(answer.error ?? null), { status: response.status, headers: response.headers }),
    );
  }
  return answer.data as T;
}

/** A call the typed client does not describe (files, optional features). Throws ApiError unless it is 2xx. */
export async function request(method: string, path: string, body?: unknown): Promise<Response> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await authorizedFetch(new Request(new URL(path, location.origin), init));
  } catch (error) {
    throw toApiError(error);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** The JSON of `request`. */
export async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await request(method, path, body);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Saves an answer as a file under the name the server gives it. */
export async function download(path: string, fallbackName: string): Promise<void> {
  const response = await request("GET", path);
  const given = /filename\*?=(?:UTF-8'')?"?([^";]+)/i.exec(response.headers.get("content-disposition") ?? "")?.[1];
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = given ? decodeURIComponent(given) : fallbackName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export { ApiError };
