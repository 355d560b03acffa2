/** The user's settings, in one item of `storage.local` that every context reads and watches. */

import * as v from "valibot";
import { storage } from "wxt/utils/storage";

import { IS_SERVER_BUILT_IN, SERVER_URL } from "./build";
import { isPrivateHost } from "./privacy/policy";

export const Settings = v.object({
  /** The server's origin, without `/v1` and without a trailing slash. */
  serverUrl: v.fallback(v.string(), SERVER_URL),
  /** The user has seen and accepted the address of the server. */
  isServerAccepted: v.fallback(v.boolean(), false),
  /** The origin of the dashboard; empty if it is the server's. */
  webUrl: v.fallback(v.string(), ""),
  scope: v.fallback(v.picklist(["all", "window", "tab"]), "all"),
  /** Hosts that the user excluded, with their subdomains. */
  excludedHosts: v.fallback(v.array(v.string()), []),
  /** Hosts that the user allows although a default rule excludes them. */
  allowedHosts: v.fallback(v.array(v.string()), []),
  /** The lists as the account had them when both were last equal; null: never. */
  syncedSites: v.fallback(
    v.nullable(v.object({ userId: v.string(), excluded: v.array(v.string()), allowed: v.array(v.string()) })),
    null,
  ),
  language: v.fallback(v.picklist(["auto", "ko", "en"]), "auto"),
  recordsText: v.fallback(v.boolean(), true),
  allowsIncognito: v.fallback(v.boolean(), false),
  /** When the user agreed on the first-run page; null: nothing may be recorded. */
  consentedAt: v.fallback(v.nullable(v.number()), null),
});

export type Settings = v.InferOutput<typeof Settings>;

export const DEFAULT_SETTINGS: Settings = v.parse(Settings, {
  serverUrl: null,
  isServerAccepted: null,
  webUrl: null,
  scope: null,
  excludedHosts: null,
  allowedHosts: null,
  syncedSites: undefined,
  language: null,
  recordsText: null,
  allowsIncognito: null,
  consentedAt: undefined,
});

const item = storage.defineItem<unknown>("local:settings", { fallback: {} });

const parse = (value: unknown): Settings => {
  const stored = typeof value === "object" && value !== null ? value : {};
  return v.parse(Settings, { ...DEFAULT_SETTINGS, ...stored });
};

export async function readSettings(): Promise<Settings> {
  return parse(await item.getValue());
}

export async function changeSettings(change: Partial<Settings>): Promise<Settings> {
  const next = { ...(await readSettings()), ...change };
  await item.setValue(next);
  return next;
}

/** Stores the address that a server has put into its package (`server.json`). Other builds have no such file. */
export async function adoptPackagedServer(): Promise<void> {
  const packaged: unknown = await fetch(new URL("/server.json", location.origin))
    .then((response) => (response.ok ? response.json() : null))
    .catch(() => null);
  const serverUrl = v.safeParse(v.object({ serverUrl: v.pipe(v.string(), v.url()) }), packaged);
  if (serverUrl.success) await changeSettings({ serverUrl: serverUrl.output.serverUrl, isServerAccepted: true });
}

export function watchSettings(listener: (settings: Settings) => void): () => void {
  return item.watch((value) => listener(parse(value)));
}

export const webOrigin = (settings: Pick<Settings, "webUrl" | "serverUrl">): string =>
  settings.webUrl || settings.serverUrl;

/**
 * Whether a password may be sent to the server: its address was entered or accepted by the user, or the build was made
 * for it. The default address is a guess.
 */
export const isServerChosen = (settings: Pick<Settings, "serverUrl" | "isServerAccepted">): boolean =>
  settings.isServerAccepted || settings.serverUrl !== SERVER_URL || IS_SERVER_BUILT_IN;

/**
 * The origin of a user's input; null if it is not an address. The path is ignored, so that an address with `/v1` is
 * accepted. http is accepted on private networks only: a token must not cross the internet in clear text.
 */
export function parseOrigin(input: string): string | null {
  const text = input.trim();
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  } catch {
    return null;
  }
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isPrivateHost(url.hostname))) return null;
  return url.origin;
}

const PROBE_TIMEOUT_MS = 3_000;

/**
 * The origin that the user means; null if it is not an address. A host of a private network without a scheme, such as
 * `nas.local:9000`, is asked by https first: most servers at home speak only http.
 */
export async function findOrigin(input: string): Promise<string | null> {
  const origin = parseOrigin(input);
  if (origin === null || input.includes("://") || !isPrivateHost(new URL(origin).hostname)) return origin;
  const probe = { mode: "no-cors", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) } as const;
  return fetch(`${origin}/health`, probe).then(
    () => origin,
    () => origin.replace(/^https/, "http"),
  );
}
