/** What the popup and the other own pages may ask of the worker. */

import { ApiError } from "@trailmind/api";
import { browser } from "wxt/browser";
import type { Account } from "../account/account";
import * as signIn from "../account/sign-in";
import type { TrailmindApi } from "../api/trailmind";
import { CommandError } from "../command-error";
import { messagesFor } from "../i18n/messages";
import { uuid } from "../ids";
import { importHistory, importTabs } from "../importing/imports";
import { hasPagePermission } from "../permission";
import { evaluatePolicy, parseHost } from "../privacy/policy";
import type { CommandName, Commands } from "../protocol";
import type { Scope } from "../queue/model";
import type { Sender } from "../queue/sender";
import type { QueueStore } from "../queue/store";
import { visitDetails, visitEvent } from "../recording/events";
import { selectCurrent } from "../recording/make-view";
import { isUnreadPdf, type Pages, withPdfText } from "../recording/pages";
import type { Recorder } from "../recording/recorder";
import type { Generation, ScopeChoice } from "../recording/view";
import { changeSettings, type Settings, webOrigin } from "../settings";

export interface CommandDeps {
  store: QueueStore;
  account: Account;
  api: TrailmindApi;
  sender: Sender;
  recorder: Recorder;
  pages: Pages;
  settings: () => Promise<Settings>;
  setGeneration: (generation: Generation | null) => void;
  /** Sends now, whatever retry is planned. */
  sendNow: () => Promise<void>;
  publish: () => Promise<void>;
  now: () => number;
}

type Handlers = { [K in CommandName]: (args: Commands[K]["args"]) => Promise<Commands[K]["result"]> };

export function commandHandlers(deps: CommandDeps): Handlers {
  const { store, account, api, recorder, pages, settings, publish, sendNow, now } = deps;

  const requireUser = async () => {
    const signedIn = await account.user();
    if (!signedIn) throw new CommandError("signed_out");
    return { id: signedIn.user.id, origin: signedIn.origin };
  };
  const defaultTitle = async (kind: "recording" | "tabs" | "history") =>
    messagesFor((await settings()).language).titles[kind](now());
  const resolveScope = async (choice: ScopeChoice, tabId: number | null, windowId: number | null): Promise<Scope> => {
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
  };
  const requireRecordingAllowed = async () => {
    if ((await settings()).consentedAt === null) throw new CommandError("no_consent");
    if (!(await hasPagePermission())) throw new CommandError("no_permission");
  };
  const importContext = async () => {
    if (await recorder.ongoing()) throw new CommandError("busy");
    const currentSettings = await settings();
    return {
      store,
      pages,
      user: await requireUser(),
      policy: {
        excludedHosts: currentSettings.excludedHosts,
        allowsIncognito: currentSettings.allowsIncognito,
        ownOrigins: [currentSettings.serverUrl, webOrigin(currentSettings)],
      },
      recordsText: currentSettings.recordsText,
      now,
    };
  };
  const deleteCompleted = async () => {
    for (const r of await store.recordings()) if (r.status === "completed") await store.forget(r.id);
    deps.setGeneration(null);
  };

  return {
    async refresh() {
      await sendNow();
      const current = selectCurrent(await store.recordings());
      if (current?.status === "completed" && current.serverId) {
        deps.setGeneration(await generationOf(current.id, current.serverId, current.origin));
      }
      await publish();
      return null;
    },

    async start({ scope, tabId, windowId }) {
      await requireRecordingAllowed();
      const { id, origin } = await requireUser();
      await deleteCompleted();
      await recorder.start({ id, origin }, await resolveScope(scope, tabId, windowId), await defaultTitle("recording"));
      return null;
    },

    async pause() {
      await recorder.pause();
      void sendNow();
      return null;
    },

    async resume() {
      await requireRecordingAllowed();
      await recorder.resume();
      void sendNow();
      return null;
    },

    async stop() {
      await recorder.stop();
      void sendNow();
      return null;
    },

    async rename({ id, title }) {
      await recorder.rename(id, title.trim().slice(0, 100));
      void sendNow();
      return null;
    },

    async decide({ id, choice }) {
      const recording = await store.recording(id);
      if (!recording) return null;
      if (choice === "delete") {
        const { serverId, origin, status } = recording;
        // A session that is gone need not be deleted; one that is not must not stay behind unseen.
        if (serverId && status !== "lost") {
          await account
            .withToken((bearer) => api.remove(origin, bearer, serverId))
            .catch((error: unknown) => {
              if (!(error instanceof ApiError && [403, 404].includes(error.status))) throw error;
            });
        }
        await recorder.deleteRecording(id);
        return null;
      }
      if (recording.status === "lost") {
        await recorder.recoverLostRecording(id);
        if (choice === "finish") await recorder.stop();
      } else if (choice === "continue") {
        await requireRecordingAllowed();
        await recorder.continueInterrupted(id, await resolveScope(recording.scope.kind, null, null));
      } else {
        await recorder.finishInterrupted(id);
      }
      void sendNow();
      return null;
    },

    async dismiss({ id }) {
      const recording = await store.recording(id);
      if (recording?.status === "completed") await store.forget(id);
      deps.setGeneration(null);
      await publish();
      return null;
    },

    async retry() {
      await sendNow();
      return null;
    },

    async signIn(credentials) {
      await signIn.withPassword(api, account, (await settings()).serverUrl, credentials);
      await sendNow();
      await publish();
      return null;
    },

    async signInWithGoogle() {
      await signIn.withGoogle(api, account, (await settings()).serverUrl);
      await sendNow();
      await publish();
      return null;
    },

    /** A server without Google sign-in, or none at all, has no such button. */
    async hasGoogle() {
      return api.hasGoogle((await settings()).serverUrl).catch(() => false);
    },

    async signInOnTheWeb() {
      const currentSettings = await settings();
      const url = await signIn.linkUrl(
        currentSettings.serverUrl,
        webOrigin(currentSettings),
        browser.runtime.id,
        now(),
      );
      await browser.tabs.create({ url });
      return null;
    },

    async signOut() {
      // The recording ends with the login; what could not be sent waits for the same user.
      await recorder.stop();
      await sendNow();
      await account.signOut();
      await publish();
      return null;
    },

    async recent() {
      const { origin } = await requireUser();
      const answer = await account.withToken((bearer) => api.sessions(origin, bearer, 10));
      return answer.sessions.map((session) => ({
        id: session.id,
        title: session.title ?? "",
        status: session.session_status,
        startedAt: Date.parse(session.started_at),
        pages: session.page_count ?? null,
      }));
    },

    async renameRecent({ sessionId, title }) {
      const { origin } = await requireUser();
      await account.withToken((bearer) => api.rename(origin, bearer, sessionId, title.trim().slice(0, 100)));
      for (const r of await store.recordings()) {
        if (r.serverId === sessionId)
          await store.updateRecording(r.id, (change) => {
            change.title = title.trim().slice(0, 100);
          });
      }
      await publish();
      return null;
    },

    async exclude({ host }) {
      const parsed = parseHost(host);
      if (!parsed) throw new CommandError("bad_host");
      const { excludedHosts } = await settings();
      if (!excludedHosts.includes(parsed)) await changeSettings({ excludedHosts: [...excludedHosts, parsed].sort() });
      return null;
    },

    /** Everything that is still here of a recording, as a file the user can keep. */
    async export({ id }) {
      const recording = await store.recording(id);
      const waiting = (await store.waiting(id)).map(({ body, seq }) => ({ ...body, seq }));
      return JSON.stringify({ recording, waiting, refused: await store.quarantined(id) }, null, 2);
    },

    async preview({ tabId }) {
      const tab = await browser.tabs.get(tabId);
      const currentSettings = await settings();
      const url = tab.url ?? "";
      const decision = evaluatePolicy(url, {
        excludedHosts: currentSettings.excludedHosts,
        allowsIncognito: currentSettings.allowsIncognito,
        isIncognito: tab.incognito,
        ownOrigins: [currentSettings.serverUrl, webOrigin(currentSettings)],
      });
      if (!decision.allowed) return { url, decision, events: null };
      let extract = await pages.extract(tabId, null);
      if (isUnreadPdf(extract) && currentSettings.recordsText && !tab.incognito) {
        extract = withPdfText(extract, await pages.pdfText(extract.url));
      }
      if (!extract) return { url, decision: { allowed: false, reason: "password_field" }, events: null };
      const visit = visitEvent({ visitId: uuid(), at: now(), via: "load", url }, { tabId });
      const details = visitDetails(extract.title, extract.referrer, currentSettings.recordsText ? extract : null);
      return {
        url,
        decision,
        events: [{ ...visit, ...details, metadata: { ...visit.metadata, ...details.metadata } }],
      };
    },

    async importTabs() {
      await requireRecordingAllowed();
      const context = await importContext();
      await deleteCompleted();
      const result = await importTabs(context, await defaultTitle("tabs"));
      await sendNow();
      return result;
    },

    async importHistory({ hours }) {
      if (!(await browser.permissions.contains({ permissions: ["history"] }))) throw new CommandError("no_permission");
      const context = await importContext();
      await deleteCompleted();
      const result = await importHistory(context, await defaultTitle("history"), Math.min(Math.max(hours, 1), 72));
      await sendNow();
      return result;
    },
  };

  async function generationOf(recordingId: string, serverId: string, origin: string): Promise<Generation | null> {
    const none: Generation = { recordingId, status: "none", stage: null, percent: null, message: null };
    try {
      const { mindmap } = await account.withToken((bearer) => api.mindmap(origin, bearer, serverId));
      const statuses = ["pending", "generating", "completed", "failed"] as const;
      const status = statuses.find((name) => name === mindmap.status) ?? "pending";
      const message = mindmap.error_message ?? null;
      return { recordingId, status, stage: mindmap.stage ?? null, percent: mindmap.percent ?? null, message };
    } catch (error) {
      // 404 before the generation begins. Anything else says nothing about the map: keep what we knew.
      return error instanceof ApiError && error.status === 404 ? none : null;
    }
  }
}
