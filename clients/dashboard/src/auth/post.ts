import { errorOf, toApiError } from "~/api/errors";
import { WEB_CLIENT } from "~/api/login";

/** Posts without a login: the form shows what fails, so no token is renewed and no page is redirected. */
export async function post(path: string, body: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...WEB_CLIENT },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
  } catch (error) {
    throw toApiError(error);
  }
  if (!response.ok) throw await errorOf(response);
  return response.status === 204 ? null : response.json().catch(() => null);
}
