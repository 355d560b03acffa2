import { beforeEach, expect, test, vi } from "vitest";
import type { Browser } from "wxt/browser";
import { fakeBrowser } from "wxt/testing/fake-browser";

import type { Recorder } from "../recording/recorder";
import { changeSettings } from "../settings";
import type { App } from "./app";
import { createMenus, highlightSelection, menuClicked } from "./menus";

const receive = vi.fn();
const run = vi.fn();
const app = { runCommand: run, recorder: { receive } as unknown as Recorder } as unknown as App;
const tab = { id: 7, windowId: 1, url: "https://example.com/a", incognito: false } as Browser.tabs.Tab;
const clicked = (fields: object) => menuClicked(app, fields as Browser.contextMenus.OnClickData, tab);

beforeEach(() => vi.clearAllMocks());

test("the menu is in the chosen language and is replaced when created again", async () => {
  const menus = { removeAll: vi.fn(async () => undefined), create: vi.fn() };
  Object.assign(fakeBrowser, { contextMenus: menus });
  await changeSettings({ language: "ko" });
  await createMenus();
  expect(menus.removeAll).toHaveBeenCalledOnce();
  expect(menus.create.mock.calls.map(([{ id }]) => id)).toEqual(["highlight", "exclude"]);
  expect(menus.create.mock.calls[0]?.[0].title).toMatch(/[가-힣]/);
});

test('"never record this site" excludes the site that was clicked on', async () => {
  await clicked({ menuItemId: "exclude", pageUrl: "https://news.example.org/a?b" });
  expect(run).toHaveBeenCalledWith("exclude", { host: "news.example.org" });
});

test("a selection is read from its frame", async () => {
  const passage = { kind: "highlight", highlightId: "h", text: "words" };
  const sent = vi.spyOn(fakeBrowser.tabs, "sendMessage").mockResolvedValue(passage as never);
  await clicked({ menuItemId: "highlight", frameId: 3, selectionText: "words" });
  expect(sent).toHaveBeenCalledWith(7, { kind: "highlight-selection", via: "menu" }, { frameId: 3 });
  expect(receive).toHaveBeenCalledWith(passage, expect.objectContaining({ tabId: 7, isTopFrame: false }));
});

test("the selection that Chrome reports is used where no script can read it", async () => {
  vi.spyOn(fakeBrowser.tabs, "sendMessage").mockRejectedValue(new Error("no receiver"));
  await clicked({ menuItemId: "highlight", frameId: 0, selectionText: "  words of\n a PDF " });
  expect(receive).toHaveBeenCalledWith(
    expect.objectContaining({ kind: "highlight", text: "words of a PDF", visitId: null, url: tab.url, via: "menu" }),
    expect.objectContaining({ tabId: 7, isTopFrame: true }),
  );
});

test("without a selection the shortcut does nothing", async () => {
  vi.spyOn(fakeBrowser.tabs, "sendMessage").mockResolvedValue(null as never);
  await highlightSelection(app, tab, "command", 0);
  expect(receive).not.toHaveBeenCalled();
});
