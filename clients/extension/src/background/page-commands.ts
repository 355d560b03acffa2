/** The commands about pages: exclude a site, preview the events of a page, import tabs and history. */

import { uuid } from "@trailmind/api";
import { browser } from "wxt/browser";
import { CommandError } from "../command-error";
import { type ImportDeps, importHistory, importTabs } from "../importing/imports";
import { evaluatePolicy, parseHost } from "../privacy/policy";
import { visitDetails, visitEvent } from "../recording/events";
import { isUnreadPdf, withPdfText } from "../recording/pages";
import { changeSettings } from "../settings";
import {
  type CommandDeps,
  deleteCompleted,
  type Handlers,
  policyOf,
  requireRecordingAllowed,
  requireUser,
} from "./command-deps";
import { syncSites } from "./site-lists";

const MAX_HISTORY_HOURS = 72;

export function pageCommands(
  deps: CommandDeps,
): Handlers<"exclude" | "allow" | "forgetSite" | "preview" | "importTabs" | "importHistory"> {
  const { store, account, recorder, pages, settings, sendNow, now } = deps;

  const importDeps = async (): Promise<ImportDeps> => {
    if (await recorder.ongoing()) throw new CommandError("busy");
    const currentSettings = await settings();
    return {
      store,
      pages,
      user: await requireUser(account),
      policy: policyOf(currentSettings),
      recordsText: currentSettings.recordsText,
      now,
    };
  };

  /** Adds a site to one list and takes it from the other: the last choice counts. */
  const addHost = async (list: "excludedHosts" | "allowedHosts", input: string): Promise<void> => {
    const host = parseHost(input);
    if (!host) throw new CommandError("bad_host");
    const { excludedHosts, allowedHosts } = await settings();
    const lists = { excludedHosts, allowedHosts };
    const without = (hosts: string[]) => hosts.filter((each) => each !== host);
    const changed = { excludedHosts: without(lists.excludedHosts), allowedHosts: without(lists.allowedHosts) };
    changed[list] = [...changed[list], host].sort();
    await changeSettings(changed);
    await syncSites(deps);
  };

  return {
    async exclude({ host }) {
      await addHost("excludedHosts", host);
      return null;
    },

    async allow({ host }) {
      await addHost("allowedHosts", host);
      return null;
    },

    async forgetSite({ host }) {
      const { excludedHosts, allowedHosts } = await settings();
      await changeSettings({
        excludedHosts: excludedHosts.filter((each) => each !== host),
        allowedHosts: allowedHosts.filter((each) => each !== host),
      });
      await syncSites(deps);
      return null;
    },

    async preview({ tabId }) {
      const tab = await browser.tabs.get(tabId);
      const currentSettings = await settings();
      const url = tab.url ?? "";
      const decision = evaluatePolicy(url, { ...policyOf(currentSettings), isIncognito: tab.incognito });
      if (!decision.allowed) return { url, decision, events: null };
      let extract = await pages.extract(tabId, null);
      if (isUnreadPdf(extract) && currentSettings.recordsText && !tab.incognito) {
        extract = withPdfText(extract, await pages.pdfText(extract.url));
      }
      if (!extract) return { url, decision: { allowed: false, reason: "password_field" }, events: null };
      const visit = visitEvent({ visitId: uuid(), at: now(), via: "load", url }, { tabId });
      const details = visitDetails(extract.title, extract.referrer, currentSettings.recordsText ? extract : null);
      const metadata = { ...visit.metadata, ...details.metadata };
      return { url, decision, events: [{ ...visit, ...details, metadata }] };
    },

    async importTabs() {
      await requireRecordingAllowed(settings);
      const context = await importDeps();
      await deleteCompleted(deps);
      const result = await importTabs(context);
      await sendNow();
      return result;
    },

    async importHistory({ hours }) {
      if (!(await browser.permissions.contains({ permissions: ["history"] }))) throw new CommandError("no_permission");
      const context = await importDeps();
      await deleteCompleted(deps);
      const clamped = Math.min(Math.max(hours, 1), MAX_HISTORY_HOURS);
      const result = await importHistory(context, clamped);
      await sendNow();
      return result;
    },
  };
}
