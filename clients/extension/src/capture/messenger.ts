/**
 * Brings what a page saw to the worker and does not let go until the worker wrote it down.
 *
 * The worker may be asleep, just killed, or busy; the page may be closing. A message that gets no answer is tried
 * again; one that must survive this page goes into `storage.local` as well, from where the worker collects it.
 */

import { browser } from "wxt/browser";

import type { PageMessage, PageResponse } from "../protocol";

export const OUTBOX_PREFIX = "outbox:";

export interface MessengerDeps {
  send: (message: PageMessage) => Promise<PageResponse | undefined>;
  save: (key: string, message: PageMessage) => Promise<void>;
  remove: (key: string) => Promise<void>;
  wait: (ms: number) => Promise<void>;
  isAlive: () => boolean;
}

const BROWSER_DEPS: MessengerDeps = {
  send: (message) => browser.runtime.sendMessage(message),
  // Nothing of a private window touches the disk from here.
  save: async (key, message) => {
    if (!browser.extension?.inIncognitoContext) await browser.storage.local.set({ [key]: message });
  },
  remove: (key) => browser.storage.local.remove(key),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  // After an update or removal of the extension this script is an orphan.
  isAlive: () => browser.runtime?.id !== undefined,
};

const RETRY_DELAYS_MS = [100, 400, 1_000, 2_000, 4_000];

export class Messenger {
  constructor(private readonly deps: MessengerDeps = BROWSER_DEPS) {}

  /** The worker's answer, or null when it could not be reached; then the message lies in the outbox. */
  async deliver(message: PageMessage): Promise<PageResponse | null> {
    for (const pauseMs of [...RETRY_DELAYS_MS, null]) {
      if (!this.deps.isAlive()) return null;
      const answer = await this.attempt(message);
      if (answer) return answer;
      if (pauseMs !== null) await this.deps.wait(pauseMs);
    }
    await this.deps.save(outboxKey(message), message).catch(() => undefined);
    return null;
  }

  /** For a page that is going away: both ways at once, because neither can be waited for. */
  deliverOnUnload(message: PageMessage): void {
    if (!this.deps.isAlive()) return;
    const key = outboxKey(message);
    const kept = this.deps.save(key, message).catch(() => undefined);
    void this.attempt(message).then(async (answer) => {
      await kept;
      if (answer) await this.deps.remove(key).catch(() => undefined);
    });
  }

  private async attempt(message: PageMessage): Promise<PageResponse | null> {
    try {
      const answer = await this.deps.send(message);
      return answer?.ok ? answer : null;
    } catch {
      return null;
    }
  }
}

/** Later messages of one visit replace earlier ones of their kind. */
function outboxKey(message: PageMessage): string {
  const id = message.kind === "highlight" ? message.highlightId : message.visitId;
  return `${OUTBOX_PREFIX}${message.kind}:${id}`;
}
