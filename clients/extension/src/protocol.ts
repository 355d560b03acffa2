/** The messages between pages, popup and service worker. */

import * as v from "valibot";

import type { ScopeChoice } from "./recording/view";

const count = v.pipe(v.number(), v.minValue(0));
const depth = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const short = (max: number) => v.pipe(v.string(), v.maxLength(max));

const snapshot = {
  visitId: v.pipe(v.string(), v.uuid()),
  at: v.number(),
  activeMs: count,
  maxScroll: depth,
  isActive: v.boolean(),
};

/** The position of a passage, after the W3C Web Annotation data model. */
export const Anchor = v.object({
  quote: v.object({ exact: short(1_000), prefix: short(64), suffix: short(64) }),
  /** Null in a shadow root, whose text is not part of the document's. */
  position: v.nullable(v.object({ start: count, end: count })),
});
export type Anchor = v.InferOutput<typeof Anchor>;

/**
 * From a page to the worker. A page's renderer is the least trusted part of the browser, so every field is validated;
 * tab, frame and address come from Chrome, not from the message.
 */
export const PageMessage = v.variant("kind", [
  v.object({
    kind: v.literal("visit"),
    ...snapshot,
    url: short(8_192),
    via: v.picklist(["load", "route", "restore", "start"]),
    /** The document replaces the same one, loaded before. */
    isReload: v.optional(v.boolean()),
    /** Of an error page only. */
    httpStatus: v.optional(v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599))),
  }),
  v.object({
    /** The page has changed its address and is still the same page. */
    kind: v.literal("address"),
    visitId: v.string(),
    at: v.number(),
    url: short(8_192),
    /** The key under which an excluded address is counted. */
    countId: v.pipe(v.string(), v.uuid()),
    /** The text of the page was read at an address before this one. */
    isRead: v.boolean(),
    /** It was loaded a moment ago, without input since. */
    isYoung: v.boolean(),
  }),
  v.object({
    kind: v.literal("settled"),
    visitId: v.string(),
    title: short(1_000),
    referrer: short(8_192),
    hasPasswordField: v.boolean(),
    /** False if the page still changes: its title and text are provisional. */
    isResting: v.optional(v.boolean()),
  }),
  v.object({ kind: v.literal("snapshot"), ...snapshot }),
  v.object({
    kind: v.literal("leave"),
    ...snapshot,
    title: short(1_000),
    hasPasswordField: v.boolean(),
    /** The document is being unloaded. */
    isUnload: v.optional(v.boolean()),
    /** The document was there for a moment, without input: if another one replaces it, it was not read. */
    isTransit: v.optional(v.boolean()),
    /** What the page showed in the end, if it had not rested before. */
    text: v.optional(short(50_000)),
  }),
  v.object({
    kind: v.literal("highlight"),
    highlightId: v.pipe(v.string(), v.uuid()),
    /** Null from a frame, which does not know the visit of its page. */
    visitId: v.nullable(v.string()),
    url: short(8_192),
    at: v.number(),
    text: v.pipe(v.string(), v.minLength(1), v.maxLength(1_000)),
    selector: short(500),
    anchor: v.nullable(Anchor),
    via: v.picklist(["mouse", "keyboard", "touch", "menu", "command"]),
  }),
]);
export type PageMessage = v.InferOutput<typeof PageMessage>;
/** The page message of one kind. */
export type PageMessageOf<K extends PageMessage["kind"]> = Extract<PageMessage, { kind: K }>;

/** `ok: false`: the worker could not store the message; the page keeps it and sends it again. */
export type PageResponse =
  | {
      ok: true;
      records?: boolean;
      isPaused?: boolean;
      /** The visit that this document continues, because it was loaded again. */
      visitId?: string;
      /** The tab plays sound. */
      isAudible?: boolean;
    }
  | { ok: false };

/** From the worker to the pages. */
export type WorkerMessage =
  | { kind: "begin" }
  | { kind: "pause" }
  | { kind: "resume" }
  /** Ends the visit of this document and returns its final event. */
  | { kind: "finish" }
  | { kind: "presence"; isIdle?: boolean; isAudible?: boolean }
  | { kind: "highlight-selection"; via: "menu" | "command" };

/** From the popup and the other extension pages to the worker. */
export interface Commands {
  refresh: { args: Record<string, never>; result: null };
  start: { args: { scope: ScopeChoice; tabId: number | null; windowId: number | null }; result: null };
  pause: { args: Record<string, never>; result: null };
  resume: { args: Record<string, never>; result: null };
  stop: { args: Record<string, never>; result: null };
  rename: { args: { id: string; title: string }; result: null };
  /** The choice of the user for an interrupted or lost recording. */
  decide: { args: { id: string; choice: "continue" | "finish" | "delete" }; result: null };
  dismiss: { args: { id: string }; result: null };
  retry: { args: Record<string, never>; result: null };
  signIn: { args: { email: string; password: string; isNew: boolean }; result: { isMailSent: boolean } };
  signInWithGoogle: { args: Record<string, never>; result: null };
  /** Null for a server that is unreachable or too old to say. */
  modelVendors: { args: Record<string, never>; result: string[] | null };
  hasGoogle: { args: Record<string, never>; result: boolean };
  sendsMail: { args: Record<string, never>; result: boolean };
  signInOnTheWeb: { args: Record<string, never>; result: null };
  signOut: { args: Record<string, never>; result: null };
  recent: { args: Record<string, never>; result: RecentSession[] };
  renameRecent: { args: { sessionId: string; title: string }; result: null };
  exclude: { args: { host: string }; result: null };
  /** Records a site although a default rule excludes it. */
  allow: { args: { host: string }; result: null };
  /** Removes a site from both lists. */
  forgetSite: { args: { host: string }; result: null };
  export: { args: { id: string }; result: string };
  preview: { args: { tabId: number }; result: Preview };
  importTabs: { args: Record<string, never>; result: { imported: number; skipped: number } };
  importHistory: { args: { hours: number }; result: { imported: number; skipped: number } };
}

export interface RecentSession {
  id: string;
  title: string;
  status: string;
  startedAt: number;
  pages: number | null;
}

export interface Preview {
  url: string;
  decision: { allowed: true } | { allowed: false; reason: string };
  /** The events exactly as they would be sent, null if the page is not recorded. */
  events: unknown[] | null;
}

export type CommandName = keyof Commands;
export type CommandResponse<K extends CommandName> = { ok: true; value: Commands[K]["result"] } | CommandFailure;

/** `server`: the error of the API, which the popup words in its language. */
export interface CommandFailure {
  ok: false;
  code: string;
  server?: { code: string; values: Record<string, string> };
}
