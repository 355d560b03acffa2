import { ApiError } from "@trailmind/api";
import { expect, test } from "vitest";

import { UnreachableError } from "./errors";
import { TrailmindApi } from "./trailmind";
import { type Fetch, transport } from "./transport";

const answering = (status: number, body: string, headers: Record<string, string> = {}) => {
  const requests: Request[] = [];
  const fetch: Fetch = async (request) => {
    requests.push(request);
    return new Response(status === 204 ? null : body, { status, headers });
  };
  const send = () => transport(fetch, 1_000)(new Request("http://a.test/v1/x"));
  return { send, requests, api: new TrailmindApi(fetch) };
};

test("sends JSON with the token and without cookies", async () => {
  const { api, requests } = answering(200, '{"session":{"id":"s","session_status":"recording","started_at":"t"}}');
  await api.rename("http://a.test", "tok", "id/with slash", "Title");
  const [request] = requests;
  expect(request?.url).toBe("http://a.test/v1/sessions/id%2Fwith%20slash");
  expect(request).toMatchObject({ method: "PATCH", credentials: "omit" });
  expect(await request?.text()).toBe('{"title":"Title"}');
  expect(request?.headers.get("Authorization")).toBe("Bearer tok");
  expect(request?.headers.get("X-Trailmind-Client")).toBe("extension");
});

test("an error has the server's message, code and Retry-After", async () => {
  const { send } = answering(429, '{"error":{"message":"slow down","code":"RATE"}}', { "Retry-After": "7" });
  const error = await send().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 429, code: "RATE", message: "slow down", retryAfterS: 7 });
});

test("an error page that is not JSON is an ApiError", async () => {
  const { send } = answering(502, "<html>Bad gateway</html>");
  await expect(send()).rejects.toMatchObject({ status: 502 });
});

test.each([
  [404, "<html>no such route yet</html>", 502],
  [404, '{"detail":"Not Found"}', 502],
  [401, "Proxy authorisation", 502],
  [403, "", 502],
  [413, "<html>too large</html>", 413],
  [429, "", 429],
  [503, "", 503],
  [404, '{"error":{"message":"no such session","code":"not_found"}}', 404],
])("a response with status %s (%s) counts as %s", async (status, body, counted) => {
  const { send } = answering(status, body);
  await expect(send()).rejects.toMatchObject({ status: counted });
});

test("a response of the wrong shape throws UnreachableError", async () => {
  await expect(answering(200, '{"sessions":7}').api.sessions("http://a.test", "t", 5)).rejects.toBeInstanceOf(
    UnreachableError,
  );
  await expect(answering(200, '{"events').api.events("http://a.test", "t", "s", { events: [] })).rejects.toBeInstanceOf(
    UnreachableError,
  );
});

test("an unknown verdict throws UnreachableError", async () => {
  const body = '{"processed":1,"total":1,"verdicts":[{"event_id":"e","verdict":"maybe"}]}';
  await expect(answering(200, body).api.events("http://a.test", "t", "s", { events: [] })).rejects.toBeInstanceOf(
    UnreachableError,
  );
});

test("204 has no body", async () => {
  await expect(answering(204, "").api.remove("http://a.test", "t", "s")).resolves.toBeUndefined();
});
