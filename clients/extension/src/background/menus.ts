/** The context menu: highlight the selection, or exclude a site. */

import { uuid } from "@trailmind/api";
import { type Browser, browser } from "wxt/browser";
import { collapseWhitespace } from "../capture/anchor";
import { truncate } from "../capture/plain-text";
import { messagesFor } from "../i18n/messages";
import type { PageMessage } from "../protocol";
import { readSettings } from "../settings";
import type { App } from "./app";

export async function createMenus(): Promise<void> {
  const messages = messagesFor((await readSettings()).language).menu;
  await browser.contextMenus.removeAll();
  browser.contextMenus.create({ id: "highlight", title: messages.highlight, contexts: ["selection"] });
  browser.contextMenus.create({
    id: "exclude",
    title: messages.exclude,
    contexts: ["page", "action"],
    documentUrlPatterns: ["http://*/*", "https://*/*"],
  });
}

export async function menuClicked(
  app: App,
  info: Browser.contextMenus.OnClickData,
  tab: Browser.tabs.Tab | undefined,
): Promise<void> {
  if (!tab?.id) return;
  if (info.menuItemId === "exclude") {
    const address = info.pageUrl ?? tab.url;
    if (address) await app.runCommand("exclude", { host: new URL(address).hostname });
  } else if (info.menuItemId === "highlight") {
    await highlightSelection(app, tab, "menu", info.frameId ?? 0, info.selectionText);
  }
}

/** `fallback` is the selection as Chrome reports it, for viewers (PDF) whose selection no script can read. */
export async function highlightSelection(
  app: App,
  tab: Browser.tabs.Tab,
  via: "menu" | "command",
  frameId: number,
  fallback?: string,
): Promise<void> {
  const tabId = tab.id as number;
  const url = tab.url ?? "";
  const response: unknown = await browser.tabs
    .sendMessage(tabId, { kind: "highlight-selection", via }, { frameId })
    .catch(() => null);
  let message = response as PageMessage | null;
  const text = truncate(collapseWhitespace(fallback ?? ""), 1_000);
  if (!message && text) {
    const highlightId = uuid();
    message = {
      kind: "highlight",
      highlightId,
      visitId: null,
      url,
      at: Date.now(),
      text,
      selector: "",
      anchor: null,
      via,
    };
  }
  if (message?.kind !== "highlight") return;
  await app.recorder.receive(message, {
    tabId,
    windowId: tab.windowId,
    documentId: "",
    isTopFrame: frameId === 0,
    url,
    isIncognito: tab.incognito,
  });
}
