// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { Account } from "../account/account";
import { TrailmindApi } from "../api/trailmind";
import background from "../entrypoints/background";
import { QueueStore } from "../queue/store";
import { changeSettings } from "../settings";

type Listener = (...args: unknown[]) => unknown;

/** Chrome's event, as far as it goes: who listens, and telling them. */
class Event {
  readonly listeners: Listener[] = [];
  addListener = (listener: Listener) => void this.listeners.push(listener);
  dispatch = (...args: unknown[]) => this.listeners.map((listener) => listener(...args));
}

const NAMES = [
  "runtime.onMessage",
  "runtime.onMessageExternal",
  "runtime.onConnect",
  "runtime.onInstalled",
  "runtime.onStartup",
  "alarms.onAlarm",
  "permissions.onRemoved",
  "tabs.onCreated",
  "tabs.onReplaced",
  "tabs.onRemoved",
  "tabs.onUpdated",
  "tabs.onActivated",
  "windows.onFocusChanged",
  "idle.onStateChanged",
  "commands.onCommand",
  "contextMenus.onClicked",
] as const;
let events: Record<string, Event>;
const created = vi.fn();
const sent = vi.fn(async () => undefined);
const tab = { id: 7, windowId: 1, url: "https://example.com/a", incognito: false, active: true };

beforeEach(async () => {
  events = Object.fromEntries(NAMES.map((name) => [name, new Event()]));
  for (const name of NAMES) {
    const [area, event] = name.split(".") as [string, string];
    const api = (fakeBrowser as unknown as Record<string, Record<string, unknown>>)[area] ?? {};
    Object.assign(fakeBrowser, { [area]: Object.assign(api, { [event]: events[name] }) });
  }
  Object.assign(fakeBrowser.runtime, { id: "ext" });
  Object.assign(fakeBrowser.tabs, { create: created, query: async () => [tab], sendMessage: sent });
  Object.assign(fakeBrowser.permissions, { contains: async () => true });
  Object.assign(fakeBrowser.idle, { setDetectionInterval: vi.fn() });
  Object.assign(fakeBrowser.contextMenus, { removeAll: async () => undefined, create: vi.fn() });
  Object.assign(fakeBrowser, {
    action: { setBadgeText: vi.fn(), setBadgeBackgroundColor: vi.fn(), setTitle: vi.fn() },
    scripting: {
      getRegisteredContentScripts: async () => [],
      registerContentScripts: async () => undefined,
      unregisterContentScripts: async () => undefined,
      executeScript: async () => [],
    },
  });
  Object.assign(fakeBrowser.i18n, { getUILanguage: () => "en" });
  vi.clearAllMocks();
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
});

const eventNamed = (name: (typeof NAMES)[number]) => events[name] as Event;
const status = async () => (await new QueueStore().recordings())[0]?.status;

test("every listener is registered synchronously", () => {
  background.main();
  expect(NAMES.filter((name) => eventNamed(name).listeners.length !== 1)).toEqual([]);
});

test("the first-run page opens once, after the installation", async () => {
  background.main();
  eventNamed("runtime.onInstalled").dispatch({ reason: "install" });
  await vi.waitFor(() => expect(created).toHaveBeenCalledWith({ url: "/welcome.html" }));
  created.mockClear();
  eventNamed("runtime.onInstalled").dispatch({ reason: "update" });
  await changeSettings({ consentedAt: 1 });
  eventNamed("runtime.onInstalled").dispatch({ reason: "install" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(created).not.toHaveBeenCalled();
});

test("the keyboard shortcuts start, pause, resume and stop", async () => {
  await changeSettings({ consentedAt: 1, language: "en" });
  const user = { id: "u1", email: "a@example.com" };
  await new Account(new QueueStore(), new TrailmindApi()).storeSignIn("http://server.test", { user, token: "t" });
  background.main();
  const press = (name: string) => eventNamed("commands.onCommand").dispatch(name, tab);
  for (const [key, becomes] of [
    ["toggle-recording", "recording"],
    ["toggle-pause", "paused"],
    ["toggle-pause", "recording"],
    ["toggle-recording", "stopping"],
  ] as const) {
    press(key);
    await vi.waitFor(async () => expect(await status()).toBe(becomes));
  }
});

test("the active tab receives idle and audible changes", async () => {
  background.main();
  eventNamed("idle.onStateChanged").dispatch("idle");
  await vi.waitFor(() => expect(sent).toHaveBeenCalledWith(7, { kind: "presence", isIdle: true }));
  eventNamed("tabs.onUpdated").dispatch(7, { audible: true });
  expect(sent).toHaveBeenCalledWith(7, { kind: "presence", isAudible: true });
});
