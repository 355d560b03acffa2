import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

type Login = typeof import("~/api/login");
type Client = typeof import("~/api/client");
let unwrap: typeof import("@trailmind/api").unwrap;
let login: Login;
let client: Client;
const reply = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const user = { id: "1", email: "ann@test.local" };

beforeEach(async () => {
  vi.resetModules();
  localStorage.clear();
  login = await import("~/api/login");
  client = await import("~/api/client");
  // The same copy of the error class as the client's.
  ({ unwrap } = await import("@trailmind/api"));
});
afterEach(() => void vi.unstubAllGlobals());

describe("a request", () => {
  it("renews the token once for concurrent requests that get a 401", async () => {
    login.acceptLogin({ user, token: "old", expires_in: 900 });
    let renewals = 0;
    vi.stubGlobal("fetch", async (input: Request | string, init?: RequestInit) => {
      const url = typeof input === "string" ? input : input.url;
      if (url.endsWith("/refresh")) {
        renewals += 1;
        expect(new Headers(init?.headers).get("x-trailmind-client")).toBe("web");
        return reply(200, { token: "new", expires_in: 900 });
      }
      const bearer = (input as Request).headers.get("authorization");
      return bearer === "Bearer new"
        ? reply(200, { ok: true })
        : reply(401, { error: { message: "expired", code: "UNAUTHORIZED" } });
    });
    const answers = await Promise.all([
      unwrap(client.api.GET("/v1/usage")),
      unwrap(client.api.GET("/v1/subscription")),
      unwrap(client.api.GET("/v1/auth/me")),
    ]);
    expect(answers).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    expect(renewals).toBe(1);
  });

  it("signs out as expired when the login has ended", async () => {
    login.acceptLogin({ user, token: "old", expires_in: 900 });
    vi.stubGlobal("fetch", async () => reply(401, { error: { message: "over", code: "UNAUTHORIZED" } }));
    await expect(unwrap(client.api.GET("/v1/usage"))).rejects.toMatchObject({ kind: "signed_out" });
    expect(login.currentLogin()).toEqual({ state: "out", expired: true });
  });

  it("reports the end of a login once, however many requests are refused", async () => {
    login.acceptLogin({ user, token: "old", expires_in: 900 });
    let changes = 0;
    login.onLogin(() => {
      changes += 1;
    });
    vi.stubGlobal("fetch", async (input: Request | string) => {
      // The requests are refused one after another, each after the page has reacted to the one before it.
      if (typeof input !== "string" && input.url.endsWith("/me")) await new Promise((done) => setTimeout(done, 20));
      return reply(401, { error: { message: "over", code: "UNAUTHORIZED" } });
    });
    const requests = [unwrap(client.api.GET("/v1/usage")), unwrap(client.api.GET("/v1/auth/me"))];
    expect((await Promise.allSettled(requests)).map((r) => r.status)).toEqual(["rejected", "rejected"]);
    expect(changes).toBe(1);
  });

  it("stays signed in when the server is unavailable", async () => {
    login.acceptLogin({ user, token: "old", expires_in: 900 });
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    await expect(unwrap(client.api.GET("/v1/usage"))).rejects.toMatchObject({ kind: "offline" });
    expect(login.currentLogin().state).toBe("in");
  });

  it.each([
    [402, "payment"],
    [403, "forbidden"],
    [404, "missing"],
    [429, "too_many"],
    [500, "server"],
    [503, "unavailable"],
  ])("maps %d to the error kind %s", async (status, kind) => {
    vi.stubGlobal("fetch", async () =>
      reply(status, { error: { message: "m", code: "C" } }, { "retry-after": "7", "x-request-id": "r1" }),
    );
    await expect(unwrap(client.api.GET("/v1/usage"))).rejects.toMatchObject({
      kind,
      status,
      retryAfterS: 7,
      requestId: "r1",
      message: "m",
    });
  });
});

it("stores no token in localStorage or sessionStorage", () => {
  login.acceptLogin({ user, token: "secret-token", refresh_token: "secret-refresh", expires_in: 900 });
  expect(JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })).not.toContain("secret");
});

it("sends no request on a first visit", async () => {
  const fetch = vi.fn();
  vi.stubGlobal("fetch", fetch);
  await login.restoreLogin();
  expect(login.currentLogin()).toEqual({ state: "out", expired: false });
  expect(fetch).not.toHaveBeenCalled();
});
