/** Turns the messages of pages into queued events. The Recorder calls every method from its serial queue. */

import { evaluatePolicy, type PolicyContext } from "../privacy/policy";
import { redactUrl } from "../privacy/redact";
import type { PageMessage, PageMessageOf, PageResponse } from "../protocol";
import type { EventBody, OpenVisit, Recording } from "../queue/model";
import type { QueueStore } from "../queue/store";
import type { Settings } from "../settings";
import { highlightEvent, scrollEvent, signalEvent, visitDetails, visitEvent } from "./events";
import * as life from "./lifecycle";
import { isUnreadPdf, type Pages, withPdfText } from "./pages";
import type { Visits } from "./visits";

/** The origin of a message as Chrome reports it. A message from the outbox has no tab: `tabId` is -1. */
export interface Source {
  tabId: number;
  windowId: number;
  documentId: string;
  isTopFrame: boolean;
  url: string;
  isIncognito: boolean;
  openerTabId?: number | undefined;
}

export type SignalType = "tab_activated" | "window_focus" | "window_blur" | "idle" | "active";

export interface PageMessageDeps {
  store: QueueStore;
  pages: Pages;
  visits: Visits;
  settings: () => Promise<Settings>;
  policy: (isIncognito: boolean) => Promise<PolicyContext>;
  /** An event was queued. */
  onQueued: () => void;
  onChange: () => void;
  now: () => number;
  uuid: () => string;
}

/** A visit is held this long for its title and text, then sent without them. */
const SETTLE_TIMEOUT_MS = 10_000;
/** Fetching and parsing a PDF takes longer, and continues after the user left its page. */
const PDF_TIMEOUT_MS = 20_000;

const NOT_RECORDED: PageResponse = { ok: true, records: false };
const RECORDED: PageResponse = { ok: true, records: true };
/** Not counted as excluded: these are not websites, or a count would reveal that they were open. */
const UNCOUNTED_REASONS = new Set(["not_a_page", "incognito", "own_site"]);

export class PageMessageHandler {
  constructor(private readonly deps: PageMessageDeps) {}

  async handle(message: PageMessage, source: Source): Promise<PageResponse> {
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

  /** Adds title and text to a settled visit, which can then be sent. */
  async readText(message: PageMessageOf<"settled">, source: Source): Promise<void> {
    const { store, pages, settings, now, onQueued } = this.deps;
    const { recordsText } = await settings();
    let extract = recordsText ? await pages.extract(source.tabId, source.documentId) : null;
    if (isUnreadPdf(extract)) {
      await store.holdEvent(message.visitId, now() + PDF_TIMEOUT_MS);
      // The extension fetches with the cookies of the normal profile: a document of a private window is not fetched.
      extract = withPdfText(extract, source.isIncognito ? null : await pages.pdfText(extract.url));
    }
    const title = message.title || (extract?.title ?? "");
    await store.completeEvent(message.visitId, visitDetails(title, message.referrer, extract));
    onQueued();
  }

  async leave(message: PageMessageOf<"leave">): Promise<void> {
    const { store, visits, onQueued, onChange } = this.deps;
    const visit = await this.applyMeasurements(message);
    if (!visit) return;
    if (message.hasPasswordField) {
      await store.withdrawVisit(visit.recording, visit.id, "password_field");
    } else {
      const queuedVisit = message.title ? await store.eventById(visit.id) : undefined;
      if (queuedVisit && !queuedVisit.body.title) await store.completeEvent(visit.id, { title: message.title });
      await store.updateVisit(visit.id, (v) => {
        v.isActive = false;
      });
      await visits.close(visit.id, message.at);
    }
    onQueued();
    onChange();
  }

  async signal(type: SignalType, tabId: number): Promise<void> {
    const recording = await this.collecting();
    const visit = (await this.deps.store.visitsInTab(tabId)).find((v) => v.goneAt === null);
    // Signals of tabs without a recorded page are not recorded.
    if (!recording || visit?.recording !== recording.id) return;
    await this.queue(recording.id, signalEvent(type, visit, this.deps.now(), this.deps.uuid()));
  }

  private async collecting(): Promise<Recording | undefined> {
    return (await this.deps.store.recordings()).find(life.isCollecting);
  }

  private async visit(message: PageMessageOf<"visit">, source: Source): Promise<PageResponse> {
    const { store, visits, policy, now, onQueued, onChange } = this.deps;
    const recording = (await store.recordings()).find(life.isOngoing);
    if (!recording) return NOT_RECORDED;
    const isFromOutbox = source.tabId < 0;
    if (isFromOutbox ? recording.scope.kind !== "all" : !life.inScope(recording.scope, source.tabId, source.windowId))
      return NOT_RECORDED;
    // A tab shows one document: visits of other documents in it have ended, with or without a final event.
    for (const other of isFromOutbox ? [] : await store.visitsInTab(source.tabId)) {
      if (other.documentId !== source.documentId) await visits.markUnloaded(other);
    }
    const decision = evaluatePolicy(message.url, await policy(source.isIncognito));
    if (!decision.allowed) {
      if (!UNCOUNTED_REASONS.has(decision.reason) && life.isCollecting(recording)) {
        await store.countExcluded(recording.id, message.visitId, decision.reason);
        onChange();
      }
      return NOT_RECORDED;
    }
    if (!life.isCollecting(recording)) return { ok: true, records: true, isPaused: true };
    const [opener] = source.openerTabId === undefined ? [] : await store.visitsInTab(source.openerTabId);
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
      goneAt: isFromOutbox ? now() : null,
    };
    const isNew = await store.openVisit(visit, body, isFromOutbox ? 0 : now() + SETTLE_TIMEOUT_MS);
    if (isNew) {
      onQueued();
      onChange();
    }
    return RECORDED;
  }

  private async settled(message: PageMessageOf<"settled">): Promise<PageResponse> {
    const visit = await this.deps.store.visit(message.visitId);
    if (!visit) return NOT_RECORDED;
    if (message.hasPasswordField) {
      await this.deps.store.withdrawVisit(visit.recording, visit.id, "password_field");
      this.deps.onChange();
      return NOT_RECORDED;
    }
    return RECORDED;
  }

  private async snapshot(message: PageMessageOf<"snapshot">): Promise<PageResponse> {
    const { store, now, uuid } = this.deps;
    const visit = await this.applyMeasurements(message);
    if (!visit) return NOT_RECORDED;
    const quarter = Math.floor(message.maxScroll * 4);
    if (quarter > visit.scrollQuarter) {
      await store.updateVisit(visit.id, (v) => {
        v.scrollQuarter = quarter;
      });
      await this.queue(visit.recording, scrollEvent(visit, message.at, uuid()));
    }
    await store.updateRecording(visit.recording, (r) => {
      r.lastAliveAt = now();
    });
    return RECORDED;
  }

  /** Messages can arrive late and more than once, so active time and scroll depth never decrease. */
  private applyMeasurements(message: PageMessageOf<"snapshot" | "leave">): Promise<OpenVisit | undefined> {
    return this.deps.store.updateVisit(message.visitId, (visit) => {
      visit.activeMs = Math.max(visit.activeMs, message.activeMs);
      visit.maxScroll = Math.max(visit.maxScroll, message.maxScroll);
      if (message.at < visit.snapshotAt) return;
      visit.isActive = message.isActive;
      visit.snapshotAt = message.at;
    });
  }

  private async highlight(message: PageMessageOf<"highlight">, source: Source): Promise<PageResponse> {
    const { store, policy } = this.deps;
    const recording = await this.collecting();
    if (!recording) return NOT_RECORDED;
    const visit = message.visitId
      ? await store.visit(message.visitId)
      : (await store.visitsInTab(source.tabId)).find((v) => v.goneAt === null);
    const context = await policy(source.isIncognito);
    // A highlight can arrive after its visit was closed; the message carries the address that the policy checks.
    const isLate = !visit && message.visitId !== null && evaluatePolicy(message.url, context).allowed;
    if (!isLate && visit?.recording !== recording.id) return NOT_RECORDED;
    if (!source.isTopFrame && !evaluatePolicy(source.url, context).allowed) return NOT_RECORDED;
    const page = visit ?? { id: message.visitId, url: redactUrl(message.url), tabId: source.tabId };
    await this.queue(recording.id, highlightEvent(message, page, source.isTopFrame ? null : source.url));
    return RECORDED;
  }

  private async queue(recordingId: string, body: EventBody): Promise<void> {
    if (!(await this.deps.store.append(recordingId, body))) return;
    this.deps.onQueued();
    this.deps.onChange();
  }
}
