/** Creates a finished recording from the open tabs, or from the last hours of the history. */

import { uuid } from "@trailmind/api";
import { browser } from "wxt/browser";

import { evaluatePolicy, type PolicyContext } from "../privacy/policy";
import { redactUrl } from "../privacy/redact";
import type { EventBody } from "../queue/model";
import type { QueueStore } from "../queue/store";
import { visitDetails, visitEvent } from "../recording/events";
import { newRecording } from "../recording/lifecycle";
import { isUnreadPdf, type Pages, withPdfText } from "../recording/pages";

export interface ImportResult {
  imported: number;
  skipped: number;
}

interface ImportedVisit {
  at: number;
  body: EventBody;
}

export interface ImportDeps {
  store: QueueStore;
  pages: Pick<Pages, "extract" | "pdfText">;
  user: { id: string; origin: string };
  policy: Omit<PolicyContext, "isIncognito">;
  recordsText: boolean;
  now: () => number;
}

/** PDFs are read one after the other; those that are not read within this time are imported without text. */
const PDF_BUDGET_MS = 30_000;

/** Imports the open tabs with their text, ordered by their last access. */
export async function importTabs(deps: ImportDeps): Promise<ImportResult> {
  const tabs = await browser.tabs.query({});
  const allowed = tabs.filter(
    (tab) => tab.id && evaluatePolicy(tab.url ?? "", { ...deps.policy, isIncognito: tab.incognito }).allowed,
  );
  const until = deps.now() + PDF_BUDGET_MS;
  const visits = await Promise.all(
    allowed.map(async (tab): Promise<ImportedVisit | null> => {
      const at = Math.round(tab.lastAccessed ?? deps.now());
      let extract = tab.discarded ? null : await deps.pages.extract(tab.id as number, null);
      // The page cannot be read, or it has a password field.
      if (!tab.discarded && !extract) return null;
      if (!deps.recordsText) extract = null;
      if (isUnreadPdf(extract)) {
        const canRead = !tab.incognito && deps.now() < until;
        extract = withPdfText(extract, canRead ? await deps.pages.pdfText(extract.url) : null);
      }
      const visit = { visitId: uuid(), at, via: "load" as const, url: tab.url as string };
      const body = visitEvent(visit, { tabId: tab.id as number });
      const details = visitDetails(tab.title ?? "", extract?.referrer ?? "", extract);
      return {
        at,
        body: { ...body, ...details, metadata: { ...body.metadata, ...details.metadata, via: "open_tab" } },
      };
    }),
  );
  const recordable = visits.filter((visit) => visit !== null);
  return saveRecording(deps, recordable, tabs.length - recordable.length);
}

/** Imports the history of the last `hours`: addresses, titles and times. Chrome stores no text and no dwell time. */
export async function importHistory(deps: ImportDeps, hours: number): Promise<ImportResult> {
  const since = deps.now() - hours * 3_600_000;
  const items = await browser.history.search({ text: "", startTime: since, maxResults: 2_000 });
  const visits: ImportedVisit[] = [];
  let skipped = 0;
  for (const item of items) {
    if (!item.url || !evaluatePolicy(item.url, { ...deps.policy, isIncognito: false }).allowed) {
      skipped += 1;
      continue;
    }
    for (const visit of await browser.history.getVisits({ url: item.url })) {
      const at = Math.round(visit.visitTime ?? 0);
      if (at < since || visit.transition === "auto_subframe" || visit.transition === "reload") continue;
      const body: EventBody = { event_id: uuid(), type: "page_visit", timestamp: at, url: redactUrl(item.url) };
      visits.push({
        at,
        body: { ...body, ...(item.title ? { title: item.title } : {}), metadata: { via: "history" } },
      });
    }
  }
  return saveRecording(deps, visits, skipped);
}

async function saveRecording(deps: ImportDeps, visits: ImportedVisit[], skipped: number): Promise<ImportResult> {
  if (visits.length === 0) return { imported: 0, skipped };
  visits.sort((a, b) => a.at - b.at);
  const recording = newRecording({
    id: uuid(),
    userId: deps.user.id,
    origin: deps.user.origin,
    title: "",
    scope: { kind: "all" },
    now: deps.now(),
  });
  // `paused` until all events are queued: the sender stops the session of a `stopping` recording.
  await deps.store.addRecording({
    ...recording,
    status: "paused",
    pausedAt: deps.now(),
    startedAt: visits[0]?.at ?? deps.now(),
  });
  for (const { body } of visits) await deps.store.append(recording.id, body);
  await deps.store.updateRecording(recording.id, (r) => {
    Object.assign(r, { status: "stopping", pausedAt: null, endedAt: deps.now() });
  });
  return { imported: visits.length, skipped };
}
