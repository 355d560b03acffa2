import { beforeEach, describe, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { createFixture } from "../testing/fixtures";
import { ORIGIN } from "../testing/memory-server";
import { challengeOf, randomSecret } from "./pkce";
import { linkUrl, onDashboardMessage, withGoogle, withPassword } from "./sign-in";

let b: Awaited<ReturnType<typeof createFixture>>;
beforeEach(async () => {
  b = await createFixture();
  await b.account.signOut();
  b.server.calls.length = 0;
});

const WEB = "http://web.test";
const context = () => ({ api: b.api, account: b.account, origin: ORIGIN, webOrigin: WEB, now: b.clock.time });

test("PKCE: the vector of RFC 7636, appendix B", async () => {
  expect(await challengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe(
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  );
  expect(randomSecret()).toMatch(/^[\w-]{43}$/);
  expect(randomSecret()).not.toBe(randomSecret());
});

test("a sign-up that is answered by mail stores no login, and sends no empty password", async () => {
  b.server.sendsMail = true;
  const credentials = { email: "a@example.com", password: "", isNew: true };
  expect(await withPassword(b.api, b.account, ORIGIN, credentials)).toBe(false);
  expect(await b.account.user()).toBeNull();
  expect(b.server.signedUp).toEqual({ email: "a@example.com" });
});

test("a code for a pending challenge signs in", async () => {
  const hello = await onDashboardMessage({ type: "trailmind.hello" }, WEB, context());
  expect(hello).toMatchObject({ ok: true, code_challenge_method: "S256" });
  const { state } = hello as { state: string };
  expect(await onDashboardMessage({ type: "trailmind.link", code: "c", state }, WEB, context())).toEqual({ ok: true });
  expect(await b.account.user()).toMatchObject({ user: { email: "a@example.com" } });
  // The code and its state work once.
  expect(await onDashboardMessage({ type: "trailmind.link", code: "c", state }, WEB, context())).toMatchObject({
    ok: false,
  });
});

test("the link address carries the challenge, not the verifier", async () => {
  const url = new URL(await linkUrl(ORIGIN, WEB, "ext-id", b.clock.time));
  expect(url.pathname).toBe("/extension/link");
  expect([...url.searchParams.keys()]).toEqual(["extension_id", "state", "code_challenge", "code_challenge_method"]);
  const state = url.searchParams.get("state");
  expect(await onDashboardMessage({ type: "trailmind.link", code: "c", state }, WEB, context())).toEqual({ ok: true });
});

test.each([
  ["another origin", { type: "trailmind.hello" }, "http://evil.test", "unknown_origin"],
  ["no pending challenge", { type: "trailmind.link", code: "c", state: "s" }, WEB, "unknown_state"],
  ["another message", { type: "x" }, WEB, "unknown_message"],
  ["nothing", null, WEB, "unknown_message"],
])("%s is rejected", async (_, message, origin, error) => {
  expect(await onDashboardMessage(message, origin, context())).toEqual({ ok: false, error });
  expect(b.server.calls).toEqual([]);
});

test("a page whose challenge another page of the dashboard has replaced hears that the extension is signed in", async () => {
  const state = new URL(await linkUrl(ORIGIN, WEB, "ext-id", b.clock.time)).searchParams.get("state");
  const guide = (await onDashboardMessage({ type: "trailmind.hello" }, WEB, context())) as { state: string };
  const link = { type: "trailmind.link", code: "c" };
  expect(await onDashboardMessage({ ...link, state: guide.state }, WEB, context())).toEqual({ ok: true });
  expect(await onDashboardMessage({ ...link, state }, WEB, context())).toEqual({
    ok: false,
    error: "already_signed_in",
  });
});

test("a challenge expires after ten minutes", async () => {
  const { state } = (await onDashboardMessage({ type: "trailmind.hello" }, WEB, context())) as { state: string };
  b.clock.advance(11 * 60_000);
  expect(await onDashboardMessage({ type: "trailmind.link", code: "c", state }, WEB, context())).toMatchObject({
    ok: false,
  });
});

test("a signed-in user is not switched to another account", async () => {
  await b.account.storeSignIn(ORIGIN, await b.api.logIn(ORIGIN, "a@example.com", "x"));
  expect(await onDashboardMessage({ type: "trailmind.hello" }, WEB, context())).toEqual({
    ok: false,
    error: "already_signed_in",
  });
});

describe("Google", () => {
  const REDIRECT = "https://ext-id.chromiumapp.org/";
  const launchWebAuthFlow = vi.fn();
  const begin = vi.fn();
  beforeEach(() => {
    Object.assign(fakeBrowser, { identity: { getRedirectURL: () => REDIRECT, launchWebAuthFlow } });
    begin.mockResolvedValue({ authorization_url: "https://accounts.google.com/auth?x=1", state: "s1" });
    b.api.beginGoogle = begin;
    b.api.exchangeGoogleCode = vi.fn(async () => b.api.logIn(ORIGIN, "a@example.com", "x"));
  });
  const signIn = () => withGoogle(b.api, b.account, ORIGIN);

  test("the code is redeemed with the verifier if the state matches", async () => {
    launchWebAuthFlow.mockResolvedValue(`${REDIRECT}?code=c1&state=s1`);
    await signIn();
    expect(launchWebAuthFlow).toHaveBeenCalledWith({ url: "https://accounts.google.com/auth?x=1", interactive: true });
    const [, authorization] = begin.mock.calls[0] as [string, { code_challenge: string; redirect_uri: string }];
    const [, proof] = vi.mocked(b.api.exchangeGoogleCode).mock.calls[0] as [
      string,
      { code: string; code_verifier: string; state: string },
    ];
    expect(proof).toMatchObject({ code: "c1", redirect_uri: REDIRECT, state: "s1" });
    expect(await challengeOf(proof.code_verifier)).toBe(authorization.code_challenge);
    expect(await b.account.user()).toMatchObject({ user: { email: "a@example.com" } });
  });

  test("a closed window does not sign in", async () => {
    launchWebAuthFlow.mockRejectedValue(new Error("The user did not approve access."));
    await expect(signIn()).rejects.toMatchObject({ code: "google_refused" });
  });

  test.each([
    ["another state", `${REDIRECT}?code=c1&state=forged`],
    ["no code", `${REDIRECT}?error=access_denied&state=s1`],
    ["nothing", undefined],
  ])("%s does not sign in", async (_, redirectedUrl) => {
    launchWebAuthFlow.mockResolvedValue(redirectedUrl);
    await expect(signIn()).rejects.toMatchObject({ code: "google_refused" });
    expect(await b.account.user()).toBeNull();
  });

  test("a provider without TLS is rejected, unless it is on this machine", async () => {
    begin.mockResolvedValueOnce({ authorization_url: "http://accounts.example/auth", state: "s1" });
    launchWebAuthFlow.mockClear();
    await expect(signIn()).rejects.toMatchObject({ code: "google_refused" });
    expect(launchWebAuthFlow).not.toHaveBeenCalled();
  });
});
