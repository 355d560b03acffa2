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

test("renews before the end of the token", async () => {
  b.clock.advance(900_000 - 30_000);
  await whoAmI();
  expect(b.server.calls[0]).toBe("POST /auth/refresh");
});

test("many callers share one renewal: a refresh token works once", async () => {
  b.server.access = "changed";
  await Promise.all([whoAmI(), whoAmI(), whoAmI(), whoAmI()]);
  expect(b.server.renewals).toBe(1);
});

test("a refused renewal ends the login but not the memory of who it was", async () => {
  b.server.access = "changed";
  b.server.refresh = "changed";
  await expect(whoAmI()).rejects.toBeInstanceOf(SignedOutError);
  expect(await b.account.user()).toMatchObject({ user: { email: "a@example.com" }, isExpired: true });
  b.server.calls.length = 0;
  await expect(whoAmI()).rejects.toBeInstanceOf(SignedOutError);
  expect(b.server.calls).toEqual([]);
});

test("a renewal that got no answer ends nothing", async () => {
  b.server.access = "changed";
  b.server.fault = (call) => (call.endsWith("/refresh") ? "cut" : undefined);
  await expect(whoAmI()).rejects.toBeInstanceOf(UnreachableError);
  b.server.fault = () => undefined;
  await whoAmI();
  expect(await b.account.user()).toMatchObject({ isExpired: false });
});

test("a renewal whose answer was lost is repeated as the same try, by the next worker too", async () => {
  b.server.access = "changed";
  b.server.fault = (call) => (call.endsWith("/refresh") ? "lose" : undefined);
  await expect(whoAmI()).rejects.toBeInstanceOf(UnreachableError);
  b.server.fault = () => undefined;
  b.account = new Account(b.store, b.api, b.clock.now);
  await whoAmI();
  expect(b.server.renewals).toBe(1);
  // The next renewal is a new try.
  b.clock.advance(900_000);
  await whoAmI();
  expect(b.server.renewals).toBe(2);
});

test("other refusals are not a matter of tokens", async () => {
  b.server.fault = () => 403;
  await expect(whoAmI()).rejects.toBeInstanceOf(ApiError);
  expect(b.server.renewals).toBe(0);
});

test("signing out forgets the tokens even without a network", async () => {
  b.server.fault = () => "cut";
  await b.account.signOut();
  expect(await b.account.user()).toBeNull();
  await expect(whoAmI()).rejects.toBeInstanceOf(SignedOutError);
});
