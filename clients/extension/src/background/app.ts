/** The worker's wiring. Every part is made once per worker life; what lasts is on disk. */

import * as v from "valibot";
import { type Browser, browser } from "wxt/browser";

import { Account } from "../account/account";
import { onDashboardMessage } from "../account/sign-in";
import { TrailmindApi } from "../api/trailmind";
import { OUTBOX_PREFIX } from "../capture/messenger";
import { CommandError } from "../command-error";
import { messagesFor } from "../i18n/messages";
import { hasPagePermission } from "../permission";
import { type CommandName, PageMessage } from "../protocol";
import { EAGER_EVENTS } from "../queue/batch";
import { Sender } from "../queue/sender";
import { QueueStore } from "../queue/store";
import { AlarmClock, HEARTBEAT_ALARM } from "../recording/alarm-clock";
import { makeView } from "../recording/make-view";
import { browserPages } from "../recording/pages";
import { Recorder, type Source } from "../recording/recorder";
import { badgeOf, type Generation, viewItem } from "../recording/view";
import { readSettings, webOrigin } from "../settings";
import { commandHandlers } from "./commands";
import { errorResponse } from "./errors";

/** Events wait this long for company. */
const BATCH_WINDOW_MS = 5_000;
const STORAGE_RETRY_MS = 30_000;
const BOOT_KEY = "session:booted";

export class App {
  readonly store = new QueueStore();
  readonly api = new TrailmindApi();
  readonly account = new Account(this.store, this.api);
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
  private generation: Generation | null = null;
  private isPublishing = false;
  private isPublishPending = false;
  private readonly handlers = commandHandlers({
    store: this.store,
    account: this.account,
    api: this.api,
    sender: this.sender,
    recorder: this.recorder,
    pages: browserPages,
    settings: readSettings,
    setGeneration: (generation) => (this.generation = generation),
    sendNow: () => this.send(true),
    publish: () => this.publish(),
    now: Date.now,
  });
  private booting: Promise<void> | null = null;

  constructor() {
    void this.ready.catch(() => undefined);
  }

  /** Resolves when the state on disk fits this browser's life; nothing is taken in before. A failure is tried again. */
  get ready(): Promise<void> {
    this.booting ??= this.boot().catch((error: unknown) => {
      this.booting = null;
      throw error;
    });
    return this.booting;
  }

  private async boot(): Promise<void> {
    const marker = await browser.storage.session.get(BOOT_KEY);
    // First what pages left behind: it belongs to a recording that may be over in a moment.
    await this.drainOutbox();
    await this.recorder.boot(marker[BOOT_KEY] !== true);
    // Not before: a worker killed half-way must find that its browser is new.
    await browser.storage.session.set({ [BOOT_KEY]: true });
    void this.send(false);
  }

  /** The worker was woken: by the browser, an alarm, the network coming back. */
  async wake(urgent: boolean): Promise<void> {
    await this.ready;
    await this.drainOutbox();
    await this.recorder.heartbeat();
    await this.send(urgent);
    this.publishSoon();
  }

  async send(urgent: boolean): Promise<void> {
    try {
      await this.sender.flush(urgent);
      this.clock.set(await this.sender.nextAttemptAt());
    } catch (error) {
      // The disk failed us, not the server. What waits is still there; come back for it.
      console.error(error);
      this.clock.setNoLaterThan(Date.now() + STORAGE_RETRY_MS);
    }
  }

  private async scheduleSend(): Promise<void> {
    this.clock.setNoLaterThan(Date.now() + BATCH_WINDOW_MS);
    for (const recording of await this.store.recordings()) {
      if (recording.trouble && recording.trouble.retryAt > Date.now()) continue;
      const isOver = recording.status === "stopping";
      const { batch } = await this.store.nextBatch(recording.id, EAGER_EVENTS);
      if (isOver || recording.serverId === null || batch.length >= EAGER_EVENTS) return this.send(false);
    }
  }

  /** Messages that pages could only leave in the outbox. Visits first: what follows refers to them. */
  private async drainOutbox(): Promise<void> {
    const stored = Object.entries(await browser.storage.local.get(null)).filter(([key]) =>
      key.startsWith(OUTBOX_PREFIX),
    );
    const order = ["visit", "settled", "snapshot", "highlight", "leave"];
    const messages = stored.flatMap(([key, value]) => {
      const parsed = v.safeParse(PageMessage, value);
      return [{ key, message: parsed.success ? parsed.output : null }];
    });
    messages.sort((a, b) => order.indexOf(a.message?.kind ?? "") - order.indexOf(b.message?.kind ?? ""));
    for (const { key, message } of messages) {
      if (message) {
        const outboxSource = { tabId: -1, windowId: -1, documentId: "", isTopFrame: true, isIncognito: false };
        await this.recorder.receive(message, { ...outboxSource, url: "url" in message ? message.url : "" });
      }
      // Only now: if it could not be written down, the next worker finds it here again.
      await browser.storage.local.remove(key);
    }
  }

  /** Answers own pages and recorded pages; undefined for anybody else. */
  onMessage(message: unknown, sender: Browser.runtime.MessageSender): Promise<unknown> | undefined {
    if (sender.id !== browser.runtime.id) return undefined;
    const isOwnPage = sender.origin === `chrome-extension://${browser.runtime.id}`;
    if (isOwnPage) return this.handleCommand(message as { command?: string; args?: unknown });
    const parsed = v.safeParse(PageMessage, message);
    if (!parsed.success || sender.tab?.id === undefined) return undefined;
    const source: Source = {
      tabId: sender.tab.id,
      windowId: sender.tab.windowId,
      documentId: sender.documentId ?? "",
      isTopFrame: sender.frameId === 0,
      url: sender.url ?? "",
      isIncognito: sender.tab.incognito,
      openerTabId: sender.tab.openerTabId,
    };
    return this.ready
      .then(() => this.recorder.receive(parsed.output, source))
      .then(async (answer) => {
        if (parsed.output.kind === "visit") await this.sweepUntilSettled();
        return answer;
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
    const answer = await onDashboardMessage(message, sender.origin ?? "", {
      api: this.api,
      account: this.account,
      origin: settings.serverUrl,
      webOrigin: webOrigin(settings),
      now: Date.now(),
    });
    if (answer.ok) await this.send(true);
    await this.publish();
    return answer;
  }

  async runCommand<K extends CommandName>(command: K, args: Parameters<(typeof this.handlers)[K]>[0]): Promise<void> {
    await this.handleCommand({ command, args });
  }

  async onTabUnloaded(tabId: number): Promise<void> {
    await this.ready;
    await this.recorder.markTabUnloaded(tabId);
    await this.sweepUntilSettled();
  }

  /** The user took the right to read pages back: a recording that sees nothing must not look like one. */
  async onPermissionRemoved(): Promise<void> {
    await this.ready;
    if (!(await hasPagePermission())) await this.runCommand("pause", {});
  }

  private async sweepUntilSettled(): Promise<void> {
    const next = await this.recorder.sweep();
    if (next !== null) setTimeout(() => void this.sweepUntilSettled(), Math.max(0, next - Date.now()) + 20);
  }

  /** Half-minute signs of life date a crash; without a recording nobody needs to wake the worker. */
  private async updateHeartbeatAlarm(isRecording: boolean): Promise<void> {
    const isBeating = (await browser.alarms.get(HEARTBEAT_ALARM)) !== undefined;
    if (isRecording && !isBeating) await browser.alarms.create(HEARTBEAT_ALARM, { periodInMinutes: 0.5 });
    if (!isRecording && isBeating) await browser.alarms.clear(HEARTBEAT_ALARM);
  }

  publishSoon(): void {
    this.isPublishPending = true;
    if (this.isPublishing) return;
    this.isPublishing = true;
    // Bursts of events become one update.
    setTimeout(() => {
      this.isPublishing = false;
      if (this.isPublishPending) void this.publish();
    }, 50);
  }

  async publish(): Promise<void> {
    this.isPublishPending = false;
    const view = await makeView(this.store, this.account, this.generation, Date.now());
    await viewItem.setValue(view);
    await this.updateHeartbeatAlarm(view.current?.status === "recording");
    const badge = badgeOf(view);
    const messages = messagesFor((await readSettings()).language);
    await browser.action.setBadgeBackgroundColor({ color: badge.color });
    await browser.action.setBadgeText({ text: badge.text });
    await browser.action.setTitle({ title: messages.tooltip(view) });
  }
}
