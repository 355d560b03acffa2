import { browser } from "wxt/browser";

export interface ActiveTab {
  id: number;
  windowId: number;
  url: string;
  isIncognito: boolean;
}

/** The active tab of the popup's window, null if it has no id. */
export async function activeTab(): Promise<ActiveTab | null> {
  const [tab] = await browser.tabs.query({ active: true, currentWindow: true });
  if (tab?.id === undefined) return null;
  return { id: tab.id, windowId: tab.windowId, url: tab.url ?? "", isIncognito: tab.incognito };
}
