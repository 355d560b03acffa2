/**
 * Edits that the server has not saved yet, kept in localStorage, so that a closed tab, a crash or a server that does not
 * answer loses none. Each page has its own entry; the next page continues the entry of a page that is gone.
 */
import { isRecord, type OperationBody, uuid } from "@trailmind/api";
import type { MapOwner } from "~/api/queries";

export interface StoredEdits {
  operations: OperationBody[];
  /** The length of the edit log and the version of the map that the first operation is based on. */
  seq: number | undefined;
  version: number | undefined;
}

const PREFIX = "trailmind.edits.";
/** An entry that its page has not written for so long belongs to no page: an open page retries more often. */
const ABANDONED_AFTER_MS = 180_000;

let madeId: string | null = null;
/** Made when it is needed: where `uuid` fails, a module that calls it while it loads leaves the page blank. */
const pageId = () => {
  madeId ??= uuid();
  return madeId;
};
/** Whether this page is being left. An answer that still arrives stores what is left for the next page, too. */
let isPageLeft = false;
addEventListener("pagehide", () => {
  isPageLeft = true;
  for (const key of storedKeys().filter(isOfThisPage)) {
    const entry = parseEntry(key);
    if (entry) writeEntry(entry);
  }
});
addEventListener("pageshow", () => {
  // The browser may show a page again that it has kept.
  isPageLeft = false;
});
const keyOf = (ownerId: string) => `${PREFIX}${ownerId}.${pageId()}`;
const isOfThisPage = (key: string) => madeId !== null && key.endsWith(`.${madeId}`);

/** Keeps the edits of a map that are not saved yet; without any, removes what was kept. */
export function storeEdits(owner: MapOwner, edits: StoredEdits): void {
  const key = keyOf(owner.id);
  try {
    if (edits.operations.length === 0) localStorage.removeItem(key);
    else writeEntry({ key, owner, edits, savedAt: Date.now() });
  } catch {
    // Without storage the edits are in the page's memory only.
  }
}

/** Removes and returns the edits of a map that pages left behind which are gone; the oldest first. */
export function takeAbandonedEdits(ownerId: string, nowMs = Date.now()): StoredEdits[] {
  const found = abandonedEntries(nowMs).filter((entry) => entry.owner.id === ownerId);
  for (const { key } of found) localStorage.removeItem(key);
  return found.sort((a, b) => a.savedAt - b.savedAt).map(({ edits }) => edits);
}

/** The maps whose edits a page left behind that is gone. */
export function mapsWithAbandonedEdits(nowMs = Date.now()): MapOwner[] {
  return [...new Map(abandonedEntries(nowMs).map(({ owner }) => [owner.id, owner])).values()];
}

/** Removes all edits, of all accounts. */
export function forgetStoredEdits(): void {
  for (const key of storedKeys()) localStorage.removeItem(key);
}

interface Entry {
  key: string;
  owner: MapOwner;
  edits: StoredEdits;
  savedAt: number;
  isLeft: boolean;
}

function abandonedEntries(nowMs: number): Entry[] {
  return storedKeys()
    .map(parseEntry)
    .filter((entry) => entry !== null)
    .filter(({ key, savedAt, isLeft }) => isLeft || (!isOfThisPage(key) && nowMs - savedAt > ABANDONED_AFTER_MS));
}

/** An entry of a page that is being left is for the next page, which sends its edits at once. */
function writeEntry({ key, owner, edits, savedAt }: Omit<Entry, "isLeft">): void {
  localStorage.setItem(key, JSON.stringify({ ...edits, kind: owner.kind, savedAt, isLeft: isPageLeft }));
}

function storedKeys(): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  } catch {
    return [];
  }
}

function parseEntry(key: string): Entry | null {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    if (!isRecord(value) || !Array.isArray(value.operations)) return null;
    const number = (each: unknown) => (typeof each === "number" ? each : undefined);
    return {
      key,
      owner: {
        // Entries of earlier versions name no kind: they kept the edits of sessions only.
        kind: value.kind === "joint" ? "joint" : "session",
        id: key.slice(PREFIX.length, key.lastIndexOf(".")),
      },
      edits: {
        operations: value.operations.filter((each) => isRecord(each) && typeof each.op === "string"),
        seq: number(value.seq),
        version: number(value.version),
      },
      savedAt: number(value.savedAt) ?? 0,
      isLeft: value.isLeft === true,
    };
  } catch {
    return null;
  }
}
