/**
 * Brings recordings to the server. Everything it knows is on disk, so that it can be killed between any two lines:
 * an event leaves the queue only with its verdict, every request may be repeated, waiting times are absolute.
 */

import { ApiError } from "@trailmind/api";
import type { Account } from "../account/account";
import { SignedOut, Unreachable } from "../api/errors";
import type { EventsAnswer } from "../api/schemas";
import type { TrailmindApi } from "../api/trailmind";
import { delayMs } from "./backoff";
import { MAX_BYTES, MAX_EVENTS, wireBody } from "./batch";
import type { QueuedEvent, Recording, Trouble } from "./model";
import { nextStep } from "./steps";
import type { QueueStore, Settlement } from "./store";

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

const FULL: Limits = { maxEvents: MAX_EVENTS, maxBytes: MAX_BYTES };

export class Sender {
  private running: Promise<void> | null = null;
  private isKickedAgain = false;
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
  kick(urgent = false): Promise<void> {
    if (this.running) {
      this.isKickedAgain = true;
      return this.running;
    }
    this.running = this.runAll(urgent).finally(() => (this.running = null));
    return this.running;
  }

  private async runAll(urgent: boolean): Promise<void> {
    do {
      this.isKickedAgain = false;
      // The oldest first: its stop may be what makes room for the next one's start.
      const recordings = (await this.deps.store.recordings()).sort((a, b) => a.startedAt - b.startedAt);
      for (const { id } of recordings) await this.drive(id, urgent);
    } while (this.isKickedAgain);
  }

  /** When somebody should call `kick` again, null when there is nothing left to do. */
  async nextAt(): Promise<number | null> {
    const times: number[] = [];
    for (const recording of await this.deps.store.recordings()) {
      const { batch, heldUntil } = await this.deps.store.next(recording.id, 1);
      const step = nextStep(recording, batch.length > 0, batch.length > 0 || heldUntil !== null);
      if (step === null && heldUntil === null) continue;
      if (recording.trouble) times.push(recording.trouble.retryAt);
      else times.push(step === null ? (heldUntil ?? 0) : 0);
    }
    return times.length > 0 ? Math.min(...times) : null;
  }

  private async drive(id: string, urgent: boolean): Promise<void> {
    let limits = FULL;
    for (;;) {
      const recording = await this.deps.store.recording(id);
      if (!recording) return;
      if (recording.trouble && !urgent && recording.trouble.retryAt > this.now()) return;
      const { batch, heldUntil } = await this.deps.store.next(id, limits.maxEvents, limits.maxBytes);
      const step = nextStep(recording, batch.length > 0, batch.length > 0 || heldUntil !== null);
      if (step === null) return this.relieve(recording);
      const owner = await this.deps.account.user();
      // Another account's token must not carry this user's pages.
      if (owner?.user.id !== recording.userId || owner.origin !== recording.origin || owner.isExpired) {
        return this.note(recording, "signed_out", null);
      }
      try {
        if (step === "send") {
          limits = await this.send(recording, batch, limits);
        } else {
          await this.tell(recording, step);
        }
        await this.relieve(recording);
      } catch (error) {
        return this.trouble(recording, error);
      }
      this.onChange();
    }
  }

  private async send(recording: Recording, picked: QueuedEvent[], limits: Limits): Promise<Limits> {
    const { store, account, api } = this.deps;
    const batch = await store.number(recording.id, picked);
    if (batch.length === 0) return limits;
    let answer: EventsAnswer;
    try {
      answer = await account.authorised((bearer) =>
        api.events(recording.origin, bearer, recording.serverId as string, wireBody(batch)),
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 413) return this.shrink(recording, batch, limits);
      if (error instanceof ApiError && (error.status === 400 || error.status === 422)) {
        return this.suspect(recording, batch, limits, error);
      }
      throw error;
    }
    const settlements = verdictsOf(batch, answer);
    await store.settle(recording.id, settlements);
    // A verdict that is missing is no verdict: those events stay, and the next attempt waits its turn.
    if (settlements.length < batch.length) throw new Unreachable("the answer did not cover every event");
    // After trouble with size, grow back slowly.
    return {
      maxEvents: Math.min(FULL.maxEvents, limits.maxEvents * 2),
      maxBytes: Math.min(FULL.maxBytes, limits.maxBytes * 2),
    };
  }

  /** 413: halves the batch; a single event loses its page text, the only part that can be that large. */
  private async shrink(recording: Recording, batch: QueuedEvent[], limits: Limits): Promise<Limits> {
    const [only] = batch;
    if (batch.length > 1 || !only) {
      const bytes = batch.reduce((sum, event) => sum + event.bytes, 0);
      return { maxEvents: Math.ceil(batch.length / 2), maxBytes: Math.ceil(bytes / 2) };
    }
    if (only.body.content !== undefined && only.body.content.length > 1_000) {
      await this.deps.store.complete(only.eventId, {
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
  private async suspect(recording: Recording, batch: QueuedEvent[], limits: Limits, error: ApiError): Promise<Limits> {
    const session = await this.deps.account.authorised((bearer) =>
      this.deps.api.session(recording.origin, bearer, recording.serverId as string),
    );
    if (session.session_status !== "recording" && session.session_status !== "paused") {
      throw new ApiError(410, "session_closed", error.message);
    }
    const [only] = batch;
    if (batch.length > 1 || !only) return { ...limits, maxEvents: Math.ceil(batch.length / 2) };
    await this.quarantine(recording, only, error.message);
    return FULL;
  }

  private quarantine(recording: Recording, event: QueuedEvent, reason: string): Promise<void> {
    return this.deps.store.settle(recording.id, [{ eventId: event.eventId, verdict: "invalid", reason }]);
  }

  private async tell(recording: Recording, step: "start" | "rename" | "pause" | "resume" | "stop"): Promise<void> {
    const { store, account, api } = this.deps;
    const { origin, serverId, title } = recording;
    if (step === "start" || serverId === null) {
      const session = await account.authorised((bearer) =>
        api.start(origin, bearer, { client_session_id: recording.id, ...(title ? { title } : {}) }),
      );
      await store.change(recording.id, (r) => {
        r.serverId = session.id;
        r.serverStatus = session.session_status === "paused" ? "paused" : "recording";
        r.isTitleSynced = r.title === title;
      });
      return;
    }
    if (step === "rename") {
      await account.authorised((bearer) => api.rename(origin, bearer, serverId, title));
      await store.change(recording.id, (r) => {
        // The user may have typed on while we were talking.
        r.isTitleSynced = r.title === title;
      });
      return;
    }
    const status = await this.transition(recording, serverId, step);
    await store.change(recording.id, (r) => {
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
      const session = await account.authorised((bearer) => api.transition(recording.origin, bearer, serverId, step));
      return serverStatusOf(session.session_status);
    } catch (error) {
      if (!(error instanceof ApiError && [400, 409].includes(error.status))) throw error;
      const session = await account.authorised((bearer) => api.session(recording.origin, bearer, serverId));
      const status = serverStatusOf(session.session_status);
      // Refused without having happened: trying again at once would loop.
      if (step === "stop" && status !== "closed") throw new ApiError(503, error.code, error.message);
      return status;
    }
  }

  private async trouble(recording: Recording, error: unknown): Promise<void> {
    if (error instanceof SignedOut) return this.note(recording, "signed_out", null);
    if (error instanceof Unreachable) return this.note(recording, "offline", null);
    if (!(error instanceof ApiError)) throw error;
    if ([403, 404, 410].includes(error.status) && recording.serverId !== null) {
      await this.deps.store.change(recording.id, (r) => {
        r.status = "lost";
        r.lostReason = error.status === 410 ? "closed" : "gone";
        r.trouble = null;
      });
      return this.onChange();
    }
    if (error.code === "CONCURRENT_SESSION_LIMIT") return this.note(recording, "limit", error.retryAfterS);
    return this.note(recording, error.status === 429 ? "throttled" : "server", error.retryAfterS);
  }

  private async note(recording: Recording, kind: Trouble["kind"], retryAfterS: number | null): Promise<void> {
    const retryAfterMs = retryAfterS === null ? null : retryAfterS * 1_000;
    await this.deps.store.change(recording.id, (r) => {
      const failures = (r.trouble?.failures ?? 0) + 1;
      // Signing in wakes us; asking every minute whether somebody has would be noise.
      const waitMs = kind === "signed_out" ? 3_600_000 : delayMs(failures, retryAfterMs, this.random);
      r.trouble = { kind, since: r.trouble?.since ?? this.now(), retryAt: this.now() + waitMs, failures };
    });
    this.onChange();
  }

  private async relieve(recording: Recording): Promise<void> {
    if (!recording.trouble) return;
    await this.deps.store.change(recording.id, (r) => {
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
function verdictsOf(batch: readonly QueuedEvent[], answer: EventsAnswer): Settlement[] {
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
