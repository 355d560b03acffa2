import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import {
  changeSettings,
  DEFAULT_SETTINGS,
  findOrigin,
  parseOrigin,
  readSettings,
  watchSettings,
  webOrigin,
} from "./settings";

test("the defaults allow no recording", async () => {
  expect(await readSettings()).toEqual(DEFAULT_SETTINGS);
  expect(DEFAULT_SETTINGS).toMatchObject({ consentedAt: null, allowsIncognito: false, scope: "all" });
});

test("an invalid value is replaced by its default, the others stay", async () => {
  await fakeBrowser.storage.local.set({ settings: { scope: "galaxy", excludedHosts: ["a.com"], consentedAt: "yes" } });
  expect(await readSettings()).toMatchObject({ scope: "all", excludedHosts: ["a.com"], consentedAt: null });
});

test("a change calls every watcher", async () => {
  const seen = vi.fn();
  const end = watchSettings(seen);
  await changeSettings({ scope: "tab" });
  expect(seen).toHaveBeenCalledWith(expect.objectContaining({ scope: "tab" }));
  end();
});

test.each([
  ["https://maps.example.com/", "https://maps.example.com"],
  ["maps.example.com", "https://maps.example.com"],
  ["http://127.0.0.1:9000/v1", "http://127.0.0.1:9000"],
  ["http://localhost:9000", "http://localhost:9000"],
  ["http://maps.example.com", null],
  ["http://trailmind.local:9000", "http://trailmind.local:9000"],
  ["http://192.168.0.7:9000", "http://192.168.0.7:9000"],
  ["http://8.8.8.8:9000", null],
  ["ftp://maps.example.com", null],
  ["not an address", null],
])("parseOrigin: %s", (typed, origin) => {
  expect(parseOrigin(typed)).toBe(origin);
});

test.each([
  ["nas.local:9000", true, "https://nas.local:9000"],
  ["nas.local:9000", false, "http://nas.local:9000"],
  ["127.0.0.1:9000/v1", false, "http://127.0.0.1:9000"],
  ["https://nas.local:9000", false, "https://nas.local:9000"],
  ["maps.example.com", false, "https://maps.example.com"],
  ["not an address", false, null],
])("findOrigin: %s, where https answers: %s", async (typed, answers, origin) => {
  const asked = vi.fn(async () => (answers ? new Response() : Promise.reject(new TypeError("Failed to fetch"))));
  vi.stubGlobal("fetch", asked);
  expect(await findOrigin(typed)).toBe(origin);
  vi.unstubAllGlobals();
});

test("the dashboard's origin is the server's unless it is set", () => {
  expect(webOrigin({ serverUrl: "https://a.com", webUrl: "" })).toBe("https://a.com");
  expect(webOrigin({ serverUrl: "https://a.com", webUrl: "https://b.com" })).toBe("https://b.com");
});
