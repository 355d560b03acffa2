import * as v from "valibot";
import { expect, test } from "vitest";

import { ApiError, retryAfterMs, Unreachable } from "./errors";
import { Http } from "./http";
import { TrailmindApi } from "./trailmind";

const answering = (status: number, body: string, headers: Record<string, string> = {}) => {
  const requests: { url: string; init: RequestInit }[] = [];
  const http = new Http(
    async (url, init) => {
      requests.push({ url, init });
      return new Response(status === 204 ? null : body, { status, headers });
    },
    () => 0,
  );
  return { http, requests, api: new TrailmindApi(http) };
};
const call = { method: "GET", path: "/x" } as const;

test("sends JSON with the token and without cookies", async () => {
  const { api, requests } = answering(200, '{"session":{"id":"s","session_status":"recording","started_at":"t"}}');
  await api.rename("http://a.test", "tok", "id/with slash", "Title");
  const [{ url, init } = { url: "", init: {} }] = requests;
  expect(url).toBe("http://a.test/v1/sessions/id%2Fwith%20slash");
  expect(init).toMatchObject({ method: "PATCH", body: '{"title":"Title"}', credentials: "omit" });
  expect(new Headers(init.headers).get("Authorization")).toBe("Bearer tok");
});

test("carries the server's sentence, code and wish to wait", async () => {
  const { http } = answering(429, '{"error":{"message":"slow down","code":"RATE"}}', { "Retry-After": "7" });
  const error = await http.send("http://a.test", call, v.unknown()).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 429, code: "RATE", message: "slow down", retryAfterMs: 7_000 });
});

test("bears an error page that is not JSON", async () => {
  const { http } = answering(502, "<html>Bad gateway</html>");
  await expect(http.send("http://a.test", call, v.unknown())).rejects.toMatchObject({ status: 502 });
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
])("a stranger's %s (%s) counts as %s", async (status, body, counted) => {
  const { http } = answering(status, body);
  await expect(http.send("http://a.test", call, v.unknown())).rejects.toMatchObject({ status: counted });
});

test("an answer of the wrong shape is no answer", async () => {
  await expect(answering(200, '{"sessions":7}').api.sessions("http://a.test", "t", 5)).rejects.toBeInstanceOf(
    Unreachable,
  );
  await expect(answering(200, '{"events').api.events("http://a.test", "t", "s", "{}")).rejects.toBeInstanceOf(
    Unreachable,
  );
});

test("a verdict nobody knows is not taken for one", async () => {
  const body = '{"processed":1,"total":1,"verdicts":[{"event_id":"e","verdict":"maybe"}]}';
  await expect(answering(200, body).api.events("http://a.test", "t", "s", "{}")).rejects.toBeInstanceOf(Unreachable);
});

test("204 has no body", async () => {
  await expect(answering(204, "").api.remove("http://a.test", "t", "s")).resolves.toBeUndefined();
});

test.each([
  [null, null],
  ["", null],
  ["12", 12_000],
  ["-3", 0],
  ["999999", 3_600_000],
  ["Thu, 01 Jan 1970 00:00:30 GMT", 30_000],
  ["soon", null],
])("Retry-After %s", (header, expected) => {
  expect(retryAfterMs(header, 0)).toBe(expected);
});
