/** Wires the parts of the service worker. The parts exist once per start of the worker; their state is on disk. */

import * as v from "valibot";
import { type Browser, browser } from "wxt/browser";

import { Account } from "../account/account";
import { onDashboardMessage } from "../account/sign-in";
import { TrailmindApi } from "../api/trailmind";
import { CommandError } from "../command-error";
import { hasPagePermission } from "../permission";
import { type CommandName, PageMessage } from "../protocol";
import { EAGER_EVENTS } from "../queue/batch";
import { Sender } from "../queue/sender";
import { QueueStore } from "../queue/store";
import { AlarmClock } from "../recording/alarm-clock";
import type { Source } from "../recording/page-messages";
import { browserPages } from "../recording/pages";
import { Recorder } from "../recording/recorder";
import { readSettings, webOrigin } from "../settings";
import { commandHandlers } from "./commands";
import { errorResponse } from "./errors";
import { drainOutbox } from "./outbox";
import { Publisher } from "./publisher";
import { syncSites } from "./site-lists";

/** A queued event waits this long for more events of its batch. */
const BATCH_WINDOW_MS = 5_000;
const STORAGE_RETRY_MS = 30_000;
/** `sweep` is called this long after the time that it returned. */
const SWEEP_MARGIN_MS = 20;
const BOOT_KEY = "session:booted";

export class App {
  readonly store = new QueueStore();
  readonly api = new TrailmindApi();
  readonly account = new Account(this.store, this.api);
  private readonly publisher = new Publisher(this.store, this.account);
  readonly sender = new Sender({
    store: this.store,
    account: this.account,
    api: this.api,
    onChange: () => this.publishSoon(),
  });
  readonly recorder = new Recorder({
    store: this.store,
    pages: browserPages,
    settings: readSettings,
    onQueued: () => void this.scheduleSend(),
    onChange: () => this.publishSoon(),
  });
  private readonly clock = new AlarmClock(browser.alarms, () => void this.send(false));
  private readonly handlers = commandHandlers({
    store: this.store,
    account: this.account,
    api: this.api,
    recorder: this.recorder,
    pages: browserPages,
    settings: readSettings,
    setGeneration: (generation) => (this.publisher.generation = generation),
    sendNow: () => this.send(true),
    publish: () => this.publish(),
    now: Date.now,
  });
  private booting: Promise<void> | null = null;

  constructor() {
    void this.ready.catch(() => undefined);
  }

  /**
   * Resolves when the stored state matches this start of the browser; no message is handled before. Raises if the
   * storage fails; the next call tries again.
   */
  get ready(): Promise<void> {
    this.booting ??= this.boot().catch((error: unknown) => {
      this.booting = null;
      throw error;
    });
    return this.booting;
  }

  private async boot(): Promise<void> {
    const marker = await browser.storage.session.get(BOOT_KEY);
    // Before `recorder.boot`: these messages belong to a recording that it may end.
    await drainOutbox(this.recorder);
    await this.recorder.boot(marker[BOOT_KEY] !== true);
    // Set last: if the worker is killed before, the next one still detects that the browser restarted.
    await browser.storage.session.set({ [BOOT_KEY]: true });
    void this.send(false);
  }

  /** Called when the worker is started by the browser, an alarm, or the return of the network. */
  async wake(urgent: boolean): Promise<void> {
    await this.ready;
    await drainOutbox(this.recorder);
    await this.recorder.heartbeat();
    await this.send(urgent);
    this.publishSoon();
  }

  async send(urgent: boolean): Promise<void> {
    try {
      await this.sender.flush(urgent);
      this.clock.set(await this.sender.nextAttemptAt());
    } catch (error) {
      // `flush` handles errors of the server, so this is a storage error: the queue is intact, retry later.
      console.error(error);
      this.clock.setNoLaterThan(Date.now() + STORAGE_RETRY_MS);
    }
  }

  private async scheduleSend(): Promise<void> {
    this.clock.setNoLaterThan(Date.now() + BATCH_WINDOW_MS);
    for (const recording of await this.store.recordings()) {
      if (recording.trouble && recording.trouble.retryAt > Date.now()) continue;
      const isStopping = recording.status === "stopping";
      const { batch } = await this.store.nextBatch(recording.id, EAGER_EVENTS);
      if (isStopping || recording.serverId === null || batch.length >= EAGER_EVENTS) return this.send(false);
    }
  }

  /** The response to an extension page or a recorded page; undefined for any other sender. */
  onMessage(message: unknown, sender: Browser.runtime.MessageSender): Promise<unknown> | undefined {
    if (sender.id !== browser.runtime.id) return undefined;
    const isExtensionPage = sender.origin === `chrome-extension://${browser.runtime.id}`;
    if (isExtensionPage) return this.handleCommand(message as { command?: string; args?: unknown });
    const parsed = v.safeParse(PageMessage, message);
    if (!parsed.success || sender.tab?.id === undefined) return undefined;
    const source: Source = {
      tabId: sender.tab.id,
      windowId: sender.tab.windowId,
      documentId: sender.documentId ?? "",
      isTopFrame: sender.frameId === 0,
      url: sender.url ?? "",
      isIncognito: sender.tab.incognito,
      isAudible: sender.tab.audible === true && sender.tab.mutedInfo?.muted !== true,
    };
    return this.ready
      .then(() => this.recorder.receive(parsed.output, source))
      .then(async (response) => {
        if (parsed.output.kind === "visit" || parsed.output.kind === "leave") await this.sweepUntilDone();
        return response;
      })
      .catch(() => ({ ok: false }));
  }

  private async handleCommand(message: { command?: string; args?: unknown }): Promise<unknown> {
    try {
      await this.ready;
      const handler = this.handlers[message.command as CommandName] as
        | ((args: unknown) => Promise<unknown>)
        | undefined;
      if (!handler) throw new CommandError("unknown_command");
      const value = await handler(message.args ?? {});
      await this.publish();
      return { ok: true, value };
    } catch (error) {
      return errorResponse(error);
    }
  }

  async onExternalMessage(message: unknown, sender: Browser.runtime.MessageSender): Promise<unknown> {
    await this.ready;
    const settings = await readSettings();
    const response = await onDashboardMessage(message, sender.origin ?? "", {
      api: this.api,
      account: this.account,
      origin: settings.serverUrl,
      webOrigin: webOrigin(settings),
      now: Date.now(),
    });
    if (response.ok) {
      await syncSites({ account: this.account, api: this.api, settings: readSettings });
      await this.send(true);
    }
    await this.publish();
    return response;
  }

  /** Runs a command for a keyboard shortcut or a menu item. Errors are ignored: there is no page to show them. */
  async runCommand<K extends CommandName>(command: K, args: Parameters<(typeof this.handlers)[K]>[0]): Promise<void> {
    await this.handleCommand({ command, args });
  }

  /** A tab was closed or its document was replaced. */
  async onTabUnloaded(tabId: number): Promise<void> {
    await this.ready;
    await this.recorder.markTabUnloaded(tabId);
    await this.sweepUntilDone();
  }

  /** A recorded document ended, or the worker's connection to it was closed. */
  async onPageDisconnected(port: Browser.runtime.Port): Promise<void> {
    const { tab, documentId } = port.sender ?? {};
    if (tab?.id === undefined || !documentId) return;
    await this.ready;
    await this.recorder.markDocumentUnloaded(tab.id, documentId);
    await this.sweepUntilDone();
  }

  async onTabReplaced(oldId: number, newId: number): Promise<void> {
    await this.ready;
    await this.recorder.replaceTab(oldId, newId);
    await this.sweepUntilDone();
  }

  /** Pauses the recording when the user revokes the permission to read pages, because it would record nothing. */
  async onPermissionRemoved(): Promise<void> {
    await this.ready;
    if (!(await hasPagePermission())) await this.runCommand("pause", {});
  }

  private async sweepUntilDone(): Promise<void> {
    const next = await this.recorder.sweep();
    if (next !== null) {
      setTimeout(() => void this.sweepUntilDone(), Math.max(0, next - Date.now()) + SWEEP_MARGIN_MS);
    }
  }

  publishSoon(): void {
    this.publisher.publishSoon();
  }

  publish(): Promise<void> {
    return this.publisher.publish();
  }
}
