import { beforeEach, expect, test, vi } from "vitest";
import type { Browser } from "wxt/browser";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { QueueStore } from "../queue/store";
import { viewItem } from "../recording/view";
import { changeSettings } from "../settings";
import { makeRecording } from "../testing/fixtures";
import { App } from "./app";

const ID = "our-extension";
const badge = { setBadgeText: vi.fn(), setBadgeBackgroundColor: vi.fn(), setTitle: vi.fn() };
const scripting = {
  getRegisteredContentScripts: async () => [],
  registerContentScripts: async () => undefined,
  unregisterContentScripts: async () => undefined,
  executeScript: async () => [],
};

beforeEach(async () => {
  Object.assign(fakeBrowser, { action: badge, scripting });
  Object.assign(fakeBrowser.runtime, { id: ID });
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  await changeSettings({ consentedAt: 1, language: "en" });
});

const from = (fields: object): Browser.runtime.MessageSender =>
  ({
    id: ID,
    origin: "https://example.com",
    url: "https://example.com/a",
    frameId: 0,
    documentId: "d1",
    tab: { id: 7, windowId: 1, incognito: false },
    ...fields,
  }) as Browser.runtime.MessageSender;
const VISIT = "00000000-0000-4000-8000-000000000001";
const visit = {
  kind: "visit",
  visitId: VISIT,
  at: Date.now(),
  activeMs: 0,
  maxScroll: 0,
  isActive: true,
  url: "https://example.com/a",
  via: "load",
};

async function recordingApp(): Promise<App> {
  await fakeBrowser.storage.session.set({ "session:booted": true });
  await new QueueStore().addRecording(makeRecording("r1", Date.now()));
  const app = new App();
  await app.ready;
  return app;
}

test("a page can send page messages only", async () => {
  const app = await recordingApp();
  expect(await app.onMessage(visit, from({}))).toEqual({ ok: true, records: true });
  expect(app.onMessage({ kind: "visit", visitId: "no uuid" }, from({}))).toBeUndefined();
  expect(app.onMessage({ command: "signOut", args: {} }, from({}))).toBeUndefined();
  expect(app.onMessage(visit, from({ id: "another-extension" }))).toBeUndefined();
  expect(await app.store.waiting("r1")).toHaveLength(1);
});

test("extension pages send commands and receive errors", async () => {
  const app = await recordingApp();
  const own = from({ origin: `chrome-extension://${ID}` });
  expect(await app.onMessage({ command: "pause", args: {} }, own)).toEqual({ ok: true, value: null });
  expect((await app.store.recording("r1"))?.status).toBe("paused");
  expect(await app.onMessage({ command: "nonsense" }, own)).toMatchObject({ ok: false, code: "unknown_command" });
  expect(await app.onMessage({ command: "recent", args: {} }, own)).toMatchObject({ ok: false, code: "signed_out" });
});

test("the outbox is drained at the start: visits first, then final events", async () => {
  const numbers = { visitId: VISIT, at: Date.now(), activeMs: 900, maxScroll: 0, isActive: false };
  await fakeBrowser.storage.local.set({
    [`outbox:leave:${VISIT}`]: { kind: "leave", ...numbers, title: "T", hasPasswordField: false },
    [`outbox:visit:${VISIT}`]: visit,
    "outbox:broken": { kind: "what" },
  });
  const app = await recordingApp();
  expect((await app.store.waiting("r1")).map(({ body }) => body.type)).toEqual(["page_visit", "page_leave"]);
  expect(Object.keys(await fakeBrowser.storage.local.get(null)).filter((key) => key.startsWith("outbox:"))).toEqual([]);
});

test("a browser restart interrupts the recording, a worker restart does not", async () => {
  await new QueueStore().addRecording(makeRecording("r1", Date.now()));
  const first = new App();
  await first.ready;
  expect((await first.store.recording("r1"))?.status).toBe("interrupted");
  await first.recorder.continueInterrupted("r1", { kind: "all" });
  const second = new App();
  await second.ready;
  expect((await second.store.recording("r1"))?.status).toBe("recording");
});

test("the published view is shown by the badge", async () => {
  const app = await recordingApp();
  await app.onMessage(visit, from({}));
  await app.publish();
  expect(await viewItem.getValue()).toMatchObject({
    current: { id: "r1", pages: 1, receipt: { seen: 1, waiting: 1 } },
  });
  expect(badge.setBadgeText).toHaveBeenLastCalledWith({ text: "1" });
  expect((await fakeBrowser.alarms.getAll()).map(({ name }) => name)).toContain("beat");
  await app.recorder.stop();
  await app.publish();
  expect((await fakeBrowser.alarms.getAll()).map(({ name }) => name)).not.toContain("beat");
});

test("after a failed boot, the next one still detects the browser restart", async () => {
  await new QueueStore().addRecording(makeRecording("r1", Date.now()));
  const broken = vi.spyOn(QueueStore.prototype, "recordings").mockRejectedValueOnce(new Error("the disk is busy"));
  const app = new App();
  await expect(app.ready).rejects.toThrow("busy");
  // The same worker tries again, as the next one would.
  await app.ready;
  expect((await app.store.recording("r1"))?.status).toBe("interrupted");
  broken.mockRestore();
});

test("messages in the outbox from before a browser restart belong to the recording", async () => {
  await new QueueStore().addRecording(makeRecording("r1", Date.now()));
  const numbers = { visitId: VISIT, at: Date.now(), activeMs: 900, maxScroll: 0, isActive: false };
  await fakeBrowser.storage.local.set({
    [`outbox:visit:${VISIT}`]: visit,
    [`outbox:leave:${VISIT}`]: { kind: "leave", ...numbers, title: "T", hasPasswordField: false },
  });
  const app = new App();
  await app.ready;
  expect((await app.store.recording("r1"))?.status).toBe("interrupted");
  expect((await app.store.waiting("r1")).map(({ body }) => body.type)).toEqual(["page_visit", "page_leave"]);
});

test("a storage error in the sender schedules a retry", async () => {
  const app = await recordingApp();
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(app.sender, "flush").mockRejectedValueOnce(new Error("the disk is busy"));
  await app.send(false);
  expect((await fakeBrowser.alarms.getAll()).map(({ name }) => name)).toContain("send");
});

test("a revoked permission pauses the recording", async () => {
  const app = await recordingApp();
  const contains = vi.fn().mockResolvedValue(true);
  Object.assign(fakeBrowser, { permissions: { contains } });
  await app.onPermissionRemoved();
  expect((await app.store.recording("r1"))?.status).toBe("recording");
  contains.mockResolvedValue(false);
  await app.onPermissionRemoved();
  expect((await app.store.recording("r1"))?.status).toBe("paused");
  const own = from({ origin: `chrome-extension://${ID}` });
  expect(await app.onMessage({ command: "resume", args: {} }, own)).toMatchObject({ ok: false, code: "no_permission" });
});
