/** The service worker's access to pages: injects the recorder script, sends it messages, and reads pages. */

import { browser } from "wxt/browser";
import { readPdfOffscreen } from "../pdf/offscreen";
import type { PdfText } from "../pdf/text";
import type { PageMessage, WorkerMessage } from "../protocol";

const SCRIPT_ID = "recorder";
const FILES: ["/recorder.js"] = ["/recorder.js"];
const ALL_SITES = ["http://*/*", "https://*/*"];
const RESPONSE_TIMEOUT_MS = 700;

/** The result of `extract.js`, which returns null on a page with a password field. */
export interface PageExtract {
  title: string;
  url: string;
  referrer: string;
  text: string;
  method: string;
  isTruncated: boolean;
  language: string | null;
  description: string | null;
  canonical: string | null;
  /** Why a page that shows text has none here. */
  missing?: "pdf_unreadable" | undefined;
}

export interface FinalEvent {
  tabId: number;
  message: PageMessage;
}

export interface Pages {
  /** Injects the recorder into every new document, and into the open ones that `accepts` allows. */
  install(accepts: (tab: { id: number; windowId: number; url: string; incognito: boolean }) => boolean): Promise<void>;
  uninstall(): Promise<void>;
  broadcast(message: WorkerMessage, tabId?: number): Promise<void>;
  /** Ends every visit and returns the final events of the pages that responded in time. */
  finish(): Promise<FinalEvent[]>;
  isDocumentAlive(tabId: number, documentId: string): Promise<boolean>;
  /** The tab exists and is loading a document. */
  isLoading(tabId: number): Promise<boolean>;
  /** Null if the page has a password field or cannot be read. */
  extract(tabId: number, documentId: string | null): Promise<PageExtract | null>;
  /** The text of the PDF at `url`, null if it cannot be read. Takes up to 20 s. */
  pdfText(url: string): Promise<PdfText | null>;
}

/** True if `extract` is of a PDF, whose text scripts cannot read in Chrome's viewer. */
export const isUnreadPdf = (extract: PageExtract | null): extract is PageExtract =>
  extract?.method === "pdf" && extract.text === "";

export function withPdfText(extract: PageExtract, pdf: PdfText | null): PageExtract {
  if (!pdf) return { ...extract, method: "none", missing: "pdf_unreadable" };
  const { title, text, isTruncated } = pdf;
  const named = { ...extract, title: extract.title || title };
  return text === ""
    ? { ...named, method: "none", missing: "pdf_unreadable" }
    : { ...named, text, isTruncated, method: "pdf" };
}

const tabIds = async (): Promise<number[]> => (await browser.tabs.query({})).flatMap(({ id }) => (id ? [id] : []));

function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  return Promise.race([promise.catch(() => null), new Promise<null>((resolve) => setTimeout(() => resolve(null), ms))]);
}

export const browserPages: Pages = {
  async install(accepts) {
    const registered = await browser.scripting.getRegisteredContentScripts({ ids: [SCRIPT_ID] });
    if (registered.length === 0) {
      await browser.scripting.registerContentScripts([
        {
          id: SCRIPT_ID,
          js: FILES,
          matches: ALL_SITES,
          runAt: "document_start",
          allFrames: true,
          persistAcrossSessions: false,
        },
      ]);
    }
    const open = (await browser.tabs.query({})).filter(
      (tab) =>
        tab.id &&
        !tab.discarded &&
        accepts({ id: tab.id, windowId: tab.windowId, url: tab.url ?? "", incognito: tab.incognito }),
    );
    await Promise.all(
      open.map((tab) =>
        browser.scripting
          .executeScript({ target: { tabId: tab.id as number, allFrames: true }, files: FILES })
          // The web store, error pages and others reject scripts.
          .catch(() => undefined),
      ),
    );
  },

  async uninstall() {
    await browser.scripting.unregisterContentScripts({ ids: [SCRIPT_ID] }).catch(() => undefined);
  },

  async broadcast(message, tabId) {
    const targets = tabId === undefined ? await tabIds() : [tabId];
    await Promise.all(targets.map((id) => withTimeout(browser.tabs.sendMessage(id, message), RESPONSE_TIMEOUT_MS)));
  },

  async finish() {
    const responses = await Promise.all(
      (await tabIds()).map(async (tabId) => {
        const sent = browser.tabs.sendMessage(tabId, { kind: "finish" } satisfies WorkerMessage, { frameId: 0 });
        const message = (await withTimeout(sent, RESPONSE_TIMEOUT_MS)) as PageMessage | null;
        return message ? [{ tabId, message }] : [];
      }),
    );
    return responses.flat();
  },

  async isDocumentAlive(tabId, documentId) {
    const probe: WorkerMessage = { kind: "presence" };
    const response = browser.tabs.sendMessage(tabId, probe, { documentId }).then(() => true);
    return (await withTimeout(response, RESPONSE_TIMEOUT_MS)) ?? false;
  },

  async isLoading(tabId) {
    const tab = await browser.tabs.get(tabId).catch(() => null);
    return tab?.status === "loading";
  },

  async extract(tabId, documentId) {
    const target = documentId ? { tabId, documentIds: [documentId] } : { tabId };
    const results = await browser.scripting.executeScript({ target, files: ["/extract.js"] }).catch(() => []);
    return ((results[0] as { result?: PageExtract } | undefined)?.result ?? null) as PageExtract | null;
  },

  pdfText: readPdfOffscreen,
};
