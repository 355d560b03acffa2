/** Decides from the address alone whether a page may be recorded, before any content is read. */

import { SENSITIVE_HOSTS, SENSITIVE_LABELS, SENSITIVE_PATH, type SiteKind } from "./sensitive-sites";

type Reason = SiteKind | "user" | "private_network" | "incognito" | "not_a_page" | "own_site" | "password_field";

export type Decision = { allowed: true } | { allowed: false; reason: Reason };

export interface PolicyContext {
  excludedHosts: readonly string[];
  allowsIncognito: boolean;
  isIncognito: boolean;
  /** The origins of the server and the dashboard, which are not recorded. */
  ownOrigins: readonly string[];
}

const deny = (reason: Reason): Decision => ({ allowed: false, reason });

/** `example.com` matches `docs.example.com`, but not `notexample.com`. */
function matchesHost(host: string, listed: string): boolean {
  return host === listed || host.endsWith(`.${listed}`);
}

const BY_HOST: ReadonlyMap<string, SiteKind> = new Map(
  Object.entries(SENSITIVE_HOSTS).flatMap(([kind, hosts]) => hosts.map((host) => [host, kind as SiteKind] as const)),
);

function kindOfHost(host: string): SiteKind | null {
  const labels = host.split(".");
  for (let from = 0; from < labels.length - 1; from += 1) {
    const kind = BY_HOST.get(labels.slice(from).join("."));
    if (kind) return kind;
  }
  // Only labels below the registrable name are checked: `pay.dev` is a blog.
  for (const label of labels.slice(0, -2)) {
    for (const [kind, pattern] of Object.entries(SENSITIVE_LABELS)) {
      if (pattern.test(label)) return kind as SiteKind;
    }
  }
  return null;
}

const PRIVATE_SUFFIXES = [
  "local",
  "localhost",
  "internal",
  "intranet",
  "lan",
  "home",
  "corp",
  "private",
  "home.arpa",
  "onion",
];

/** True for names and addresses of private networks. `host` is a `URL.hostname`. */
export function isPrivateHost(host: string): boolean {
  if (host.startsWith("[")) {
    const address = host.slice(1, -1).toLowerCase();
    const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
    if (mapped) {
      const [high, low] = [parseInt(mapped[1] as string, 16), parseInt(mapped[2] as string, 16)];
      return isPrivateHost(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`);
    }
    return address === "::1" || address === "::" || /^f[cd]/.test(address) || /^fe[89ab]/.test(address);
  }
  const quad = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host);
  if (quad) {
    const [a, b] = [Number(quad[1]), Number(quad[2])];
    return (
      a === 0 ||
      a === 10 ||
      a === 127 ||
      (a === 169 && b === 254) ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) ||
      (a === 100 && b >= 64 && b < 128)
    );
  }
  return !host.includes(".") || PRIVATE_SUFFIXES.some((suffix) => matchesHost(host, suffix));
}

export function evaluatePolicy(address: string, context: PolicyContext): Decision {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return deny("not_a_page");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return deny("not_a_page");
  if (context.isIncognito && !context.allowsIncognito) return deny("incognito");
  if (context.ownOrigins.includes(url.origin)) return deny("own_site");
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  if (context.excludedHosts.some((listed) => matchesHost(host, listed))) return deny("user");
  if (isPrivateHost(host)) return deny("private_network");
  const kind = kindOfHost(host);
  if (kind) return deny(kind);
  // Single-page apps have their route in the hash.
  const route = url.hash.startsWith("#/") || url.hash.startsWith("#!") ? url.hash.slice(1) : "";
  if (SENSITIVE_PATH.test(url.pathname) || SENSITIVE_PATH.test(route)) return deny("login");
  return { allowed: true };
}

/** The host in a user's input (`https://www.example.com/x`, `*.example.com`); null if it contains none. */
export function parseHost(input: string): string | null {
  const text = input.trim().toLowerCase().replace(/^\*\./, "");
  if (text === "") return null;
  try {
    const { hostname } = new URL(text.includes("://") ? text : `https://${text}`);
    const host = hostname.replace(/^www\./, "").replace(/\.$/, "");
    return host === "" || host.includes(" ") ? null : host;
  } catch {
    return null;
  }
}
