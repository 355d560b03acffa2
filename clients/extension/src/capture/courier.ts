/**
 * Brings what a page saw to the worker and does not let go until the worker wrote it down.
 *
 * The worker may be asleep, just killed, or busy; the page may be closing. A message that gets no answer is tried
 * again; one that must survive this page goes into `storage.local` as well, from where the worker collects it.
 */

import { browser } from "wxt/browser";

import type { PageAnswer, PageMessage } from "../messages";

export const OUTBOX_PREFIX = "outbox:";

export interface CourierDeps {
  send: (message: PageMessage) => Promise<PageAnswer | undefined>;
  keep: (key: string, message: PageMessage) => Promise<void>;
  drop: (key: string) => Promise<void>;
  wait: (ms: number) => Promise<void>;
  isAlive: () => boolean;
}

const BROWSER_DEPS: CourierDeps = {
  send: (message) => browser.runtime.sendMessage(message),
  // Nothing of a private window touches the disk from here.
  keep: async (key, message) => {
    if (!browser.extension?.inIncognitoContext) await browser.storage.local.set({ [key]: message });
  },
  drop: (key) => browser.storage.local.remove(key),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  // After an update or removal of the extension this script is an orphan.
  isAlive: () => browser.runtime?.id !== undefined,
};

const ATTEMPTS_MS = [100, 400, 1_000, 2_000, 4_000];

export class Courier {
  constructor(private readonly deps: CourierDeps = BROWSER_DEPS) {}

  /** The worker's answer, or null when it could not be reached; then the message lies in the outbox. */
  async deliver(message: PageMessage): Promise<PageAnswer | null> {
    for (const pauseMs of [...ATTEMPTS_MS, null]) {
      if (!this.deps.isAlive()) return null;
      const answer = await this.attempt(message);
      if (answer) return answer;
      if (pauseMs !== null) await this.deps.wait(pauseMs);
    }
    await this.deps.keep(keyOf(message), message).catch(() => undefined);
    return null;
  }

  /** For a page that is going away: both ways at once, because neither can be waited for. */
  dispatch(message: PageMessage): void {
    if (!this.deps.isAlive()) return;
    const key = keyOf(message);
    const kept = this.deps.keep(key, message).catch(() => undefined);
    void this.attempt(message).then(async (answer) => {
      await kept;
      if (answer) await this.deps.drop(key).catch(() => undefined);
    });
  }

  private async attempt(message: PageMessage): Promise<PageAnswer | null> {
    try {
      const answer = await this.deps.send(message);
      return answer?.ok ? answer : null;
    } catch {
      return null;
    }
  }
}

/** Later messages of one visit replace earlier ones of their kind. */
function keyOf(message: PageMessage): string {
  const id = message.kind === "highlight" ? message.highlightId : message.visitId;
  return `${OUTBOX_PREFIX}${message.kind}:${id}`;
}
