/** The end of visits: final events for pages that sent one, and for pages that disappeared without one. */

import type { OpenVisit } from "../queue/model";
import type { QueueStore } from "../queue/store";
import { leaveEvent } from "./events";
import type { Pages } from "./pages";

/** The final event of an unloaded page can arrive this long after the browser reported the unload. */
const FINAL_EVENT_GRACE_MS = 1_500;
/** An active page reports every 10 s; time beyond that interval is not counted as active. */
const MAX_INFERRED_MS = 11_000;

/** Active time until `at`: if the last snapshot was active, the page counts as active until its next report was due. */
export function inferActiveMs(visit: OpenVisit, at: number): number {
  const sinceSnapshotMs = Math.max(0, Math.min(at - visit.snapshotAt, MAX_INFERRED_MS));
  return visit.activeMs + (visit.isActive ? sinceSnapshotMs : 0);
}

export interface VisitDeps {
  store: QueueStore;
  pages: Pick<Pages, "isDocumentAlive">;
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
      v.isActive = false;
      v.leftAt = at;
      v.isTransit = isTransit;
      v.goneAt ??= this.deps.now();
    });
  }

  /** The same page, loaded again in `documentId`, continues a visit. */
  async continueIn(id: string, documentId: string, { at, isActive }: Pick<OpenVisit, "isActive"> & { at: number }) {
    await this.deps.store.updateVisit(id, (visit) => {
      visit.activeMs = inferActiveMs(visit, visit.leftAt ?? visit.goneAt ?? at);
      Object.assign(visit, { documentId, carriedMs: visit.activeMs, isActive, snapshotAt: at });
      Object.assign(visit, { goneAt: null, leftAt: null, isTransit: false });
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
        if (now() - visit.goneAt < FINAL_EVENT_GRACE_MS) {
          next = Math.min(next ?? Infinity, visit.goneAt + FINAL_EVENT_GRACE_MS);
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
