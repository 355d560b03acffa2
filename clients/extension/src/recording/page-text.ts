/** Reads the text of a page and adds it, with its title, to the visit's event, or corrects an event that was sent. */

import { routeKey } from "../capture/route";
import { evaluatePolicy, type PolicyContext } from "../privacy/policy";
import { redactUrl } from "../privacy/redact";
import type { PageMessageOf } from "../protocol";
import type { EventBody, OpenVisit } from "../queue/model";
import type { QueueStore } from "../queue/store";
import type { Settings } from "../settings";
import { updateEvent, visitDetails } from "./events";
import { isUnreadPdf, type PageExtract, type Pages, withPdfText } from "./pages";

/** Fetching and parsing a PDF takes longer, and continues after the user left its page. */
const PDF_TIMEOUT_MS = 20_000;
/** A text below this length may be the sign of a page that is still loading: its event waits for a better one. */
const SHORT_TEXT_CHARS = 500;
const SHORT_TEXT_TIMEOUT_MS = 10_000;
/** A page that goes on to an excluded address within this time is withdrawn, which is possible before it is sent. */
const MIN_HELD_MS = 3_000;
/** A correction that changes less than this is not sent. */
const MIN_CHANGED_CHARS = 40;
const MIN_CHANGED_PART = 0.05;

export interface PageTextDeps {
  store: QueueStore;
  pages: Pages;
  settings: () => Promise<Settings>;
  policy: (isIncognito: boolean) => Promise<PolicyContext>;
  onQueued: () => void;
  now: () => number;
  uuid: () => string;
}

/** The document that a text is read from. */
export interface TextSource {
  tabId: number;
  documentId: string;
  isIncognito: boolean;
}

export class PageText {
  constructor(private readonly deps: PageTextDeps) {}

  /** Adds title and text to a settled visit, which can then be sent. */
  async read(message: PageMessageOf<"settled">, source: TextSource): Promise<void> {
    const { store, pages, settings, now, onQueued } = this.deps;
    const { recordsText } = await settings();
    let extract = recordsText ? await pages.extract(source.tabId, source.documentId) : null;
    if (extract && !(await this.isReadAtAddressOf(message.visitId, extract, source.isIncognito))) extract = null;
    if (isUnreadPdf(extract)) {
      await store.holdEvent(message.visitId, now() + PDF_TIMEOUT_MS);
      // The extension fetches with the cookies of the normal profile: a document of a private window is not fetched.
      extract = withPdfText(extract, source.isIncognito ? null : await pages.pdfText(extract.url));
    }
    // A title that the page withholds is that of another page.
    const title = message.title || (message.isResting === undefined ? (extract?.title ?? "") : "");
    const visit = await store.visit(message.visitId);
    const details = visitDetails(title, message.referrer, extract);
    const heldUntil = this.holdUntil(message, visit, extract);
    const isComplete = await store.completeUnsent(message.visitId, details, heldUntil);
    if (!isComplete && visit) await this.correct(visit, details);
    await store.updateVisit(message.visitId, (v) => {
      v.read = { title: title || (v.read?.title ?? ""), numChars: details.content?.length ?? v.read?.numChars ?? 0 };
    });
    onQueued();
  }

  /** Adds the text of a page that was left before it rested. A text of some length was read before: it is better. */
  async addFinal(visit: OpenVisit, title: string, text: string): Promise<void> {
    const { store, settings } = this.deps;
    const isBetter = (await settings()).recordsText && (visit.read?.numChars ?? 0) < SHORT_TEXT_CHARS;
    const details: Partial<EventBody> = {
      ...(title ? { title } : {}),
      ...(isBetter ? { content: text, metadata: { text_method: "visible" } } : {}),
    };
    if (!(await store.completeUnsent(visit.id, details, 0))) await this.correct(visit, details);
  }

  /**
   * False if the page had left the address of its visit when it was read. Then nothing of it is kept: the policy has
   * decided about the address of the visit, not about that one.
   */
  private async isReadAtAddressOf(visitId: string, { url }: PageExtract, isIncognito: boolean): Promise<boolean> {
    const { store, policy } = this.deps;
    if (url === "") return true;
    if (!evaluatePolicy(url, await policy(isIncognito)).allowed) return false;
    const visit = await store.visit(visitId);
    const address = visit ? (visit.currentUrl ?? visit.url) : (await store.eventById(visitId))?.body.url;
    return address !== undefined && routeKey(redactUrl(url)) === routeKey(address);
  }

  private holdUntil(
    { isResting }: PageMessageOf<"settled">,
    visit: OpenVisit | undefined,
    extract: PageExtract | null,
  ): number {
    if (isResting === undefined || !visit || visit.leftAt || visit.goneAt) return 0;
    const isProvisional = !isResting || (extract !== null && extract.text.length < SHORT_TEXT_CHARS);
    const isShort = isProvisional && extract?.method !== "pdf";
    return visit.startedAt + (isShort ? SHORT_TEXT_TIMEOUT_MS : MIN_HELD_MS);
  }

  private async correct(visit: OpenVisit, details: Partial<EventBody>): Promise<void> {
    const { store, now, uuid } = this.deps;
    const read = visit.read ?? { title: "", numChars: 0 };
    const numChars = details.content?.length ?? 0;
    const changed = Math.abs(numChars - read.numChars);
    const hasNewText = numChars > 0 && changed > Math.min(MIN_CHANGED_CHARS, read.numChars * MIN_CHANGED_PART);
    const hasNewTitle = details.title !== undefined && details.title !== read.title;
    if (!hasNewText && !hasNewTitle) return;
    const { title, content, metadata } = details;
    const corrected = {
      ...(title ? { title } : {}),
      ...(hasNewText && content ? { content, ...(metadata ? { metadata } : {}) } : {}),
    };
    await store.append(visit.recording, updateEvent(visit, corrected, now(), uuid()));
  }
}
