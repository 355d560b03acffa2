/** Applies one state change of a recording (start, rename, report, pause, resume, stop) to its session on the server. */

import { ApiError } from "@trailmind/api";
import type { Account } from "../account/account";
import type { TrailmindApi } from "../api/trailmind";
import type { Recording } from "./model";
import type { Step } from "./steps";
import type { QueueStore } from "./store";

export interface StepDeps {
  store: QueueStore;
  account: Account;
  api: TrailmindApi;
}

type Transition = "pause" | "resume" | "stop";
export type StateStep = Exclude<Step, "send" | null>;

/** Sends `step` and stores the new server status. Safe to repeat. Raises what `Account.withToken` raises. */
export async function applyStep(deps: StepDeps, recording: Recording, step: StateStep): Promise<void> {
  const { store, account, api } = deps;
  const { origin, serverId, title } = recording;
  if (step === "start" || serverId === null) {
    const session = await account.withToken((bearer) =>
      api.start(origin, bearer, { client_session_id: recording.id, ...(title ? { title } : {}) }),
    );
    await store.updateRecording(recording.id, (r) => {
      r.serverId = session.id;
      r.serverStatus = session.session_status === "paused" ? "paused" : "recording";
      r.isTitleSynced = r.title === title;
    });
    return;
  }
  if (step === "rename") {
    await account.withToken((bearer) => api.rename(origin, bearer, serverId, title));
    await store.updateRecording(recording.id, (r) => {
      // The user can change the title again during the request.
      r.isTitleSynced = r.title === title;
    });
    return;
  }
  if (step === "report") {
    const count = recording.counts.excludedHere ?? 0;
    await account.withToken((bearer) => api.reportExcluded(origin, bearer, serverId, count));
    await store.updateRecording(recording.id, (r) => {
      r.reportedExcluded = count;
    });
    return;
  }
  const status = await transition(deps, recording, serverId, step);
  await store.updateRecording(recording.id, (r) => {
    r.serverStatus = status;
    if (status !== "closed") return;
    if (r.status === "stopping") r.status = "completed";
    else {
      r.status = "lost";
      r.lostReason = "closed";
    }
  });
}

/** If the response to a transition was lost, repeating it returns 400; the session then has the current status. */
async function transition(
  { account, api }: StepDeps,
  recording: Recording,
  serverId: string,
  step: Transition,
): Promise<Recording["serverStatus"]> {
  try {
    const session = await account.withToken((bearer) => api.transition(recording.origin, bearer, serverId, step));
    return serverStatusOf(session.session_status);
  } catch (error) {
    if (!(error instanceof ApiError && [400, 409].includes(error.status))) throw error;
    const session = await account.withToken((bearer) => api.session(recording.origin, bearer, serverId));
    const status = serverStatusOf(session.session_status);
    // The stop was rejected and the session is still open: an immediate retry would loop, a 503 waits.
    if (step === "stop" && status !== "closed") throw new ApiError(503, error.code, error.message);
    return status;
  }
}

function serverStatusOf(sessionStatus: string): Recording["serverStatus"] {
  return sessionStatus === "recording" || sessionStatus === "paused" ? sessionStatus : "closed";
}
