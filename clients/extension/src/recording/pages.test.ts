import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { browserPages } from "./pages";

const scripting = {
  getRegisteredContentScripts: vi.fn(),
  registerContentScripts: vi.fn(),
  unregisterContentScripts: vi.fn(),
  executeScript: vi.fn(),
};

beforeEach(() => {
  Object.assign(fakeBrowser, { scripting });
  scripting.getRegisteredContentScripts.mockResolvedValue([]);
  scripting.registerContentScripts.mockResolvedValue(undefined);
  scripting.unregisterContentScripts.mockResolvedValue(undefined);
  scripting.executeScript.mockResolvedValue([]);
  const tabs = [
    { id: 1, windowId: 1, url: "https://a.com/", incognito: false },
    { id: 2, windowId: 1, url: "https://b.com/", incognito: false },
    { id: 3, windowId: 1, url: "https://c.com/", incognito: false, discarded: true },
  ];
  vi.spyOn(fakeBrowser.tabs, "query").mockResolvedValue(tabs as never);
});

test("registers the script once, and injects it into the open tabs in scope", async () => {
  await browserPages.install((tab) => tab.id !== 2);
  expect(scripting.registerContentScripts).toHaveBeenCalledWith([
    expect.objectContaining({ runAt: "document_start", allFrames: true, persistAcrossSessions: false }),
  ]);
  expect(scripting.executeScript.mock.calls.map(([{ target }]) => target.tabId)).toEqual([1]);
  scripting.getRegisteredContentScripts.mockResolvedValue([{ id: "recorder" }]);
  await browserPages.install(() => false);
  expect(scripting.registerContentScripts).toHaveBeenCalledTimes(1);
});

test("a tab that rejects scripts does not make the start fail", async () => {
  scripting.executeScript.mockRejectedValue(new Error("The extensions gallery cannot be scripted."));
  await expect(browserPages.install(() => true)).resolves.toBeUndefined();
});

test("returns the final events of the pages that respond in time", async () => {
  vi.useFakeTimers();
  const leave = { kind: "leave", visitId: "v" };
  vi.spyOn(fakeBrowser.tabs, "sendMessage").mockImplementation((async (id: number) => {
    if (id === 1) return leave;
    if (id === 2) return new Promise(() => undefined);
    throw new Error("no receiver");
  }) as never);
  const finished = browserPages.finish();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await finished).toEqual([{ tabId: 1, message: leave }]);
  vi.useRealTimers();
});

test("reads one document, null if it cannot be read", async () => {
  scripting.executeScript.mockResolvedValue([{ result: { text: "x" } }]);
  expect(await browserPages.extract(1, "doc")).toEqual({ text: "x" });
  expect(scripting.executeScript).toHaveBeenCalledWith({
    target: { tabId: 1, documentIds: ["doc"] },
    files: ["/extract.js"],
  });
  scripting.executeScript.mockRejectedValue(new Error("gone"));
  expect(await browserPages.extract(1, null)).toBeNull();
});
