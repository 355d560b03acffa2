/** The commands that need the server: sign-in, and the user's recent sessions. */

import { browser } from "wxt/browser";
import * as signIn from "../account/sign-in";
import { CommandError } from "../command-error";
import { isServerChosen, webOrigin } from "../settings";
import { type CommandDeps, cleanTitle, type Handlers, requireUser } from "./command-deps";
import { syncSites } from "./site-lists";

type Names =
  | "signIn"
  | "signInWithGoogle"
  | "hasGoogle"
  | "sendsMail"
  | "modelVendors"
  | "signInOnTheWeb"
  | "signOut"
  | "recent"
  | "renameRecent";

const NUM_RECENT = 10;

export function accountCommands(deps: CommandDeps): Handlers<Names> {
  const { store, account, api, recorder, settings, publish, sendNow, now } = deps;

  return {
    async signIn(credentials) {
      if (!isServerChosen(await settings())) throw new CommandError("no_server");
      const isSignedIn = await signIn.withPassword(api, account, (await settings()).serverUrl, credentials);
      if (!isSignedIn) return { isMailSent: true };
      await syncSites(deps);
      await sendNow();
      await publish();
      return { isMailSent: false };
    },

    async signInWithGoogle() {
      await signIn.withGoogle(api, account, (await settings()).serverUrl);
      await syncSites(deps);
      await sendNow();
      await publish();
      return null;
    },

    /** False also for a server that is unreachable. */
    async hasGoogle() {
      return api.hasGoogle((await settings()).serverUrl).catch(() => false);
    },

    /** False also for a server that is unreachable. */
    async sendsMail() {
      return api.sendsMail((await settings()).serverUrl).catch(() => false);
    },

    async modelVendors() {
      return api.modelVendors((await settings()).serverUrl).catch(() => null);
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
      // Stop first: events that cannot be sent now wait until the same user signs in again.
      await recorder.stop();
      await sendNow();
      await account.signOut();
      await publish();
      return null;
    },

    async recent() {
      const { origin } = await requireUser(account);
      const { sessions } = await account.withToken((bearer) => api.sessions(origin, bearer, NUM_RECENT));
      return sessions.map((session) => ({
        id: session.id,
        title: session.title ?? "",
        status: session.session_status,
        startedAt: Date.parse(session.started_at),
        pages: session.page_count ?? null,
      }));
    },

    async renameRecent({ sessionId, title }) {
      const { origin } = await requireUser(account);
      const newTitle = cleanTitle(title);
      await account.withToken((bearer) => api.rename(origin, bearer, sessionId, newTitle));
      for (const { id, serverId } of await store.recordings()) {
        if (serverId === sessionId)
          await store.updateRecording(id, (recording) => {
            recording.title = newTitle;
          });
      }
      await publish();
      return null;
    },
  };
}
