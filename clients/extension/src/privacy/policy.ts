/** Decides from the address alone whether a page may be recorded, before any content is read. */

import {
  DOCUMENTATION,
  KIND_OF_HOST,
  PRIVATE_SUFFIXES,
  SENSITIVE_LABELS,
  SENSITIVE_PATH,
  type SiteKind,
} from "./sensitive-sites";

type Reason = SiteKind | "user" | "private_network" | "incognito" | "not_a_page" | "own_site" | "password_field";

export type Decision = { allowed: true } | { allowed: false; reason: Reason };

export interface PolicyContext {
  excludedHosts: readonly string[];
  /** Hosts that the user allows although a default rule excludes them. */
  allowedHosts: readonly string[];
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

/** The longest entry of a list that covers `host`, null if none does. */
function longestMatch(host: string, listed: readonly string[]): string | null {
  return listed.filter((entry) => matchesHost(host, entry)).sort((a, b) => b.length - a.length)[0] ?? null;
}

function kindOfHost(host: string): SiteKind | null {
  const labels = host.split(".");
  for (let from = 0; from < labels.length - 1; from += 1) {
    const kind = KIND_OF_HOST.get(labels.slice(from).join("."));
    if (kind) return kind;
  }
  // Only labels below the registrable name are checked: `pay.dev` is a blog.
  for (const label of labels.slice(0, -2)) {
    for (const [kind, pattern] of SENSITIVE_LABELS) {
      if (pattern.test(label)) return kind;
    }
  }
  return null;
}

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
  const host = hostOf(url);
  const excluded = longestMatch(host, context.excludedHosts);
  const allowed = longestMatch(host, context.allowedHosts);
  // Where both lists match, the longer entry counts.
  if (excluded && !(allowed && allowed.length > excluded.length)) return deny("user");
  if (allowed) return { allowed: true };
  if (isPrivateHost(host)) return deny("private_network");
  return decideByKind(url, host);
}

function hostOf(url: URL): string {
  return url.hostname.toLowerCase().replace(/\.+$/, "");
}

function decideByKind(url: URL, host: string): Decision {
  const kind = kindOfHost(host);
  const isDocumentation =
    host
      .split(".")
      .slice(0, -2)
      .some((label) => DOCUMENTATION.labels.test(label)) || DOCUMENTATION.paths.test(url.pathname);
  if (kind && !(isDocumentation && DOCUMENTATION.kinds.has(kind))) return deny(kind);
  // Of documentation and articles ("/wiki/Password") only the sign-in pages are excluded.
  const paths = isDocumentation ? DOCUMENTATION.entryPaths : SENSITIVE_PATH;
  // Single-page apps have their route in the hash.
  const route = /^#[/!]/.test(url.hash) ? (url.hash.slice(1).split("?")[0] as string) : "";
  return paths.test(url.pathname) || paths.test(route) ? deny("login") : { allowed: true };
}

/** The host in a user's input (`https://www.example.com/x`, `*.example.com`); null if it contains none. */
export function parseHost(input: string): string | null {
  const text = input.trim().toLowerCase().replace(/^\*\./, "");
  if (text === "") return null;
  try {
    const { hostname } = new URL(text.includes("://") ? text : `https://${text}`);
    const host = hostname.replace(/^www\./, "").replace(/\.+$/, "");
    return host === "" || host.includes(" ") ? null : host;
  } catch {
    return null;
  }
}
