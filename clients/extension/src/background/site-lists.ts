/**
 * Keeps the lists of excluded and allowed sites equal to those of the account: they are one list, on every device and on
 * the server.
 *
 * Both sides may have changed since they were last equal. What was added or removed here is applied to the account's
 * lists; without a common past (a first sign-in), the lists are united.
 */

import { changeSettings, type Settings } from "../settings";
import type { CommandDeps } from "./command-deps";

export interface SiteLists {
  excluded: readonly string[];
  allowed: readonly string[];
}

const sorted = (hosts: Iterable<string>): string[] => [...new Set(hosts)].sort();

/** `theirs` with the changes from `base` to `ours`. */
function mergedList(base: readonly string[], ours: readonly string[], theirs: readonly string[]): string[] {
  const added = ours.filter((host) => !base.includes(host));
  const removed = new Set(base.filter((host) => !ours.includes(host)));
  return sorted([...theirs, ...added].filter((host) => !removed.has(host)));
}

/** The lists after the changes of both sides; a site that one side excluded and the other allowed is excluded. */
export function mergedSites(base: SiteLists | null, ours: SiteLists, theirs: SiteLists): SiteLists {
  const past = base ?? { excluded: [], allowed: [] };
  const excluded = mergedList(past.excluded, ours.excluded, theirs.excluded);
  const allowed = mergedList(past.allowed, ours.allowed, theirs.allowed);
  return { excluded, allowed: allowed.filter((host) => !excluded.includes(host)) };
}

const equal = (a: SiteLists, b: SiteLists): boolean =>
  sorted(a.excluded).join() === sorted(b.excluded).join() && sorted(a.allowed).join() === sorted(b.allowed).join();

type Deps = Pick<CommandDeps, "account" | "api" | "settings">;

/** Makes both sides equal. Without a login or a server the lists stay as they are until the next call. */
export async function syncSites({ account, api, settings }: Deps): Promise<void> {
  const signedIn = await account.user();
  if (!signedIn) return;
  const { user, origin } = signedIn;
  try {
    const theirs = await account.withToken((bearer) => api.siteLists(origin, bearer));
    const before: Settings = await settings();
    const { syncedSites } = before;
    const base = syncedSites?.userId === user.id ? syncedSites : null;
    // Lists that came from another user's account are that user's.
    const foreign: SiteLists = base === null && syncedSites !== null ? syncedSites : { excluded: [], allowed: [] };
    const ours = {
      excluded: before.excludedHosts.filter((host) => !foreign.excluded.includes(host)),
      allowed: before.allowedHosts.filter((host) => !foreign.allowed.includes(host)),
    };
    const merged = mergedSites(base, ours, theirs);
    const kept = equal(merged, theirs)
      ? theirs
      : await account.withToken((bearer) => api.saveSiteLists(origin, bearer, merged));
    await changeSettings({
      excludedHosts: [...kept.excluded],
      allowedHosts: [...kept.allowed],
      syncedSites: { userId: user.id, excluded: [...kept.excluded], allowed: [...kept.allowed] },
    });
  } catch {
    // The next change, sign-in or recording tries again; the lists of this device apply meanwhile.
  }
}
