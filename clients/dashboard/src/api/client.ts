/** The API, typed by its OpenAPI description. `unwrap` turns a call into its data or a thrown ApiError. */
import { readError, toApiError, trailmind } from "@trailmind/api";
import { takeEarly } from "./early";
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

const baseUrl = typeof location === "undefined" ? "http://localhost" : location.origin;

export const api = trailmind({ baseUrl, fetch: (request) => authorizedFetch(request) });

/** The API without a login: the sign-in pages show what fails, so no token is renewed and no page is redirected. */
export const anonymousApi = trailmind({ baseUrl, fetch: (request) => send(request, null, TIMEOUT_MS) });

/** Saves a response as a file under the name the server gives it. Throws ApiError. */
export async function download(path: string, fallbackName: string): Promise<void> {
  const response = await authorizedFetch(new Request(new URL(path, location.origin))).catch((error: unknown) => {
    throw toApiError(error);
  });
  if (!response.ok) throw await readError(response);
  const given = /filename\*?=(?:UTF-8'')?"?([^";]+)/i.exec(response.headers.get("content-disposition") ?? "")?.[1];
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = given ? decodeURIComponent(given) : fallbackName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
