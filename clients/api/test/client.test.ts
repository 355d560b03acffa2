import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";

import { ApiError, trailmind, unwrap } from "../src/index.ts";

const SESSION = { id: "s", session_status: "recording", started_at: "2026-11-01T10:00:00Z" };
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://server");
  const answer = (status: number, body: unknown, headers = {}) =>
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  if (request.headers.authorization !== "Bearer good") {
    const headers = { "Retry-After": "7", "X-Request-ID": "r-1" };
    answer(429, { error: { message: "Slow down.", code: "RATE_LIMIT_EXCEEDED" } }, headers);
  } else if (pathname === "/v1/sessions")
    answer(200, { sessions: [SESSION], total: Number(searchParams.get("limit")) });
  else if (request.method === "DELETE") response.writeHead(204).end();
  else response.writeHead(502, { "Content-Type": "text/html" }).end(`<h1>${pathname}</h1>`);
});
let baseUrl = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

test("sends the token and the query, and returns typed data", async () => {
  const client = trailmind({ baseUrl, token: () => "good" });
  const list = await unwrap(client.GET("/v1/sessions", { params: { query: { limit: 5 } } }));
  expect(list.sessions[0]?.session_status).toBe("recording");
  expect(list.total).toBe(5);
});

test("returns undefined for a response without a body", async () => {
  const client = trailmind({ baseUrl, token: async () => "good" });
  const params = { path: { session_id: "a/b" } };
  expect(await unwrap(client.DELETE("/v1/sessions/{session_id}", { params }))).toBeUndefined();
});

test("throws the server's message, code, retry delay and request id", async () => {
  const error = await unwrap(trailmind({ baseUrl }).GET("/v1/sessions")).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  const { status, code, message, retryAfterS, requestId } = error as ApiError;
  expect({ status, code, message, retryAfterS, requestId }).toEqual({
    status: 429,
    code: "RATE_LIMIT_EXCEEDED",
    message: "Slow down.",
    retryAfterS: 7,
    requestId: "r-1",
  });
});

test("throws an ApiError without a code for a proxy's HTML page", async () => {
  const client = trailmind({ baseUrl, token: () => "good" });
  const call = client.GET("/v1/sessions/{session_id}", { params: { path: { session_id: "s" } } });
  await expect(unwrap(call)).rejects.toMatchObject({ name: "ApiError", status: 502, code: "" });
});
