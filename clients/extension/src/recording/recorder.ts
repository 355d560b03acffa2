/**
 * Runs recordings: takes what the pages report, decides what may be kept, and puts it into the queue.
 *
 * Keeps nothing in memory that matters; a new worker continues where the killed one stopped. Everything that changes
 * the collection runs one after the other, so that no event can slip in behind a stop.
 */

import { uuid } from "../ids";
import { evaluatePolicy, type PolicyContext } from "../privacy/policy";
import { redactUrl } from "../privacy/redact";
import type { PageMessage, PageResponse } from "../protocol";
import type { EventBody, OpenVisit, Recording, Scope } from "../queue/model";
import type { QueueStore } from "../queue/store";
import { type Settings, webOrigin } from "../settings";
import { highlightEvent, leaveEvent, scrollEvent, signalEvent, visitDetails, visitEvent } from "./events";
import * as life from "./lifecycle";
import { isUnreadPdf, type Pages, withPdfText } from "./pages";

/** Where a message came from, as Chrome says. The outbox has no document: tab -1. */
export interface Source {
  tabId: number;
  windowId: number;
  documentId: string;
  isTopFrame: boolean;
  url: string;
  isIncognito: boolean;
  openerTabId?: number | undefined;
}

export interface RecorderDeps {
  store: QueueStore;
  pages: Pages;
  settings: () => Promise<Settings>;
  /** Something was queued. */
  onQueued: () => void;
  onChange: () => void;
  now?: () => number;
  uuid?: () => string;
}

/** A visit waits this long for its title and text before it travels without them. */
const SETTLE_TIMEOUT_MS = 10_000;
/** A PDF has to be fetched and parsed; leaving its page does not end that. */
const PDF_TIMEOUT_MS = 20_000;
/** Stop waits this long for texts that are being read. */
const FINAL_READ_TIMEOUT_MS = 3_000;
/** A closed page's own farewell may still be on its way. */
const FINAL_EVENT_GRACE_MS = 1_500;
/** Pages report every 10 s while they are read; beyond that nothing is claimed. */
const MAX_INFERRED_MS = 11_000;

const NOT_RECORDED: PageResponse = { ok: true, records: false };
const RECORDED: PageResponse = { ok: true, records: true };
/** Not worth a line in the receipt: these are not websites, or nobody may know of them. */
const UNCOUNTED_REASONS = new Set(["not_a_page", "incognito", "own_site"]);

export class Recorder {
  private tail: Promise<unknown> = Promise.resolve();
  private readonly pendingReads = new Set<Promise<void>>();
  private readonly now: () => number;
  private readonly uuid: () => string;

  constructor(private readonly deps: RecorderDeps) {
    this.now = deps.now ?? Date.now;
    this.uuid = deps.uuid ?? uuid;
  }

  private exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.tail.then(work);
    this.tail = result.catch(() => undefined);
    return result;
  }

  /** The recording the user is in, if any: collecting, paused, interrupted or lost. */
  async ongoing(): Promise<Recording | undefined> {
    const open = (await this.deps.store.recordings()).filter((r) =>
      ["recording", "paused", "interrupted", "lost"].includes(r.status),
    );
    return open.sort((a, b) => b.startedAt - a.startedAt)[0];
  }

  private async collecting(): Promise<Recording | undefined> {
    return (await this.deps.store.recordings()).find(life.isCollecting);
  }

  // What the user does.

  start(user: { id: string; origin: string }, scope: Scope, title: string): Promise<string> {
    return this.exclusive(async () => {
      const ongoing = await this.ongoing();
      if (ongoing) return ongoing.id;
      const id = this.uuid();
      const { now } = this;
      await this.deps.store.addRecording(
        life.newRecording({ id, userId: user.id, origin: user.origin, title, scope, now: now() }),
      );
      await this.install(scope);
      this.deps.onQueued();
      this.deps.onChange();
      return id;
    });
  }

  pause(): Promise<void> {
    return this.exclusive(async () => {
      const recording = await this.collecting();
      if (!recording) return;
      await this.deps.store.updateRecording(recording.id, (r) => life.pause(r, this.now()));
      await this.deps.pages.broadcast({ kind: "pause" });
      this.deps.onQueued();
      this.deps.onChange();
    });
  }

  resume(): Promise<void> {
    return this.exclusive(async () => {
      const recording = await this.ongoing();
      if (!recording) return;
      await this.deps.store.updateRecording(recording.id, (r) => life.resume(r, this.now()));
      await this.install(recording.scope);
      await this.deps.pages.broadcast({ kind: "resume" });
      this.deps.onQueued();
      this.deps.onChange();
    });
  }

  /** Ends the collection: every visit gets its farewell, then the sender may stop the session. Resumable. */
  stop(): Promise<void> {
    return this.exclusive(async () => {
      const recording = (await this.deps.store.recordings()).find(life.isOngoing);
      if (!recording) return;
      await this.deps.store.updateRecording(recording.id, (r) => life.beginStop(r, this.now()));
      await this.completeStop(recording.id);
    });
  }

  private async completeStop(id: string): Promise<void> {
    for (const { message } of await this.deps.pages.finish()) {
      if (message.kind === "leave") await this.leave(message);
    }
    await this.closeVisits(id);
    const late = new Promise<void>((resolve) => setTimeout(resolve, FINAL_READ_TIMEOUT_MS));
    if (this.pendingReads.size > 0) await Promise.race([Promise.all(this.pendingReads), late]);
    await this.deps.store.releaseHeld(id);
    await this.deps.store.updateRecording(id, life.finishStop);
    await this.deps.pages.uninstall();
    this.deps.onQueued();
    this.deps.onChange();
  }

  rename(id: string, title: string): Promise<void> {
    return this.exclusive(async () => {
      await this.deps.store.updateRecording(id, (r) => {
        r.title = title;
        r.isTitleSynced = false;
      });
      this.deps.onQueued();
      this.deps.onChange();
    });
  }

  /** After a crash: go on as if the gap had been a pause. */
  continueInterrupted(id: string, scope: Scope): Promise<void> {
    return this.exclusive(async () => {
      await this.deps.store.updateRecording(id, (r) => life.continueInterrupted(r, scope, this.now()));
      await this.install(scope);
      this.deps.onQueued();
      this.deps.onChange();
    });
  }

  finishInterrupted(id: string): Promise<void> {
    return this.exclusive(async () => {
      await this.deps.store.releaseHeld(id);
      await this.deps.store.updateRecording(id, life.finishInterrupted);
      this.deps.onQueued();
      this.deps.onChange();
    });
  }

  /** The server has no place for this recording any more: what still waits moves to a new session. */
  recoverLostRecording(id: string): Promise<string | null> {
    return this.exclusive(async () => {
      const lost = await this.deps.store.recording(id);
      if (lost?.status !== "lost") return null;
      const { userId, origin, title, scope, startedAt } = lost;
      const successor = life.newRecording({ id: this.uuid(), userId, origin, title, scope, now: this.now() });
      Object.assign(successor, { startedAt, endedAt: lost.endedAt, pausedAt: lost.pausedAt, pausedMs: lost.pausedMs });
      if (lost.endedAt !== null) successor.status = "stopping";
      else if (lost.pausedAt !== null) successor.status = "paused";
      await this.deps.store.addRecording(successor);
      await this.deps.store.moveWaiting(id, successor.id);
      await this.deps.store.forget(id);
      this.deps.onQueued();
      this.deps.onChange();
      return successor.id;
    });
  }

  /** Deletes what is kept here. The caller deletes the session on the server. */
  deleteRecording(id: string): Promise<void> {
    return this.exclusive(async () => {
      const recording = await this.deps.store.recording(id);
      if (recording && life.isOngoing(recording)) {
        await this.deps.pages.finish();
        await this.deps.pages.uninstall();
      }
      await this.deps.store.forget(id);
      this.deps.onChange();
    });
  }

  // What the browser does.

  /**
   * Called once per worker start. `isNewBrowser`: no page of the last worker can still be there.
   */
  boot(isNewBrowser: boolean): Promise<void> {
    return this.exclusive(async () => {
      for (const recording of await this.deps.store.recordings()) {
        if (isNewBrowser && life.isOngoing(recording)) {
          await this.closeVisits(recording.id, recording.lastAliveAt);
          await this.deps.store.updateRecording(recording.id, life.interrupt);
        } else if (["recording", "paused"].includes(recording.status) && recording.endedAt !== null) {
          // Killed in the middle of a stop.
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

  /** We are alive, and so is the recording; a crash is dated by the last of these. */
  async heartbeat(): Promise<void> {
    const recording = await this.collecting();
    if (recording)
      await this.deps.store.updateRecording(recording.id, (r) => {
        r.lastAliveAt = this.now();
      });
    await this.sweep();
  }

  markTabUnloaded(tabId: number): Promise<void> {
    return this.exclusive(async () => {
      for (const visit of await this.deps.store.visitsInTab(tabId)) await this.markUnloaded(visit);
    });
  }

  private async markUnloaded(visit: OpenVisit): Promise<void> {
    await this.deps.store.updateVisit(visit.id, (v) => {
      v.goneAt ??= this.now();
    });
  }

  /** Ends visits whose page disappeared without a word. Returns when to look again, null for never. */
  sweep(): Promise<number | null> {
    return this.exclusive(async () => {
      let next: number | null = null;
      for (const recording of await this.deps.store.recordings()) {
        for (const visit of await this.deps.store.visits(recording.id)) {
          if (visit.goneAt === null) continue;
          if (this.now() - visit.goneAt < FINAL_EVENT_GRACE_MS) {
            next = Math.min(next ?? Infinity, visit.goneAt + FINAL_EVENT_GRACE_MS);
          } else if (await this.deps.pages.isDocumentAlive(visit.tabId, visit.documentId)) {
            await this.deps.store.updateVisit(visit.id, (v) => {
              v.goneAt = null;
            });
          } else {
            await this.closeVisit(visit.id, visit.goneAt);
            this.deps.onQueued();
            this.deps.onChange();
          }
        }
      }
      return next;
    });
  }

  /** A tab came to the front, a window got or lost the focus, somebody left the desk. */
  signal(type: "tab_activated" | "window_focus" | "window_blur" | "idle" | "active", tabId: number): Promise<void> {
    return this.exclusive(async () => {
      const recording = await this.collecting();
      const visit = (await this.deps.store.visitsInTab(tabId)).find((v) => v.goneAt === null);
      // Without a recorded page in that tab there is nothing to say about it.
      if (!recording || visit?.recording !== recording.id) return;
      await this.queue(recording.id, signalEvent(type, visit, this.now(), this.uuid()));
    });
  }

  // What the pages report.

  receive(message: PageMessage, source: Source): Promise<PageResponse> {
    return this.exclusive(() => this.handle(message, source)).then((answer) => {
      // Reading the text takes a while; others need not wait for it.
      if (message.kind === "settled" && answer.ok && answer.records) {
        const reading: Promise<void> = this.readText(message, source)
          .catch(() => undefined)
          .finally(() => this.pendingReads.delete(reading));
        this.pendingReads.add(reading);
      }
      return answer;
    });
  }

  private async handle(message: PageMessage, source: Source): Promise<PageResponse> {
    switch (message.kind) {
      case "visit":
        return this.visit(message, source);
      case "settled":
        return this.settled(message);
      case "snapshot":
        return this.snapshot(message);
      case "leave":
        await this.leave(message);
        return RECORDED;
      case "highlight":
        return this.highlight(message, source);
    }
  }

  private async visit(message: Extract<PageMessage, { kind: "visit" }>, source: Source): Promise<PageResponse> {
    const recording = (await this.deps.store.recordings()).find(life.isOngoing);
    if (!recording) return NOT_RECORDED;
    const isFromOutbox = source.tabId < 0;
    if (isFromOutbox ? recording.scope.kind !== "all" : !life.inScope(recording.scope, source.tabId, source.windowId))
      return NOT_RECORDED;
    // One visit at a time per tab: what was open before is over, whether or not it could say so.
    for (const other of isFromOutbox ? [] : await this.deps.store.visitsInTab(source.tabId)) {
      if (other.documentId !== source.documentId) await this.markUnloaded(other);
    }
    const decision = evaluatePolicy(message.url, await this.policy(source.isIncognito));
    if (!decision.allowed) {
      if (!UNCOUNTED_REASONS.has(decision.reason) && life.isCollecting(recording)) {
        await this.deps.store.countExcluded(recording.id, message.visitId, decision.reason);
        this.deps.onChange();
      }
      return NOT_RECORDED;
    }
    if (!life.isCollecting(recording)) return { ok: true, records: true, isPaused: true };
    const [opener] = source.openerTabId === undefined ? [] : await this.deps.store.visitsInTab(source.openerTabId);
    const body = visitEvent(message, { tabId: source.tabId, openerVisitId: opener?.id });
    const visit: OpenVisit = {
      id: message.visitId,
      recording: recording.id,
      tabId: source.tabId,
      documentId: source.documentId,
      url: body.url as string,
      startedAt: message.at,
      activeMs: message.activeMs,
      maxScroll: message.maxScroll,
      isActive: message.isActive,
      snapshotAt: message.at,
      scrollQuarter: 0,
      goneAt: isFromOutbox ? this.now() : null,
    };
    const isNew = await this.deps.store.openVisit(visit, body, isFromOutbox ? 0 : this.now() + SETTLE_TIMEOUT_MS);
    if (isNew) {
      this.deps.onQueued();
      this.deps.onChange();
    }
    return RECORDED;
  }

  private async settled(message: Extract<PageMessage, { kind: "settled" }>): Promise<PageResponse> {
    const visit = await this.deps.store.visit(message.visitId);
    if (!visit) return NOT_RECORDED;
    if (message.hasPasswordField) {
      await this.deps.store.withdrawVisit(visit.recording, visit.id, "password_field");
      this.deps.onChange();
      return NOT_RECORDED;
    }
    return RECORDED;
  }

  private async readText(message: Extract<PageMessage, { kind: "settled" }>, source: Source): Promise<void> {
    const { recordsText } = await this.deps.settings();
    let extract = recordsText ? await this.deps.pages.extract(source.tabId, source.documentId) : null;
    if (isUnreadPdf(extract)) {
      await this.deps.store.holdEvent(message.visitId, this.now() + PDF_TIMEOUT_MS);
      // Our own fetch would carry the cookies of the normal profile into what a private window looked at.
      extract = withPdfText(extract, source.isIncognito ? null : await this.deps.pages.pdfText(extract.url));
    }
    const title = message.title || (extract?.title ?? "");
    await this.deps.store.completeEvent(message.visitId, visitDetails(title, message.referrer, extract));
    this.deps.onQueued();
  }

  private async snapshot(message: Extract<PageMessage, { kind: "snapshot" }>): Promise<PageResponse> {
    const visit = await this.applyMeasurements(message);
    if (!visit) return NOT_RECORDED;
    const quarter = Math.floor(message.maxScroll * 4);
    if (quarter > visit.scrollQuarter) {
      await this.deps.store.updateVisit(visit.id, (v) => {
        v.scrollQuarter = quarter;
      });
      await this.queue(visit.recording, scrollEvent(visit, message.at, this.uuid()));
    }
    await this.deps.store.updateRecording(visit.recording, (r) => {
      r.lastAliveAt = this.now();
    });
    return RECORDED;
  }

  /** Messages can arrive late and twice; time and depth only grow. */
  private applyMeasurements(
    message: Extract<PageMessage, { kind: "snapshot" | "leave" }>,
  ): Promise<OpenVisit | undefined> {
    return this.deps.store.updateVisit(message.visitId, (visit) => {
      visit.activeMs = Math.max(visit.activeMs, message.activeMs);
      visit.maxScroll = Math.max(visit.maxScroll, message.maxScroll);
      if (message.at < visit.snapshotAt) return;
      visit.isActive = message.isActive;
      visit.snapshotAt = message.at;
    });
  }

  private async leave(message: Extract<PageMessage, { kind: "leave" }>): Promise<void> {
    const visit = await this.applyMeasurements(message);
    if (!visit) return;
    if (message.hasPasswordField) {
      await this.deps.store.withdrawVisit(visit.recording, visit.id, "password_field");
    } else {
      const arrival = message.title ? await this.deps.store.eventById(visit.id) : undefined;
      if (arrival && !arrival.body.title) await this.deps.store.completeEvent(visit.id, { title: message.title });
      await this.deps.store.updateVisit(visit.id, (v) => {
        v.isActive = false;
      });
      await this.closeVisit(visit.id, message.at);
    }
    this.deps.onQueued();
    this.deps.onChange();
  }

  private async highlight(message: Extract<PageMessage, { kind: "highlight" }>, source: Source): Promise<PageResponse> {
    const recording = await this.collecting();
    if (!recording) return NOT_RECORDED;
    const open = message.visitId
      ? await this.deps.store.visit(message.visitId)
      : (await this.deps.store.visitsInTab(source.tabId)).find((v) => v.goneAt === null);
    const context = await this.policy(source.isIncognito);
    // A passage marked in the last moment may arrive after its visit was closed; its address came with it.
    const isLate = !open && message.visitId !== null && evaluatePolicy(message.url, context).allowed;
    if (!isLate && open?.recording !== recording.id) return NOT_RECORDED;
    if (!source.isTopFrame && !evaluatePolicy(source.url, context).allowed) return NOT_RECORDED;
    const place = open ?? { id: message.visitId, url: redactUrl(message.url), tabId: source.tabId };
    await this.queue(recording.id, highlightEvent(message, place, source.isTopFrame ? null : source.url));
    return RECORDED;
  }

  private async queue(recordingId: string, body: EventBody): Promise<void> {
    if (!(await this.deps.store.append(recordingId, body))) return;
    this.deps.onQueued();
    this.deps.onChange();
  }

  private async closeVisits(recordingId: string, at = this.now()): Promise<void> {
    for (const visit of await this.deps.store.visits(recordingId)) await this.closeVisit(visit.id, visit.goneAt ?? at);
  }

  /** Writes the farewell. A visit that was being read when we last heard of it was read on until it ended. */
  private async closeVisit(id: string, at: number): Promise<void> {
    const eventId = this.uuid();
    await this.deps.store.closeVisit(id, (visit) => {
      const unheard = visit.isActive ? Math.max(0, Math.min(at - visit.snapshotAt, MAX_INFERRED_MS)) : 0;
      return leaveEvent({ ...visit, activeMs: visit.activeMs + unheard }, at, eventId);
    });
  }

  private async policy(isIncognito: boolean): Promise<PolicyContext> {
    const settings = await this.deps.settings();
    const ownOrigins = [settings.serverUrl, webOrigin(settings)];
    return {
      excludedHosts: settings.excludedHosts,
      allowsIncognito: settings.allowsIncognito,
      isIncognito,
      ownOrigins,
    };
  }
}
