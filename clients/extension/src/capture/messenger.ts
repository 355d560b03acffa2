/**
 * Delivers the messages of a page to the worker, at least once.
 *
 * The worker may be stopped, starting or busy, and the page may be unloading. A message without a response is sent
 * again; a message that must survive its page is also written to the outbox in `storage.local`, which the worker
 * drains.
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
  /** Opens a connection that the browser closes when this document or the worker ends. */
  connect?: (onClose: () => void) => { disconnect: () => void };
}

/** The name of the connection of a recorded page. */
export const PAGE_PORT = "page";

const BROWSER_DEPS: MessengerDeps = {
  send: (message) => browser.runtime.sendMessage(message),
  // Messages of a private window are never written to disk.
  save: async (key, message) => {
    if (!browser.extension?.inIncognitoContext) await browser.storage.local.set({ [key]: message });
  },
  remove: (key) => browser.storage.local.remove(key),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  // After an update or removal of the extension, this script can no longer reach a worker.
  isAlive: () => browser.runtime?.id !== undefined,
  connect: (onClose) => {
    const port = browser.runtime.connect({ name: PAGE_PORT });
    port.onDisconnect.addListener(onClose);
    return port;
  },
};

const RETRY_DELAYS_MS = [100, 400, 1_000, 2_000, 4_000];

export class Messenger {
  constructor(private readonly deps: MessengerDeps = BROWSER_DEPS) {}

  /** Null if the worker cannot be reached. */
  connect(onClose: () => void): { disconnect: () => void } | null {
    try {
      return (this.deps.isAlive() && this.deps.connect?.(onClose)) || null;
    } catch {
      return null;
    }
  }

  /** The worker's response; null if the worker was unreachable, and the message is in the outbox. */
  async deliver(message: PageMessage): Promise<PageResponse | null> {
    for (const pauseMs of [...RETRY_DELAYS_MS, null]) {
      if (!this.deps.isAlive()) return null;
      const response = await this.attempt(message);
      if (response) return response;
      if (pauseMs !== null) await this.deps.wait(pauseMs);
    }
    await this.deps.save(outboxKey(message), message).catch(() => undefined);
    return null;
  }

  /** For an unloading page: sends the message and writes it to the outbox, because it cannot wait for either. */
  deliverOnUnload(message: PageMessage): void {
    if (!this.deps.isAlive()) return;
    const key = outboxKey(message);
    const saved = this.deps.save(key, message).catch(() => undefined);
    void this.attempt(message).then(async (response) => {
      await saved;
      if (response) await this.deps.remove(key).catch(() => undefined);
    });
  }

  private async attempt(message: PageMessage): Promise<PageResponse | null> {
    try {
      const response = await this.deps.send(message);
      return response?.ok ? response : null;
    } catch {
      return null;
    }
  }
}

/** One key per visit and kind: a later message replaces an earlier one. */
function outboxKey(message: PageMessage): string {
  const id = message.kind === "highlight" ? message.highlightId : message.visitId;
  return `${OUTBOX_PREFIX}${message.kind}:${id}`;
}
