/** What the command handlers need, and the checks that several of them share. */

import { browser } from "wxt/browser";
import type { Account } from "../account/account";
import type { TrailmindApi } from "../api/trailmind";
import { CommandError } from "../command-error";
import { hasPagePermission } from "../permission";
import type { PolicyContext } from "../privacy/policy";
import type { CommandName, Commands } from "../protocol";
import type { Scope } from "../queue/model";
import type { QueueStore } from "../queue/store";
import type { Pages } from "../recording/pages";
import type { Recorder } from "../recording/recorder";
import type { Generation, ScopeChoice } from "../recording/view";
import { type Settings, webOrigin } from "../settings";

export interface CommandDeps {
  store: QueueStore;
  account: Account;
  api: TrailmindApi;
  recorder: Recorder;
  pages: Pages;
  settings: () => Promise<Settings>;
  setGeneration: (generation: Generation | null) => void;
  /** Sends now and ignores planned retry times. */
  sendNow: () => Promise<void>;
  publish: () => Promise<void>;
  now: () => number;
}

export type Handlers<K extends CommandName = CommandName> = {
  [Name in K]: (args: Commands[Name]["args"]) => Promise<Commands[Name]["result"]>;
};

/** The longest title that the server stores. */
const MAX_TITLE_CHARS = 100;
export const cleanTitle = (title: string): string => title.trim().slice(0, MAX_TITLE_CHARS);

/** The signed-in user. Raises CommandError `signed_out`. */
export async function requireUser(account: Account): Promise<{ id: string; origin: string }> {
  const signedIn = await account.user();
  if (!signedIn) throw new CommandError("signed_out");
  return { id: signedIn.user.id, origin: signedIn.origin };
}

/** Raises CommandError `no_consent` or `no_permission`. */
export async function requireRecordingAllowed(settings: CommandDeps["settings"]): Promise<void> {
  if ((await settings()).consentedAt === null) throw new CommandError("no_consent");
  if (!(await hasPagePermission())) throw new CommandError("no_permission");
}

/** The scope of a choice; ids that are null are those of the active tab and its window. */
export async function resolveScope(choice: ScopeChoice, tabId: number | null, windowId: number | null): Promise<Scope> {
  const [active] = await browser.tabs.query({ active: true, lastFocusedWindow: true });
  if (choice === "tab") {
    const id = tabId ?? active?.id;
    if (id !== undefined) return { kind: "tab", tabId: id };
  }
  if (choice === "window") {
    const id = windowId ?? active?.windowId;
    if (id !== undefined) return { kind: "window", windowId: id };
  }
  return { kind: "all" };
}

export function policyOf(settings: Settings): Omit<PolicyContext, "isIncognito"> {
  return {
    excludedHosts: settings.excludedHosts,
    allowedHosts: settings.allowedHosts,
    allowsIncognito: settings.allowsIncognito,
    ownOrigins: [settings.serverUrl, webOrigin(settings)],
  };
}

/** A new recording replaces completed ones in the popup. */
export async function deleteCompleted({ store, setGeneration }: CommandDeps): Promise<void> {
  for (const { id, status } of await store.recordings()) if (status === "completed") await store.deleteRecording(id);
  setGeneration(null);
}
