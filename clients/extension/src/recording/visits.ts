/** The end of visits: final events for pages that sent one, and for pages that disappeared without one. */

import type { OpenVisit } from "../queue/model";
import type { QueueStore } from "../queue/store";
import { leaveEvent } from "./events";
import type { Pages } from "./pages";

/** The final event of an unloaded page can arrive this long after the browser reported the unload. */
const FINAL_EVENT_GRACE_MS = 1_500;
/** An active page reports every 10 s; time beyond that interval is not counted as active. */
const MAX_INFERRED_MS = 11_000;
/** Between two documents of one page the user sees the old one, or nothing for a moment; a longer time is not read. */
const MAX_RELOAD_MS = 3_000;
/** A tab that loads may load the same page again, on a busy machine for this long. */
const MAX_LOADING_MS = 8_000;
/** A tab that loads is looked at again after this time. */
const LOADING_CHECK_MS = 500;

/** Active time until `at`: if the last snapshot was active, the page counts as active until its next report was due. */
export function inferActiveMs(visit: OpenVisit, at: number): number {
  const sinceSnapshotMs = Math.max(0, Math.min(at - visit.snapshotAt, MAX_INFERRED_MS));
  return visit.activeMs + (visit.isActive ? sinceSnapshotMs : 0);
}

export interface VisitDeps {
  store: QueueStore;
  pages: Pick<Pages, "isDocumentAlive" | "isLoading">;
  now: () => number;
  uuid: () => string;
}

export class Visits {
  constructor(private readonly deps: VisitDeps) {}

  /** Marks a visit whose document may be unloaded; `sweep` closes it unless its document still responds. */
  async markUnloaded(visit: OpenVisit): Promise<void> {
    await this.deps.store.updateVisit(visit.id, (v) => {
      v.goneAt ??= this.deps.now();
    });
  }

  /**
   * Keeps the final measurements of an unloaded page. Its final event is queued by `sweep`, unless the same page loads
   * again in its tab, or another one replaces a page that was not read.
   */
  async markLeft(visit: OpenVisit, at: number, isTransit: boolean): Promise<void> {
    await this.deps.store.updateVisit(visit.id, (v) => {
      v.wasActive = v.isActive;
      v.isActive = false;
      v.leftAt = at;
      v.isTransit = isTransit;
      v.goneAt ??= this.deps.now();
    });
  }

  /** The same page, loaded again in `documentId`, continues a visit. */
  async continueIn(id: string, documentId: string, { at, isActive }: Pick<OpenVisit, "isActive"> & { at: number }) {
    await this.deps.store.updateVisit(id, (visit) => {
      const endedAt = visit.leftAt ?? visit.goneAt ?? at;
      const loadingMs = visit.wasActive ? Math.max(0, Math.min(at - endedAt, MAX_RELOAD_MS)) : 0;
      visit.activeMs = inferActiveMs(visit, endedAt) + loadingMs;
      Object.assign(visit, { documentId, carriedMs: visit.activeMs, isActive, snapshotAt: at, continuedAt: at });
      Object.assign(visit, { goneAt: null, leftAt: null, wasActive: false, isTransit: false });
    });
  }

  /** Queues the final event of a visit. */
  async close(id: string, at: number): Promise<void> {
    const eventId = this.deps.uuid();
    await this.deps.store.closeVisit(id, (visit) =>
      leaveEvent({ ...visit, activeMs: inferActiveMs(visit, at) }, at, eventId),
    );
  }

  async closeAll(recordingId: string, at = this.deps.now()): Promise<void> {
    for (const visit of await this.deps.store.visits(recordingId)) {
      await this.close(visit.id, visit.leftAt ?? visit.goneAt ?? at);
    }
  }

  /**
   * Closes visits whose document is unloaded and sent no final event. `onClosed` is called for each.
   * Returns when to call it again, null if no visit is marked as unloaded.
   */
  async sweep(onClosed: () => void): Promise<number | null> {
    const { store, pages, now } = this.deps;
    let next: number | null = null;
    for (const recording of await store.recordings()) {
      for (const visit of await store.visits(recording.id)) {
        if (visit.goneAt === null) continue;
        const goneMs = now() - visit.goneAt;
        if (goneMs < FINAL_EVENT_GRACE_MS) {
          next = Math.min(next ?? Infinity, visit.goneAt + FINAL_EVENT_GRACE_MS);
        } else if (goneMs < MAX_LOADING_MS && (await pages.isLoading(visit.tabId))) {
          next = Math.min(next ?? Infinity, now() + LOADING_CHECK_MS);
        } else if (visit.leftAt) {
          await this.close(visit.id, visit.leftAt);
          onClosed();
        } else if (await pages.isDocumentAlive(visit.tabId, visit.documentId)) {
          await store.updateVisit(visit.id, (v) => {
            v.goneAt = null;
          });
        } else {
          await this.close(visit.id, visit.goneAt);
          onClosed();
        }
      }
    }
    return next;
  }
}
