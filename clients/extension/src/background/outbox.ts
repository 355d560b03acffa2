/** The messages that pages wrote to `storage.local` because the worker did not respond. */

import * as v from "valibot";
import { browser } from "wxt/browser";
import { OUTBOX_PREFIX } from "../capture/messenger";
import { PageMessage } from "../protocol";
import type { Recorder } from "../recording/recorder";

/** Visits first: the other messages refer to them. */
const ORDER = ["visit", "settled", "snapshot", "highlight", "leave"];

/** Passes the messages of the outbox to the recorder. Safe to repeat: a message is removed after it was stored. */
export async function drainOutbox(recorder: Pick<Recorder, "receive">): Promise<void> {
  const stored = Object.entries(await browser.storage.local.get(null)).filter(([key]) => key.startsWith(OUTBOX_PREFIX));
  const entries = stored.map(([key, value]) => {
    const parsed = v.safeParse(PageMessage, value);
    return { key, message: parsed.success ? parsed.output : null };
  });
  entries.sort((a, b) => ORDER.indexOf(a.message?.kind ?? "") - ORDER.indexOf(b.message?.kind ?? ""));
  for (const { key, message } of entries) {
    if (message) {
      const source = { tabId: -1, windowId: -1, documentId: "", isTopFrame: true, isIncognito: false };
      await recorder.receive(message, { ...source, url: "url" in message ? message.url : "" });
    }
    await browser.storage.local.remove(key);
  }
}
