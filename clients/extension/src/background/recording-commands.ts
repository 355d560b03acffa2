/** The commands that control recordings on this device. */

import { ApiError } from "@trailmind/api";
import type { Account } from "../account/account";
import type { TrailmindApi } from "../api/trailmind";
import { selectCurrent } from "../recording/make-view";
import type { Generation } from "../recording/view";
import {
  type CommandDeps,
  cleanTitle,
  deleteCompleted,
  type Handlers,
  requireRecordingAllowed,
  requireUser,
  resolveScope,
} from "./command-deps";
import { syncSites } from "./site-lists";

type Names = "refresh" | "start" | "pause" | "resume" | "stop" | "rename" | "decide" | "dismiss" | "retry" | "export";

export function recordingCommands(deps: CommandDeps): Handlers<Names> {
  const { store, account, api, recorder, settings, publish, sendNow } = deps;

  return {
    async refresh() {
      await sendNow();
      void syncSites(deps);
      const current = selectCurrent(await store.recordings());
      if (current?.status === "completed" && current.serverId) {
        deps.setGeneration(await readGeneration(account, api, current.id, current.serverId, current.origin));
      }
      await publish();
      return null;
    },

    async start({ scope, tabId, windowId }) {
      await requireRecordingAllowed(settings);
      const user = await requireUser(account);
      await deleteCompleted(deps);
      await recorder.start(user, await resolveScope(scope, tabId, windowId));
      void syncSites(deps);
      return null;
    },

    async pause() {
      await recorder.pause();
      void sendNow();
      return null;
    },

    async resume() {
      await requireRecordingAllowed(settings);
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
      await recorder.rename(id, cleanTitle(title));
      void sendNow();
      return null;
    },

    async decide({ id, choice }) {
      const recording = await store.recording(id);
      if (!recording) return null;
      if (choice === "delete") {
        const { serverId, origin, status } = recording;
        // A lost session does not exist on the server; any other one is deleted there too.
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
        await requireRecordingAllowed(settings);
        await recorder.continueInterrupted(id, await resolveScope(recording.scope.kind, null, null));
      } else {
        await recorder.finishInterrupted(id);
      }
      void sendNow();
      return null;
    },

    async dismiss({ id }) {
      const recording = await store.recording(id);
      if (recording?.status === "completed") await store.deleteRecording(id);
      deps.setGeneration(null);
      await publish();
      return null;
    },

    async retry() {
      await sendNow();
      return null;
    },

    /** The local data of a recording as JSON, which the user can save as a file. */
    async export({ id }) {
      const recording = await store.recording(id);
      const waiting = (await store.waiting(id)).map(({ body, seq }) => ({ ...body, seq }));
      return JSON.stringify({ recording, waiting, refused: await store.quarantined(id) }, null, 2);
    },
  };
}

async function readGeneration(
  account: Account,
  api: TrailmindApi,
  recordingId: string,
  serverId: string,
  origin: string,
): Promise<Generation | null> {
  try {
    const { mindmap } = await account.withToken((bearer) => api.mindmap(origin, bearer, serverId));
    const statuses = ["pending", "generating", "completed", "failed"] as const;
    const status = statuses.find((name) => name === mindmap.status) ?? "pending";
    const code = status === "failed" ? mindmap.error_code : null;
    const failure = code ? { code, values: await failureValues(code, account, api, origin) } : null;
    const title =
      status === "completed"
        ? ((await account.withToken((bearer) => api.session(origin, bearer, serverId))).title ?? null)
        : null;
    return { recordingId, status, percent: mindmap.percent ?? null, failure, title };
  } catch (error) {
    // 404: the generation has not begun. Other errors say nothing about the map.
    const isNotBegun = error instanceof ApiError && error.status === 404;
    return isNotBegun ? { recordingId, status: "none", percent: null, failure: null, title: null } : null;
  }
}

/** When tokens that are used up are renewed, as far as the server says so now. */
async function failureValues(
  code: string,
  account: Account,
  api: TrailmindApi,
  origin: string,
): Promise<Record<string, string>> {
  if (code !== "TOKEN_LIMIT_EXCEEDED") return {};
  try {
    return { resets_at: await account.withToken((bearer) => api.periodEnd(origin, bearer)) };
  } catch {
    return {};
  }
}
