/** Turns the messages of pages into queued events. The Recorder calls every method from its serial queue. */

import { routeKey } from "../capture/route";
import { evaluatePolicy, type PolicyContext } from "../privacy/policy";
import { redactUrl } from "../privacy/redact";
import type { PageMessage, PageMessageOf, PageResponse } from "../protocol";
import type { EventBody, OpenVisit, Recording } from "../queue/model";
import type { QueueStore } from "../queue/store";
import type { Settings } from "../settings";
import { highlightEvent, scrollEvent, signalEvent, visitEvent } from "./events";
import * as life from "./lifecycle";
import { PageText } from "./page-text";
import type { Pages } from "./pages";
import type { Visits } from "./visits";

/** The origin of a message as Chrome reports it. A message from the outbox has no tab: `tabId` is -1. */
export interface Source {
  tabId: number;
  windowId: number;
  documentId: string;
  isTopFrame: boolean;
  url: string;
  isIncognito: boolean;
  isAudible?: boolean | undefined;
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
/** A page that loads again in its tab within this time continues its visit. */
const RELOAD_TIMEOUT_MS = 10_000;

const NOT_RECORDED = { ok: true, records: false } as const;
const RECORDED = { ok: true, records: true } as const;
/** The visit that the first page of a new tab was opened from. */
const openerKey = (tabId: number) => `opener:${tabId}`;
/** Not counted as excluded: these are not websites, or a count would reveal that they were open. */
const UNCOUNTED_REASONS = new Set(["not_a_page", "incognito", "own_site"]);

export class PageMessageHandler {
  private readonly text: PageText;

  constructor(private readonly deps: PageMessageDeps) {
    this.text = new PageText(deps);
  }

  async handle(message: PageMessage, source: Source): Promise<PageResponse> {
    switch (message.kind) {
      case "visit":
        return this.visit(message, source);
      case "address":
        return this.address(message, source);
      case "settled":
        return this.settled(message);
      case "snapshot":
        return this.snapshot(message, source);
      case "leave":
        await this.leave(message, source);
        return RECORDED;
      case "highlight":
        return this.highlight(message, source);
    }
  }

  /** Adds title and text to a settled visit, which can then be sent. */
  readText(message: PageMessageOf<"settled">, source: Source): Promise<void> {
    return this.text.read(message, source);
  }

  /** A tab was opened from another one: the page that is open there led to the first page of the new tab. */
  async noteOpener(tabId: number, openerTabId: number): Promise<void> {
    const { store } = this.deps;
    const opener = (await store.visitsInTab(openerTabId)).find((v) => v.goneAt === null);
    if (opener) await store.setValue(openerKey(tabId), opener.id);
  }

  async forgetTab(tabId: number): Promise<void> {
    const { store } = this.deps;
    if (await store.getValue(openerKey(tabId))) await store.setValue(openerKey(tabId), undefined);
  }

  /** `source` is null for a final event that the worker asked for. */
  async leave(message: PageMessageOf<"leave">, source: Source | null = null): Promise<void> {
    const { store, visits, onQueued, onChange } = this.deps;
    const visit = await this.applyMeasurements(message, source);
    if (!visit || (source && this.isOfFormerDocument(visit, message, source))) return;
    if (message.hasPasswordField) {
      await store.withdrawVisit(visit.recording, visit.id, "password_field");
    } else {
      const queuedVisit = message.title ? await store.eventById(visit.id) : undefined;
      if (message.text) await this.text.addFinal(visit, message.title, message.text);
      else if (queuedVisit && !queuedVisit.body.title) await store.completeEvent(visit.id, { title: message.title });
      await visits.markLeft(visit, message.at, message.isTransit === true);
      if (!message.isUnload) await visits.close(visit.id, message.at);
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
    const continued = isFromOutbox ? null : await this.endOtherDocuments(message, source);
    const decision = evaluatePolicy(message.url, await policy(source.isIncognito));
    if (!decision.allowed) {
      if (!UNCOUNTED_REASONS.has(decision.reason) && life.isCollecting(recording)) {
        await store.countExcluded(recording.id, message.visitId, decision.reason);
        onChange();
      }
      return NOT_RECORDED;
    }
    if (!life.isCollecting(recording)) return { ok: true, records: true, isPaused: true };
    const audible = source.isAudible ? { isAudible: true } : {};
    if (continued) {
      await visits.continueIn(continued.id, source.documentId, message);
      return { ...RECORDED, visitId: continued.id, ...audible };
    }
    const openerVisitId = isFromOutbox ? undefined : await store.getValue<string>(openerKey(source.tabId));
    if (openerVisitId) await this.forgetTab(source.tabId);
    const body = visitEvent(message, { tabId: source.tabId, openerVisitId });
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
    return { ...RECORDED, ...audible };
  }

  /**
   * A tab shows one document: visits of other documents in it have ended, with or without a final event. Returns the
   * visit that `message` continues, because its document is the same page, loaded again.
   */
  private async endOtherDocuments(message: PageMessageOf<"visit">, source: Source): Promise<OpenVisit | null> {
    const { store, visits, now } = this.deps;
    let continued: OpenVisit | null = null;
    for (const other of await store.visitsInTab(source.tabId)) {
      if (other.documentId === source.documentId) continue;
      const address = other.currentUrl ?? other.url;
      const leftAt = other.leftAt ?? other.goneAt;
      // On a busy machine, the new document can be faster than the final event of the old one.
      const isRecent = leftAt === null ? message.isReload === true : now() - leftAt < RELOAD_TIMEOUT_MS;
      const isReload = message.via === "load" && isRecent;
      if (isReload && routeKey(address) === routeKey(redactUrl(message.url))) {
        continued = other;
      } else if (!(message.via === "load" && other.isTransit && (await store.dropVisit(other.id)))) {
        if (other.leftAt) await visits.close(other.id, other.leftAt);
        else await visits.markUnloaded(other);
      }
    }
    return continued;
  }

  /** The page has changed its address and is still the same page, if the policy allows it there. */
  private async address(message: PageMessageOf<"address">, source: Source): Promise<PageResponse> {
    const { store, visits, policy, onQueued, onChange } = this.deps;
    const visit = await store.visit(message.visitId);
    if (!visit) return NOT_RECORDED;
    const decision = evaluatePolicy(message.url, await policy(source.isIncognito));
    if (decision.allowed) {
      await store.moveVisit(visit.id, redactUrl(message.url), message.isRead);
      return RECORDED;
    }
    const event = await store.eventById(visit.id);
    if ((!message.isRead || message.isYoung) && event && event.seq === null) {
      await store.withdrawVisit(visit.recording, visit.id, decision.reason);
    } else {
      if (!message.isRead) await visits.close(visit.id, message.at);
      if (!UNCOUNTED_REASONS.has(decision.reason)) {
        await store.countExcluded(visit.recording, message.countId, decision.reason);
      }
    }
    onQueued();
    onChange();
    return NOT_RECORDED;
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

  private async snapshot(message: PageMessageOf<"snapshot">, source: Source): Promise<PageResponse> {
    const { store, now, uuid } = this.deps;
    const visit = await this.applyMeasurements(message, source);
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
    return source.isAudible ? { ...RECORDED, isAudible: true } : RECORDED;
  }

  /** True for a late message of the document before a reload. */
  private isOfFormerDocument(visit: OpenVisit, { at }: { at: number }, source: Source): boolean {
    // The outbox does not know from which document a message is.
    return source.tabId < 0 ? at < (visit.continuedAt ?? 0) : source.documentId !== visit.documentId;
  }

  /** Messages can arrive late and more than once, so active time and scroll depth never decrease. */
  private applyMeasurements(
    message: PageMessageOf<"snapshot" | "leave">,
    source: Source | null,
  ): Promise<OpenVisit | undefined> {
    return this.deps.store.updateVisit(message.visitId, (visit) => {
      // Its time is carried already.
      if (source && this.isOfFormerDocument(visit, message, source)) return false;
      visit.activeMs = Math.max(visit.activeMs, (visit.carriedMs ?? 0) + message.activeMs);
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
    const address = source.isTopFrame ? message.url : source.url;
    if (address && !evaluatePolicy(address, context).allowed) return NOT_RECORDED;
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
