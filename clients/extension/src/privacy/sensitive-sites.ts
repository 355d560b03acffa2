/**
 * Sites that are never recorded unless the user allows them. The rules are data that the server reads too
 * (`models/recording/site_rules.json`; `make shared-rules` copies the file). A host includes its subdomains.
 */

import rules from "./site-rules.json";

export type SiteKind = keyof typeof rules.hosts;

const KINDS = Object.keys(rules.hosts) as SiteKind[];

export const KIND_OF_HOST: ReadonlyMap<string, SiteKind> = new Map(
  KINDS.flatMap((kind) => rules.hosts[kind].map((host) => [host, kind] as const)),
);

/** Labels of a host name that reveal its purpose: `ebanking.example.com`, `webmail.example.org`. */
export const SENSITIVE_LABELS: readonly (readonly [SiteKind, RegExp])[] = Object.entries(rules.labels).map(
  ([kind, pattern]) => [kind as SiteKind, new RegExp(pattern)] as const,
);

/** Paths of login, password and payment pages on any site. Whole segments: `/blog/login-design` does not match. */
export const SENSITIVE_PATH = new RegExp(rules.paths, "i");

/** Documentation, engineering blogs and newsrooms of sensitive sites; only their sign-in pages are left out. */
export const DOCUMENTATION = {
  kinds: new Set<string>(rules.documentation.kinds),
  labels: new RegExp(rules.documentation.labels),
  paths: new RegExp(rules.documentation.paths, "i"),
  entryPaths: new RegExp(rules.documentation.entry_paths, "i"),
};

export const PRIVATE_SUFFIXES: readonly string[] = rules.private_suffixes;
