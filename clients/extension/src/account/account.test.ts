import { ApiError } from "@trailmind/api";
import { beforeEach, expect, test } from "vitest";

import { SignedOutError, UnreachableError } from "../api/errors";
import { createFixture } from "../testing/fixtures";
import { Account } from "./account";

let b: Awaited<ReturnType<typeof createFixture>>;
beforeEach(async () => {
  b = await createFixture();
});

const whoAmI = () =>
  b.account.withToken((bearer) => b.api.start("http://server.test", bearer, { client_session_id: "c" }));

test("renews the token before it expires", async () => {
  b.clock.advance(900_000 - 30_000);
  await whoAmI();
  expect(b.server.calls[0]).toBe("POST /auth/refresh");
});

test("concurrent callers share one renewal, because a refresh token works once", async () => {
  b.server.access = "changed";
  await Promise.all([whoAmI(), whoAmI(), whoAmI(), whoAmI()]);
  expect(b.server.renewals).toBe(1);
});

test("a rejected renewal ends the login, and the user stays known", async () => {
  b.server.access = "changed";
  b.server.refresh = "changed";
  await expect(whoAmI()).rejects.toBeInstanceOf(SignedOutError);
  expect(await b.account.user()).toMatchObject({ user: { email: "a@example.com" }, isExpired: true });
  b.server.calls.length = 0;
  await expect(whoAmI()).rejects.toBeInstanceOf(SignedOutError);
  expect(b.server.calls).toEqual([]);
});

test("a renewal without a response keeps the login", async () => {
  b.server.access = "changed";
  b.server.fault = (call) => (call.endsWith("/refresh") ? "disconnect" : undefined);
  await expect(whoAmI()).rejects.toBeInstanceOf(UnreachableError);
  b.server.fault = () => undefined;
  await whoAmI();
  expect(await b.account.user()).toMatchObject({ isExpired: false });
});

test("a renewal whose response was lost is repeated with the same key, also by the next worker", async () => {
  b.server.access = "changed";
  b.server.fault = (call) => (call.endsWith("/refresh") ? "lose-response" : undefined);
  await expect(whoAmI()).rejects.toBeInstanceOf(UnreachableError);
  b.server.fault = () => undefined;
  b.account = new Account(b.store, b.api, b.clock.now);
  await whoAmI();
  expect(b.server.renewals).toBe(1);
  // The next renewal has a new key.
  b.clock.advance(900_000);
  await whoAmI();
  expect(b.server.renewals).toBe(2);
});

test("other errors do not renew the token", async () => {
  b.server.fault = () => 403;
  await expect(whoAmI()).rejects.toBeInstanceOf(ApiError);
  expect(b.server.renewals).toBe(0);
});

test("signing out deletes the tokens, also without a network", async () => {
  b.server.fault = () => "disconnect";
  await b.account.signOut();
  expect(await b.account.user()).toBeNull();
  await expect(whoAmI()).rejects.toBeInstanceOf(SignedOutError);
});
