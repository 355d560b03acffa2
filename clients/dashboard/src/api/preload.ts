/** Requests sent before the page's code is loaded. Each response serves the first request for the same URL. */
import { WEB_CLIENT } from "./login";

const pending = new Map<string, Promise<Response | null>>();

export function preload(token: string, paths: readonly string[]): void {
  const headers = { Accept: "application/json", Authorization: `Bearer ${token}`, ...WEB_CLIENT };
  for (const path of paths)
    pending.set(
      new URL(path, location.origin).href,
      fetch(path, { headers, signal: AbortSignal.timeout(20_000) }).catch(() => null),
    );
}

/** The response of a preloaded request; null when there is none or it failed. */
export async function takePreloaded(request: Request): Promise<Response | null> {
  const pendingResponse = request.method === "GET" ? pending.get(request.url) : undefined;
  if (!pendingResponse) return null;
  pending.delete(request.url);
  const response = await pendingResponse;
  return response && response.status !== 401 ? response : null;
}
