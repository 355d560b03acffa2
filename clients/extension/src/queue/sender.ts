/**
 * Brings recordings to the server. Everything it knows is on disk, so that it can be killed between any two lines:
 * an event leaves the queue only with its verdict, every request may be repeated, waiting times are absolute.
 */

import { ApiError } from "@trailmind/api";
import type { Account } from "../account/account";
import { SignedOutError, UnreachableError } from "../api/errors";
import type { EventsResponse } from "../api/schemas";
import type { TrailmindApi } from "../api/trailmind";
import { retryDelayMs } from "./backoff";
import { eventsBody, MAX_BYTES, MAX_EVENTS } from "./batch";
import type { QueuedEvent, Recording, SendError } from "./model";
import { nextStep } from "./steps";
import type { EventVerdict, QueueStore } from "./store";

export interface SenderDeps {
  store: QueueStore;
  account: Account;
  api: TrailmindApi;
  now?: () => number;
  random?: () => number;
  /** Called after anything visible changed. */
  onChange?: () => void;
}

interface Limits {
  maxEvents: number;
  maxBytes: number;
}

const FULL_LIMITS: Limits = { maxEvents: MAX_EVENTS, maxBytes: MAX_BYTES };

export class Sender {
  private currentFlush: Promise<void> | null = null;
  private isFlushRequested = false;
  private readonly now: () => number;
  private readonly random: () => number;
  private readonly onChange: () => void;

  constructor(private readonly deps: SenderDeps) {
    this.now = deps.now ?? Date.now;
    this.random = deps.random ?? Math.random;
    this.onChange = deps.onChange ?? (() => undefined);
  }

  /**
   * Works until nothing is left to do now; resolves then. Callers that come meanwhile share the run, followed by one
   * more. `urgent` (the user pressed something, the network came back) does not wait for a planned retry.
   */
  flush(urgent = false): Promise<void> {
    if (this.currentFlush) {
      this.isFlushRequested = true;
      return this.currentFlush;
    }
    this.currentFlush = this.flushAll(urgent).finally(() => (this.currentFlush = null));
    return this.currentFlush;
  }

  private async flushAll(urgent: boolean): Promise<void> {
    do {
      this.isFlushRequested = false;
      // The oldest first: its stop may be what makes room for the next one's start.
      const recordings = (await this.deps.store.recordings()).sort((a, b) => a.startedAt - b.startedAt);
      for (const { id } of recordings) await this.process(id, urgent);
    } while (this.isFlushRequested);
  }

  /** When somebody should call `kick` again, null when there is nothing left to do. */
  async nextAttemptAt(): Promise<number | null> {
    const times: number[] = [];
    for (const recording of await this.deps.store.recordings()) {
      const { batch, heldUntil } = await this.deps.store.nextBatch(recording.id, 1);
      const step = nextStep(recording, batch.length > 0, batch.length > 0 || heldUntil !== null);
      if (step === null && heldUntil === null) continue;
      if (recording.trouble) times.push(recording.trouble.retryAt);
      else times.push(step === null ? (heldUntil ?? 0) : 0);
    }
    return times.length > 0 ? Math.min(...times) : null;
  }

  private async process(id: string, urgent: boolean): Promise<void> {
    let limits = FULL_LIMITS;
    for (;;) {
      const recording = await this.deps.store.recording(id);
      if (!recording) return;
      if (recording.trouble && !urgent && recording.trouble.retryAt > this.now()) return;
      const { batch, heldUntil } = await this.deps.store.nextBatch(id, limits.maxEvents, limits.maxBytes);
      const step = nextStep(recording, batch.length > 0, batch.length > 0 || heldUntil !== null);
      if (step === null) return this.clearError(recording);
      const owner = await this.deps.account.user();
      // Another account's token must not carry this user's pages.
      if (owner?.user.id !== recording.userId || owner.origin !== recording.origin || owner.isExpired) {
        return this.recordError(recording, "signed_out", null);
      }
      try {
        if (step === "send") {
          limits = await this.sendEvents(recording, batch, limits);
        } else {
          await this.applyStep(recording, step);
        }
        await this.clearError(recording);
      } catch (error) {
        return this.handleError(recording, error);
      }
      this.onChange();
    }
  }

  private async sendEvents(recording: Recording, picked: QueuedEvent[], limits: Limits): Promise<Limits> {
    const { store, account, api } = this.deps;
    const batch = await store.assignSeq(recording.id, picked);
    if (batch.length === 0) return limits;
    let answer: EventsResponse;
    try {
      answer = await account.withToken((bearer) =>
        api.events(recording.origin, bearer, recording.serverId as string, eventsBody(batch)),
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 413) return this.shrinkBatch(recording, batch, limits);
      if (error instanceof ApiError && (error.status === 400 || error.status === 422)) {
        return this.isolateInvalid(recording, batch, limits, error);
      }
      throw error;
    }
    const settlements = matchVerdicts(batch, answer);
    await store.applyVerdicts(recording.id, settlements);
    // A verdict that is missing is no verdict: those events stay, and the next attempt waits its turn.
    if (settlements.length < batch.length) throw new UnreachableError("the answer did not cover every event");
    // After trouble with size, grow back slowly.
    return {
      maxEvents: Math.min(FULL_LIMITS.maxEvents, limits.maxEvents * 2),
      maxBytes: Math.min(FULL_LIMITS.maxBytes, limits.maxBytes * 2),
    };
  }

  /** 413: halves the batch; a single event loses its page text, the only part that can be that large. */
  private async shrinkBatch(recording: Recording, batch: QueuedEvent[], limits: Limits): Promise<Limits> {
    const [only] = batch;
    if (batch.length > 1 || !only) {
      const bytes = batch.reduce((sum, event) => sum + event.bytes, 0);
      return { maxEvents: Math.ceil(batch.length / 2), maxBytes: Math.ceil(bytes / 2) };
    }
    if (only.body.content !== undefined && only.body.content.length > 1_000) {
      await this.deps.store.completeEvent(only.eventId, {
        content: only.body.content.slice(0, Math.floor(only.body.content.length / 2)),
      });
    } else {
      await this.quarantine(recording, only, "too large for the server");
    }
    return { ...limits, maxEvents: 1 };
  }

  /**
   * 400: either the session takes no events any more, or one event of the batch is beyond the server. The session's
   * own state tells; then halving finds the culprit while the others pass.
   */
  private async isolateInvalid(
    recording: Recording,
    batch: QueuedEvent[],
    limits: Limits,
    error: ApiError,
  ): Promise<Limits> {
    const session = await this.deps.account.withToken((bearer) =>
      this.deps.api.session(recording.origin, bearer, recording.serverId as string),
    );
    if (session.session_status !== "recording" && session.session_status !== "paused") {
      throw new ApiError(410, "session_closed", error.message);
    }
    const [only] = batch;
    if (batch.length > 1 || !only) return { ...limits, maxEvents: Math.ceil(batch.length / 2) };
    await this.quarantine(recording, only, error.message);
    return FULL_LIMITS;
  }

  private quarantine(recording: Recording, event: QueuedEvent, reason: string): Promise<void> {
    return this.deps.store.applyVerdicts(recording.id, [{ eventId: event.eventId, verdict: "invalid", reason }]);
  }

  private async applyStep(recording: Recording, step: "start" | "rename" | "pause" | "resume" | "stop"): Promise<void> {
    const { store, account, api } = this.deps;
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
        // The user may have typed on while we were talking.
        r.isTitleSynced = r.title === title;
      });
      return;
    }
    const status = await this.transition(recording, serverId, step);
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

  /** Repeating a transition whose answer was lost gives 400; the session itself then says where it is. */
  private async transition(
    recording: Recording,
    serverId: string,
    step: "pause" | "resume" | "stop",
  ): Promise<Recording["serverStatus"]> {
    const { account, api } = this.deps;
    try {
      const session = await account.withToken((bearer) => api.transition(recording.origin, bearer, serverId, step));
      return serverStatusOf(session.session_status);
    } catch (error) {
      if (!(error instanceof ApiError && [400, 409].includes(error.status))) throw error;
      const session = await account.withToken((bearer) => api.session(recording.origin, bearer, serverId));
      const status = serverStatusOf(session.session_status);
      // Refused without having happened: trying again at once would loop.
      if (step === "stop" && status !== "closed") throw new ApiError(503, error.code, error.message);
      return status;
    }
  }

  private async handleError(recording: Recording, error: unknown): Promise<void> {
    if (error instanceof SignedOutError) return this.recordError(recording, "signed_out", null);
    if (error instanceof UnreachableError) return this.recordError(recording, "offline", null);
    if (!(error instanceof ApiError)) throw error;
    if ([403, 404, 410].includes(error.status) && recording.serverId !== null) {
      await this.deps.store.updateRecording(recording.id, (r) => {
        r.status = "lost";
        r.lostReason = error.status === 410 ? "closed" : "gone";
        r.trouble = null;
      });
      return this.onChange();
    }
    if (error.code === "CONCURRENT_SESSION_LIMIT") return this.recordError(recording, "limit", error.retryAfterS);
    return this.recordError(recording, error.status === 429 ? "throttled" : "server", error.retryAfterS);
  }

  private async recordError(recording: Recording, kind: SendError["kind"], retryAfterS: number | null): Promise<void> {
    const retryAfterMs = retryAfterS === null ? null : retryAfterS * 1_000;
    await this.deps.store.updateRecording(recording.id, (r) => {
      const failures = (r.trouble?.failures ?? 0) + 1;
      // Signing in wakes us; asking every minute whether somebody has would be noise.
      const waitMs = kind === "signed_out" ? 3_600_000 : retryDelayMs(failures, retryAfterMs, this.random);
      r.trouble = { kind, since: r.trouble?.since ?? this.now(), retryAt: this.now() + waitMs, failures };
    });
    this.onChange();
  }

  private async clearError(recording: Recording): Promise<void> {
    if (!recording.trouble) return;
    await this.deps.store.updateRecording(recording.id, (r) => {
      r.trouble = null;
    });
    this.onChange();
  }
}

function serverStatusOf(sessionStatus: string): Recording["serverStatus"] {
  return sessionStatus === "recording" || sessionStatus === "paused" ? sessionStatus : "closed";
}

/**
 * Pairs events with verdicts: by id where the server repeats it, else by place. A server without verdicts (the
 * reference) is believed only when it says that it processed exactly as many as we sent.
 */
function matchVerdicts(batch: readonly QueuedEvent[], answer: EventsResponse): EventVerdict[] {
  const { verdicts } = answer;
  if (!verdicts) {
    const isComplete = answer.processed === batch.length && answer.total === batch.length;
    return isComplete ? batch.map(({ eventId }) => ({ eventId, verdict: "stored", reason: null })) : [];
  }
  const isParallel = verdicts.length === batch.length;
  const byId = new Map(verdicts.flatMap((verdict) => (verdict.event_id ? [[verdict.event_id, verdict]] : [])));
  return batch.flatMap(({ eventId }, place) => {
    const atPlace = isParallel && !verdicts[place]?.event_id ? verdicts[place] : undefined;
    const verdict = byId.get(eventId) ?? atPlace;
    return verdict ? [{ eventId, verdict: verdict.verdict, reason: verdict.reason ?? null }] : [];
  });
}
