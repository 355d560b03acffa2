/**
 * Sends recordings to the server. All state is on disk, so that the worker can be killed at any time: an event leaves
 * the queue only with its verdict, every request is safe to repeat, and retry times are absolute.
 */

import { ApiError } from "@trailmind/api";
import type { Account } from "../account/account";
import { SignedOutError, UnreachableError } from "../api/errors";
import type { EventsResponse } from "../api/schemas";
import type { TrailmindApi } from "../api/trailmind";
import { applyStep } from "./apply-step";
import { retryDelayMs } from "./backoff";
import { type BatchLimits, eventsBody, FULL_LIMITS, growLimits, halveLimits } from "./batch";
import type { QueuedEvent, Recording, SendError } from "./model";
import { nextStep } from "./steps";
import type { QueueStore } from "./store";
import { matchVerdicts } from "./verdicts";

export interface SenderDeps {
  store: QueueStore;
  account: Account;
  api: TrailmindApi;
  now?: () => number;
  random?: () => number;
  /** Called after every visible change. */
  onChange?: () => void;
}

/** Signing in starts a flush, so that polling for it more often than once an hour has no use. */
const SIGNED_OUT_RETRY_MS = 3_600_000;
const MIN_TRUNCATABLE_CHARS = 1_000;

export class Sender {
  private currentFlush: Promise<void> | null = null;
  private isFlushRequested = false;
  private isUrgentRequested = false;
  private readonly now: () => number;
  private readonly random: () => number;
  private readonly onChange: () => void;

  constructor(private readonly deps: SenderDeps) {
    this.now = deps.now ?? Date.now;
    this.random = deps.random ?? Math.random;
    this.onChange = deps.onChange ?? (() => undefined);
  }

  /**
   * Sends until nothing can be sent now, then resolves. A call during a flush shares it and adds one more pass.
   * `urgent` (a user action, or the network is available again) ignores planned retry times, also in that pass.
   */
  flush(urgent = false): Promise<void> {
    if (this.currentFlush) {
      this.isFlushRequested = true;
      this.isUrgentRequested ||= urgent;
      return this.currentFlush;
    }
    this.currentFlush = this.flushAll(urgent).finally(() => (this.currentFlush = null));
    return this.currentFlush;
  }

  private async flushAll(urgent: boolean): Promise<void> {
    do {
      const ignoresRetryTimes = urgent || this.isUrgentRequested;
      this.isFlushRequested = this.isUrgentRequested = false;
      // Oldest first: with a plan limit, the stop of one recording makes the start of the next one possible.
      const recordings = (await this.deps.store.recordings()).sort((a, b) => a.startedAt - b.startedAt);
      for (const { id } of recordings) await this.process(id, ignoresRetryTimes);
    } while (this.isFlushRequested);
  }

  /** When to call `flush` again, null if nothing is left to send. */
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
      // Events are sent only with a token of the user who recorded them.
      if (owner?.user.id !== recording.userId || owner.origin !== recording.origin || owner.isExpired) {
        return this.recordError(recording, "signed_out", null);
      }
      try {
        if (step === "send") limits = await this.sendEvents(recording, batch, limits);
        else await applyStep(this.deps, recording, step);
        await this.clearError(recording);
      } catch (error) {
        return this.handleError(recording, error);
      }
      this.onChange();
    }
  }

  /** Sends one batch and applies its verdicts. Returns the limits of the next batch. */
  private async sendEvents(recording: Recording, events: QueuedEvent[], limits: BatchLimits): Promise<BatchLimits> {
    const { store, account, api } = this.deps;
    const batch = await store.assignSeq(recording.id, events);
    if (batch.length === 0) return limits;
    let response: EventsResponse;
    try {
      response = await account.withToken((bearer) =>
        api.events(recording.origin, bearer, recording.serverId as string, eventsBody(batch)),
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 413) return this.shrinkBatch(recording, batch, limits);
      if (error instanceof ApiError && (error.status === 400 || error.status === 422)) {
        return this.isolateInvalid(recording, batch, limits, error);
      }
      throw error;
    }
    const verdicts = matchVerdicts(batch, response);
    await store.applyVerdicts(recording.id, verdicts);
    // Events without a verdict stay in the queue; the error delays their next attempt.
    if (verdicts.length < batch.length) throw new UnreachableError("the response does not cover every event");
    return growLimits(limits);
  }

  /** 413: halves the batch; halves the page text of a single event, the only field that can be that large. */
  private async shrinkBatch(recording: Recording, batch: QueuedEvent[], limits: BatchLimits): Promise<BatchLimits> {
    const [event] = batch;
    if (batch.length > 1 || !event) return halveLimits(batch);
    const { content } = event.body;
    if (content !== undefined && content.length > MIN_TRUNCATABLE_CHARS) {
      await this.deps.store.completeEvent(event.eventId, { content: content.slice(0, Math.floor(content.length / 2)) });
    } else {
      await this.quarantine(recording, event, "too large for the server");
    }
    return { ...limits, maxEvents: 1 };
  }

  /**
   * 400: the session no longer accepts events, or the server cannot process one event of the batch. The status of the
   * session distinguishes the two; halving the batch then isolates the invalid event while the others are stored.
   */
  private async isolateInvalid(
    recording: Recording,
    batch: QueuedEvent[],
    limits: BatchLimits,
    error: ApiError,
  ): Promise<BatchLimits> {
    const session = await this.deps.account.withToken((bearer) =>
      this.deps.api.session(recording.origin, bearer, recording.serverId as string),
    );
    if (session.session_status !== "recording" && session.session_status !== "paused") {
      throw new ApiError(410, "session_closed", error.message);
    }
    const [event] = batch;
    if (batch.length > 1 || !event) return { ...limits, maxEvents: Math.ceil(batch.length / 2) };
    await this.quarantine(recording, event, error.message);
    return FULL_LIMITS;
  }

  private quarantine(recording: Recording, event: QueuedEvent, reason: string): Promise<void> {
    return this.deps.store.applyVerdicts(recording.id, [{ eventId: event.eventId, verdict: "invalid", reason }]);
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
    const kinds: Record<string, SendError["kind"]> = { CONCURRENT_SESSION_LIMIT: "limit", STORAGE_LIMIT: "full" };
    const kind = kinds[error.code] ?? (error.status === 429 ? "throttled" : "server");
    return this.recordError(recording, kind, error.retryAfterS);
  }

  private async recordError(recording: Recording, kind: SendError["kind"], retryAfterS: number | null): Promise<void> {
    const retryAfterMs = retryAfterS === null ? null : retryAfterS * 1_000;
    await this.deps.store.updateRecording(recording.id, (r) => {
      const failures = (r.trouble?.failures ?? 0) + 1;
      const waitMs = kind === "signed_out" ? SIGNED_OUT_RETRY_MS : retryDelayMs(failures, retryAfterMs, this.random);
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
