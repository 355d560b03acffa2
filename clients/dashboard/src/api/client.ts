/** The API, typed by its OpenAPI description. `unwrap` turns a call into its data or a thrown ApiError. */
import { reached, readError, trailmind } from "@trailmind/api";
import { saveFile } from "~/ui/save-file";
import { accessToken, endLogin, renewToken, WEB_CLIENT } from "./login";
import { takePreloaded } from "./preload";

const TIMEOUT_MS = 20_000;

/** `fetch` with the login: adds the token, and renews it once after a 401. */
export async function authorizedFetch(input: Request, timeoutMs: number | null = TIMEOUT_MS): Promise<Response> {
  const preloaded = await takePreloaded(input);
  if (preloaded) return preloaded;
  const retry = input.clone();
  const token = await accessToken();
  const response = await send(input, token, timeoutMs);
  if (response.status !== 401 || !token) return response;
  if (!(await renewToken())) {
    endLogin(true);
    return response;
  }
  return send(retry, await accessToken(), timeoutMs);
}

function send(request: Request, token: string | null, timeoutMs: number | null): Promise<Response> {
  const headers = new Headers(request.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(WEB_CLIENT)) headers.set(name, value);
  const signals = [request.signal, ...(timeoutMs === null ? [] : [AbortSignal.timeout(timeoutMs)])];
  const complete = new Request(request, { headers, signal: AbortSignal.any(signals) });
  return reached(fetch(complete));
}

const baseUrl = typeof location === "undefined" ? "http://localhost" : location.origin;

export const api = trailmind({ baseUrl, fetch: (request) => authorizedFetch(request) });

/** The API without a login: the sign-in pages show what fails, so no token is renewed and no page is redirected. */
export const anonymousApi = trailmind({ baseUrl, fetch: (request) => send(request, null, TIMEOUT_MS) });

/** The file name in a Content-Disposition header (RFC 6266): in UTF-8, or in ASCII where there is no other. */
export function fileNameIn(disposition: string): string | undefined {
  const inUtf8 = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
  return inUtf8 === undefined ? /filename="([^"]+)"/i.exec(disposition)?.[1] : decodeURIComponent(inUtf8);
}

/** Saves a response as a file named by its Content-Disposition header. Throws ApiError. */
export async function download(path: string, fallbackName: string): Promise<void> {
  const response = await authorizedFetch(new Request(new URL(path, location.origin)));
  if (!response.ok) throw await readError(response);
  saveFile(
    await reached(response.blob()),
    fileNameIn(response.headers.get("content-disposition") ?? "") ?? fallbackName,
  );
}
