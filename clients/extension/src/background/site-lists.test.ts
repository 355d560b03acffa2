import { beforeEach, expect, test } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { changeSettings, readSettings } from "../settings";
import { mergedSites, type SiteLists, syncSites } from "./site-lists";

const lists = (excluded: string, allowed = ""): SiteLists => ({
  excluded: excluded.split(" ").filter(Boolean),
  allowed: allowed.split(" ").filter(Boolean),
});

test.each([
  ["a first sign-in unites both", null, lists("a b", "x"), lists("b c", "y"), lists("a b c", "x y")],
  ["what was added here is added there", lists("a"), lists("a b"), lists("a"), lists("a b")],
  ["what was added there is added here", lists("a"), lists("a"), lists("a c"), lists("a c")],
  ["what was removed here is removed there", lists("a b"), lists("a"), lists("a b c"), lists("a c")],
  ["what was removed there is removed here", lists("a b"), lists("a b"), lists("b"), lists("b")],
  ["excluded by one and allowed by the other: excluded", lists(""), lists("a"), lists("", "a"), lists("a")],
  ["moved from one list to the other", lists("a"), lists("", "a"), lists("a"), lists("", "a")],
])("%s", (_, base, ours, theirs, merged) => {
  expect(mergedSites(base, ours, theirs)).toEqual(merged);
});

class FakeAccount {
  saved: { excluded: string[]; allowed: string[] };
  isReachable = true;
  saves = 0;

  constructor(first: SiteLists) {
    this.saved = { excluded: [...first.excluded], allowed: [...first.allowed] };
  }

  get deps(): Parameters<typeof syncSites>[0] {
    const account = {
      user: async () => ({ user: { id: "u1" }, origin: "https://server.example" }),
      withToken: <T>(call: (bearer: string) => Promise<T>) => call("token"),
    };
    const api = {
      siteLists: async () => {
        if (!this.isReachable) throw new Error("unreachable");
        return this.saved;
      },
      saveSiteLists: async (_origin: string, _bearer: string, next: SiteLists) => {
        this.saves += 1;
        this.saved = { excluded: [...next.excluded], allowed: [...next.allowed] };
        return this.saved;
      },
    };
    return { account, api, settings: readSettings } as unknown as Parameters<typeof syncSites>[0];
  }
}

beforeEach(() => {
  fakeBrowser.reset();
});

test("both sides have one list, also after changes on either side", async () => {
  await changeSettings({ excludedHosts: ["here.example"], allowedHosts: [] });
  const account = new FakeAccount(lists("there.example", "wiki"));
  await syncSites(account.deps);
  expect(account.saved).toEqual({ excluded: ["here.example", "there.example"], allowed: ["wiki"] });
  expect(await readSettings()).toMatchObject({
    excludedHosts: ["here.example", "there.example"],
    allowedHosts: ["wiki"],
  });

  account.saved = { excluded: ["here.example"], allowed: ["wiki"] };
  await changeSettings({ allowedHosts: ["docs.bank.example", "wiki"] });
  await syncSites(account.deps);
  expect(account.saved).toEqual({ excluded: ["here.example"], allowed: ["docs.bank.example", "wiki"] });
  expect((await readSettings()).excludedHosts).toEqual(["here.example"]);

  const saves = account.saves;
  await syncSites(account.deps);
  expect(account.saves).toBe(saves);
});

test("without a server the lists of this device stay", async () => {
  await changeSettings({ excludedHosts: ["here.example"] });
  const account = new FakeAccount(lists(""));
  account.isReachable = false;
  await syncSites(account.deps);
  expect((await readSettings()).excludedHosts).toEqual(["here.example"]);
});

test("another user's lists do not go into this account", async () => {
  await changeSettings({
    excludedHosts: ["new.example", "theirs.example"],
    syncedSites: { userId: "other", excluded: ["theirs.example"], allowed: [] },
  });
  const account = new FakeAccount(lists("mine.example"));
  await syncSites(account.deps);
  expect(account.saved.excluded).toEqual(["mine.example", "new.example"]);
  expect((await readSettings()).excludedHosts).toEqual(["mine.example", "new.example"]);
});
