/**
 * Runs recordings: starts, pauses and stops them, and passes the messages of pages to the PageMessageHandler.
 *
 * The state is on disk, so that a new worker continues where a killed one stopped. Everything that changes what is
 * collected runs in one serial queue, so that no event is queued after a stop.
 */

import { uuid } from "@trailmind/api";
import { evaluatePolicy, type PolicyContext } from "../privacy/policy";
import type { PageMessage, PageResponse } from "../protocol";
import type { Recording, Scope } from "../queue/model";
import type { QueueStore } from "../queue/store";
import { type Settings, webOrigin } from "../settings";
import * as life from "./lifecycle";
import { PageMessageHandler, type SignalType, type Source } from "./page-messages";
import type { Pages } from "./pages";
import { SerialQueue } from "./serial-queue";
import { Visits } from "./visits";

export interface RecorderDeps {
  store: QueueStore;
  pages: Pages;
  settings: () => Promise<Settings>;
  /** An event or a change of the recording is ready to be sent. */
  onQueued: () => void;
  onChange: () => void;
  now?: () => number;
  uuid?: () => string;
}

/** Stop waits this long for texts that are being read. */
const FINAL_READ_TIMEOUT_MS = 3_000;

export class Recorder {
  private readonly serial = new SerialQueue();
  private readonly pendingReads = new Set<Promise<void>>();
  private readonly now: () => number;
  private readonly uuid: () => string;
  private readonly visits: Visits;
  private readonly messages: PageMessageHandler;

  constructor(private readonly deps: RecorderDeps) {
    this.now = deps.now ?? Date.now;
    this.uuid = deps.uuid ?? uuid;
    const { store, pages, settings, onQueued, onChange } = deps;
    const { now, uuid: newId } = this;
    this.visits = new Visits({ store, pages, now, uuid: newId });
    this.messages = new PageMessageHandler({
      store,
      pages,
      visits: this.visits,
      settings,
      policy: (isIncognito) => this.policy(isIncognito),
      onQueued,
      onChange,
      now,
      uuid: newId,
    });
  }

  /** The newest recording that is collecting, paused, interrupted or lost. */
  async ongoing(): Promise<Recording | undefined> {
    const ongoing = (await this.deps.store.recordings()).filter((r) =>
      ["recording", "paused", "interrupted", "lost"].includes(r.status),
    );
    return ongoing.sort((a, b) => b.startedAt - a.startedAt)[0];
  }

  private async collecting(): Promise<Recording | undefined> {
    return (await this.deps.store.recordings()).find(life.isCollecting);
  }

  // Actions of the user.

  /** Returns the id of the new recording, or of the ongoing one. */
  start(user: { id: string; origin: string }, scope: Scope): Promise<string> {
    return this.serial.run(async () => {
      const ongoing = await this.ongoing();
      if (ongoing) return ongoing.id;
      const id = this.uuid();
      const { now } = this;
      await this.deps.store.addRecording(
        life.newRecording({ id, userId: user.id, origin: user.origin, title: "", scope, now: now() }),
      );
      await this.install(scope);
      this.notify();
      return id;
    });
  }

  pause(): Promise<void> {
    return this.serial.run(async () => {
      const recording = await this.collecting();
      if (!recording) return;
      await this.deps.store.updateRecording(recording.id, (r) => life.pause(r, this.now()));
      await this.deps.pages.broadcast({ kind: "pause" });
      this.notify();
    });
  }

  resume(): Promise<void> {
    return this.serial.run(async () => {
      const recording = await this.ongoing();
      if (!recording) return;
      await this.deps.store.updateRecording(recording.id, (r) => life.resume(r, this.now()));
      await this.install(recording.scope);
      await this.deps.pages.broadcast({ kind: "resume" });
      this.notify();
    });
  }

  /**
   * Ends the collection: every visit gets its final event, then the sender may stop the session.
   * If the worker is killed in between, `boot` completes the stop.
   */
  stop(): Promise<void> {
    return this.serial.run(async () => {
      const recording = (await this.deps.store.recordings()).find(life.isOngoing);
      if (!recording) return;
      await this.deps.store.updateRecording(recording.id, (r) => life.beginStop(r, this.now()));
      await this.completeStop(recording.id);
    });
  }

  private async completeStop(id: string): Promise<void> {
    for (const { message } of await this.deps.pages.finish()) {
      if (message.kind === "leave") await this.messages.leave(message);
    }
    await this.visits.closeAll(id);
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, FINAL_READ_TIMEOUT_MS));
    if (this.pendingReads.size > 0) await Promise.race([Promise.all(this.pendingReads), timeout]);
    await this.deps.store.releaseHeld(id);
    await this.deps.store.updateRecording(id, life.finishStop);
    await this.deps.pages.uninstall();
    this.notify();
  }

  rename(id: string, title: string): Promise<void> {
    return this.serial.run(async () => {
      await this.deps.store.updateRecording(id, (r) => {
        r.title = title;
        r.isTitleSynced = false;
      });
      this.notify();
    });
  }

  /** Continues an interrupted recording; the time since the interruption counts as a pause. */
  continueInterrupted(id: string, scope: Scope): Promise<void> {
    return this.serial.run(async () => {
      await this.deps.store.updateRecording(id, (r) => life.continueInterrupted(r, scope, this.now()));
      await this.install(scope);
      this.notify();
    });
  }

  finishInterrupted(id: string): Promise<void> {
    return this.serial.run(async () => {
      await this.deps.store.releaseHeld(id);
      await this.deps.store.updateRecording(id, life.finishInterrupted);
      this.notify();
    });
  }

  /**
   * Moves the waiting events of a lost recording into a new recording, which gets a new session.
   * Returns the id of the new recording, null if the recording is not lost.
   */
  recoverLostRecording(id: string): Promise<string | null> {
    return this.serial.run(async () => {
      const lost = await this.deps.store.recording(id);
      if (lost?.status !== "lost") return null;
      const { userId, origin, title, scope, startedAt } = lost;
      const successor = life.newRecording({ id: this.uuid(), userId, origin, title, scope, now: this.now() });
      Object.assign(successor, { startedAt, endedAt: lost.endedAt, pausedAt: lost.pausedAt, pausedMs: lost.pausedMs });
      if (lost.endedAt !== null) successor.status = "stopping";
      else if (lost.pausedAt !== null) successor.status = "paused";
      await this.deps.store.addRecording(successor);
      await this.deps.store.moveWaiting(id, successor.id);
      await this.deps.store.deleteRecording(id);
      this.notify();
      return successor.id;
    });
  }

  /** Deletes the local data of a recording. The caller deletes the session on the server. */
  deleteRecording(id: string): Promise<void> {
    return this.serial.run(async () => {
      const recording = await this.deps.store.recording(id);
      if (recording && life.isOngoing(recording)) {
        await this.deps.pages.finish();
        await this.deps.pages.uninstall();
      }
      await this.deps.store.deleteRecording(id);
      this.deps.onChange();
    });
  }

  // Events of the browser.

  /** Called once per worker start. `isNewBrowser`: the browser restarted, so no recorded document is open any more. */
  boot(isNewBrowser: boolean): Promise<void> {
    return this.serial.run(async () => {
      for (const recording of await this.deps.store.recordings()) {
        if (isNewBrowser && life.isOngoing(recording)) {
          await this.visits.closeAll(recording.id, recording.lastAliveAt);
          await this.deps.store.updateRecording(recording.id, life.interrupt);
        } else if (["recording", "paused"].includes(recording.status) && recording.endedAt !== null) {
          // The worker was killed during a stop.
          await this.completeStop(recording.id);
        } else if (life.isCollecting(recording)) {
          await this.install(recording.scope);
        }
      }
      this.deps.onChange();
    });
  }

  private async install(scope: Scope): Promise<void> {
    const context = await this.policy(false);
    await this.deps.pages.install(
      (tab) =>
        life.inScope(scope, tab.id, tab.windowId) &&
        evaluatePolicy(tab.url, { ...context, isIncognito: tab.incognito }).allowed,
    );
  }

  /** Stores that the recording is alive; after a crash, the last heartbeat is the end of the recording. */
  async heartbeat(): Promise<void> {
    const recording = await this.collecting();
    if (recording)
      await this.deps.store.updateRecording(recording.id, (r) => {
        r.lastAliveAt = this.now();
      });
    await this.sweep();
  }

  markTabUnloaded(tabId: number): Promise<void> {
    return this.serial.run(async () => {
      for (const visit of await this.deps.store.visitsInTab(tabId)) await this.visits.markUnloaded(visit);
    });
  }

  /** Chrome gave a tab a new id, because it was discarded. */
  replaceTab(oldId: number, newId: number): Promise<void> {
    return this.serial.run(async () => {
      await this.deps.store.replaceTab(oldId, newId);
      for (const visit of await this.deps.store.visitsInTab(newId)) await this.visits.markUnloaded(visit);
    });
  }

  /** The document ended without saying so, for example because its process crashed. */
  markDocumentUnloaded(tabId: number, documentId: string): Promise<void> {
    return this.serial.run(async () => {
      for (const visit of await this.deps.store.visitsInTab(tabId)) {
        if (visit.documentId === documentId) await this.visits.markUnloaded(visit);
      }
    });
  }

  tabOpened(tabId: number, openerTabId: number): Promise<void> {
    return this.serial.run(() => this.messages.noteOpener(tabId, openerTabId));
  }

  tabClosed(tabId: number): Promise<void> {
    return this.serial.run(() => this.messages.forgetTab(tabId));
  }

  /** Closes visits of unloaded documents. Returns when to call it again, null if no visit is marked as unloaded. */
  sweep(): Promise<number | null> {
    return this.serial.run(() => this.visits.sweep(() => this.notify()));
  }

  /** A tab was activated, a window gained or lost the focus, or the user became idle or active. */
  signal(type: SignalType, tabId: number): Promise<void> {
    return this.serial.run(() => this.messages.signal(type, tabId));
  }

  /** Handles a message of a page. The response is ready when the event is on disk. */
  receive(message: PageMessage, source: Source): Promise<PageResponse> {
    return this.serial
      .run(() => this.messages.handle(message, source))
      .then((response) => {
        // Reading the text takes long: it runs outside the serial queue, which other pages wait for.
        if (message.kind === "settled" && response.ok && response.records) {
          const read: Promise<void> = this.messages
            .readText(message, source)
            .catch(() => undefined)
            .finally(() => this.pendingReads.delete(read));
          this.pendingReads.add(read);
        }
        return response;
      });
  }

  private notify(): void {
    this.deps.onQueued();
    this.deps.onChange();
  }

  private async policy(isIncognito: boolean): Promise<PolicyContext> {
    const settings = await this.deps.settings();
    const ownOrigins = [settings.serverUrl, webOrigin(settings)];
    return {
      excludedHosts: settings.excludedHosts,
      allowedHosts: settings.allowedHosts,
      allowsIncognito: settings.allowsIncognito,
      isIncognito,
      ownOrigins,
    };
  }
}
