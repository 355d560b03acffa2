/**
 * The durable queue. Every method is one transaction: after it resolves its effect survives a killed worker,
 * a killed browser and a power cut; before, nothing of it does.
 */

import { encodedBytes, fillBatch, MAX_BYTES } from "./batch";
import { type Database, DURABLE, openDatabase } from "./database";
import type {
  Counts,
  EventBody,
  OpenVisit,
  QuarantinedEvent,
  QueuedEvent,
  Recording,
  SettledEvent,
  VerdictKind,
} from "./model";

export interface EventVerdict {
  eventId: string;
  verdict: VerdictKind;
  reason: string | null;
}

/** `seen = stored + excluded + invalid + waiting`, at any moment. */
export interface Receipt {
  seen: number;
  stored: number;
  excluded: number;
  invalid: number;
  waiting: number;
  /** When the longest waiting event was queued, null when none waits. */
  waitingSince: number | null;
}

const COUNTER_OF_VERDICT: Record<VerdictKind, keyof Counts> = {
  stored: "stored",
  duplicate: "stored",
  excluded: "excluded",
  invalid: "invalid",
};

const allPlaces = (recording: string) => IDBKeyRange.bound([recording, -Infinity], [recording, Infinity]);

export class QueueStore {
  private opened: Promise<Database> | null = null;

  constructor(
    private readonly name = "trailmind",
    private readonly now: () => number = Date.now,
  ) {}

  private db(): Promise<Database> {
    // A disk that failed once may work again; a connection that Chrome took away is gone for good.
    const deleteRecording = () => {
      this.opened = null;
    };
    this.opened ??= openDatabase(this.name, deleteRecording).catch((error: unknown) => {
      deleteRecording();
      throw error;
    });
    return this.opened;
  }

  async close(): Promise<void> {
    if (this.opened) (await this.opened).close();
    this.opened = null;
  }

  async recordings(): Promise<Recording[]> {
    return (await this.db()).getAll("recordings");
  }

  async recording(id: string): Promise<Recording | undefined> {
    return (await this.db()).get("recordings", id);
  }

  async addRecording(recording: Recording): Promise<void> {
    await (await this.db()).add("recordings", recording);
  }

  /** Reads, changes and writes in one transaction. `change` must not await; returning false writes nothing. */
  async updateRecording(
    id: string,
    change: (recording: Recording) => boolean | undefined,
  ): Promise<Recording | undefined> {
    const tx = (await this.db()).transaction("recordings", "readwrite", DURABLE);
    const recording = await tx.store.get(id);
    if (recording && change(recording) !== false) await tx.store.put(recording);
    await tx.done;
    return recording;
  }

  /** Forgets a recording and everything that belongs to it. */
  async forget(id: string): Promise<void> {
    const stores = ["recordings", "events", "settled", "quarantine", "visits"] as const;
    const tx = (await this.db()).transaction(stores, "readwrite", DURABLE);
    await tx.objectStore("recordings").delete(id);
    await tx.objectStore("events").delete(allPlaces(id));
    for (const name of ["settled", "quarantine", "visits"] as const) {
      const store = tx.objectStore(name);
      for (const key of await store.index("byRecording").getAllKeys(id)) await store.delete(key);
    }
    await tx.done;
  }

  /** Appends an event; false when this id is already known, or the recording is gone. */
  async append(recordingId: string, body: EventBody, heldUntil = 0): Promise<boolean> {
    return this.enqueue(recordingId, body, heldUntil, null);
  }

  /** Opens a visit together with its first event, or neither. */
  async openVisit(visit: OpenVisit, body: EventBody, heldUntil: number): Promise<boolean> {
    return this.enqueue(visit.recording, body, heldUntil, visit);
  }

  private async enqueue(
    recordingId: string,
    body: EventBody,
    heldUntil: number,
    visit: OpenVisit | null,
  ): Promise<boolean> {
    const stores = ["recordings", "events", "settled", "visits"] as const;
    const tx = (await this.db()).transaction(stores, "readwrite", DURABLE);
    const recording = await tx.objectStore("recordings").get(recordingId);
    const isKnown =
      (await tx.objectStore("events").index("byEventId").getKey(body.event_id)) !== undefined ||
      (await tx.objectStore("settled").getKey(body.event_id)) !== undefined;
    if (!recording || isKnown) {
      await tx.done;
      return false;
    }
    const place = recording.nextPlace++;
    recording.counts.seen += 1;
    if (body.type === "page_visit") recording.counts.pages += 1;
    if (body.type === "highlight") recording.counts.highlights += 1;
    await tx.objectStore("recordings").put(recording);
    const common = { recording: recordingId, eventId: body.event_id, queuedAt: this.now() };
    await tx.objectStore("events").add({ ...common, place, seq: null, heldUntil, bytes: encodedBytes(body), body });
    if (visit) await tx.objectStore("visits").put(visit);
    await tx.done;
    return true;
  }

  /** Completes an event that has not been sent yet, and lets it go. False when it is no longer here. */
  async completeEvent(eventId: string, fields: Partial<EventBody>): Promise<boolean> {
    const tx = (await this.db()).transaction("events", "readwrite", DURABLE);
    const event = await tx.store.index("byEventId").get(eventId);
    if (event) {
      const metadata = { ...event.body.metadata, ...fields.metadata };
      event.body = { ...event.body, ...fields, ...(Object.keys(metadata).length > 0 ? { metadata } : {}) };
      event.bytes = encodedBytes(event.body);
      event.heldUntil = 0;
      delete event.isAwaitingText;
      await tx.store.put(event);
    }
    await tx.done;
    return event !== undefined;
  }

  /** Keeps an event that has not been sent yet until its text arrives, at most until `until`. */
  async holdEvent(eventId: string, until: number): Promise<void> {
    const tx = (await this.db()).transaction("events", "readwrite", DURABLE);
    const event = await tx.store.index("byEventId").get(eventId);
    if (event && event.seq === null) await tx.store.put({ ...event, heldUntil: until, isAwaitingText: true });
    await tx.done;
  }

  /** Takes a waiting event back because its page turned out to be off limits. It counts as excluded. */
  async withdrawVisit(recordingId: string, eventId: string, reason: string): Promise<boolean> {
    const tx = (await this.db()).transaction(["recordings", "events", "settled", "visits"], "readwrite", DURABLE);
    const event = await tx.objectStore("events").index("byEventId").get(eventId);
    const recording = await tx.objectStore("recordings").get(recordingId);
    // What has been sent once may be stored already.
    const isMine = event !== undefined && event.seq === null;
    if (isMine && recording) {
      await tx.objectStore("events").delete([event.recording, event.place]);
      recording.counts.excluded += 1;
      if (event.body.type === "page_visit") recording.counts.pages -= 1;
      await tx.objectStore("recordings").put(recording);
      await tx.objectStore("settled").put({ eventId, recording: recordingId, verdict: "excluded", reason });
    }
    await tx.objectStore("visits").delete(eventId);
    await tx.done;
    return isMine;
  }

  /** Counts a page that was not even looked at. `key` makes it count once per document. */
  async countExcluded(recordingId: string, key: string, reason: string): Promise<void> {
    const tx = (await this.db()).transaction(["recordings", "settled"], "readwrite");
    const recording = await tx.objectStore("recordings").get(recordingId);
    if (recording && (await tx.objectStore("settled").getKey(key)) === undefined) {
      recording.counts.seen += 1;
      recording.counts.excluded += 1;
      await tx.objectStore("recordings").put(recording);
      await tx.objectStore("settled").put({ eventId: key, recording: recordingId, verdict: "excluded", reason });
    }
    await tx.done;
  }

  /** The next events to send, oldest first, and when the earliest held one becomes ready. */
  async nextBatch(
    recordingId: string,
    maxEvents: number,
    maxBytes = MAX_BYTES,
  ): Promise<{ batch: QueuedEvent[]; heldUntil: number | null }> {
    const tx = (await this.db()).transaction("events");
    const ready: QueuedEvent[] = [];
    let bytes = 0;
    let heldUntil: number | null = null;
    // A long queue is not read to its end on every send: a day offline may hold 25 MB of page text.
    let cursor = await tx.store.openCursor(allPlaces(recordingId));
    while (cursor && ready.length < maxEvents && bytes < maxBytes) {
      const event = cursor.value;
      if (event.heldUntil > this.now()) {
        heldUntil = heldUntil === null ? event.heldUntil : Math.min(heldUntil, event.heldUntil);
      } else {
        ready.push(event);
        bytes += event.bytes;
      }
      cursor = await cursor.continue();
    }
    return { batch: fillBatch(ready, maxEvents, maxBytes), heldUntil };
  }

  /** Gives these events their numbers, those that have one already keep it. Before anything is sent. */
  async assignSeq(recordingId: string, batch: readonly QueuedEvent[]): Promise<QueuedEvent[]> {
    const tx = (await this.db()).transaction(["recordings", "events"], "readwrite", DURABLE);
    const recording = await tx.objectStore("recordings").get(recordingId);
    const numbered: QueuedEvent[] = [];
    for (const { place } of batch) {
      // As it is now: it may have been completed or taken back since it was picked.
      const event = await tx.objectStore("events").get([recordingId, place]);
      if (!event || !recording) continue;
      if (event.seq === null) {
        event.seq = recording.nextSeq++;
        await tx.objectStore("events").put(event);
      }
      numbered.push(event);
    }
    if (recording) await tx.objectStore("recordings").put(recording);
    await tx.done;
    return numbered;
  }

  /** Lets every held event go now: the recording is ending. */
  async releaseHeld(recordingId: string): Promise<void> {
    const tx = (await this.db()).transaction("events", "readwrite", DURABLE);
    for (let cursor = await tx.store.openCursor(allPlaces(recordingId)); cursor; cursor = await cursor.continue()) {
      if (cursor.value.heldUntil > 0) await cursor.update({ ...cursor.value, heldUntil: 0 });
    }
    await tx.done;
  }

  /** Applies verdicts: the event leaves the queue, its verdict stays, an invalid one is kept whole. */
  async applyVerdicts(recordingId: string, settlements: readonly EventVerdict[]): Promise<void> {
    const stores = ["recordings", "events", "settled", "quarantine"] as const;
    const tx = (await this.db()).transaction(stores, "readwrite", DURABLE);
    const recording = await tx.objectStore("recordings").get(recordingId);
    for (const { eventId, verdict, reason } of settlements) {
      const event = await tx.objectStore("events").index("byEventId").get(eventId);
      if (!event || event.recording !== recordingId) continue;
      await tx.objectStore("events").delete([event.recording, event.place]);
      await tx.objectStore("settled").put({ eventId, recording: recordingId, verdict, reason });
      if (verdict === "invalid") {
        const kept = { eventId, recording: recordingId, seq: event.seq, reason: reason ?? "", at: this.now() };
        await tx.objectStore("quarantine").put({ ...kept, body: event.body });
      }
      if (recording) recording.counts[COUNTER_OF_VERDICT[verdict]] += 1;
    }
    if (recording) await tx.objectStore("recordings").put(recording);
    await tx.done;
  }

  /** Moves what still waits, and the open visits, to another recording with new places in its sequence. Ids stay. */
  async moveWaiting(from: string, to: string): Promise<number> {
    const tx = (await this.db()).transaction(["recordings", "events", "visits"], "readwrite", DURABLE);
    const source = await tx.objectStore("recordings").get(from);
    const target = await tx.objectStore("recordings").get(to);
    let moved = 0;
    if (source && target) {
      for (const event of await tx.objectStore("events").getAll(allPlaces(from))) {
        await tx.objectStore("events").delete([from, event.place]);
        await tx.objectStore("events").add({ ...event, recording: to, place: target.nextPlace++, seq: null });
        moved += 1;
        source.counts.seen -= 1;
        target.counts.seen += 1;
        const kind = ({ page_visit: "pages", highlight: "highlights" } as const)[event.body.type as "page_visit"];
        if (kind) {
          source.counts[kind] -= 1;
          target.counts[kind] += 1;
        }
      }
      for (const visit of await tx.objectStore("visits").index("byRecording").getAll(from)) {
        await tx.objectStore("visits").put({ ...visit, recording: to });
      }
      await tx.objectStore("recordings").put(source);
      await tx.objectStore("recordings").put(target);
    }
    await tx.done;
    return moved;
  }

  async receipt(recordingId: string): Promise<Receipt> {
    const tx = (await this.db()).transaction(["recordings", "events"]);
    const recording = await tx.objectStore("recordings").get(recordingId);
    const waiting = await tx.objectStore("events").count(allPlaces(recordingId));
    const oldest = waiting > 0 ? await tx.objectStore("events").openCursor(allPlaces(recordingId)) : null;
    const { seen = 0, stored = 0, excluded = 0, invalid = 0 } = recording?.counts ?? {};
    return { seen, stored, excluded, invalid, waiting, waitingSince: oldest?.value.queuedAt ?? null };
  }

  async eventById(eventId: string): Promise<QueuedEvent | undefined> {
    return (await this.db()).getFromIndex("events", "byEventId", eventId);
  }

  async waiting(recordingId: string): Promise<QueuedEvent[]> {
    return (await this.db()).getAll("events", allPlaces(recordingId));
  }

  async settled(recordingId: string): Promise<SettledEvent[]> {
    return (await this.db()).getAllFromIndex("settled", "byRecording", recordingId);
  }

  async quarantined(recordingId: string): Promise<QuarantinedEvent[]> {
    return (await this.db()).getAllFromIndex("quarantine", "byRecording", recordingId);
  }

  async visits(recordingId: string): Promise<OpenVisit[]> {
    return (await this.db()).getAllFromIndex("visits", "byRecording", recordingId);
  }

  async visitsInTab(tabId: number): Promise<OpenVisit[]> {
    return (await this.db()).getAllFromIndex("visits", "byTab", tabId);
  }

  async visit(id: string): Promise<OpenVisit | undefined> {
    return (await this.db()).get("visits", id);
  }

  async updateVisit(id: string, change: (visit: OpenVisit) => boolean | undefined): Promise<OpenVisit | undefined> {
    const tx = (await this.db()).transaction("visits", "readwrite");
    const visit = await tx.store.get(id);
    if (visit && change(visit) !== false) await tx.store.put(visit);
    await tx.done;
    return visit;
  }

  /** Ends a visit: its farewell goes into the queue and the visit away, in one step. False if it had ended. */
  async closeVisit(id: string, makeFinalEvent: (visit: OpenVisit) => EventBody): Promise<boolean> {
    const tx = (await this.db()).transaction(["visits", "events", "recordings"], "readwrite", DURABLE);
    const visit = await tx.objectStore("visits").get(id);
    const recording = visit && (await tx.objectStore("recordings").get(visit.recording));
    if (visit) await tx.objectStore("visits").delete(id);
    if (visit && recording) {
      const body = makeFinalEvent(visit);
      const place = recording.nextPlace++;
      recording.counts.seen += 1;
      await tx.objectStore("recordings").put(recording);
      const common = { recording: visit.recording, eventId: body.event_id, queuedAt: this.now() };
      await tx
        .objectStore("events")
        .add({ ...common, place, seq: null, heldUntil: 0, bytes: encodedBytes(body), body });
      // The visit itself need not wait for its text any longer.
      const arrival = await tx.objectStore("events").index("byEventId").get(id);
      if (arrival && arrival.heldUntil > 0 && !arrival.isAwaitingText)
        await tx.objectStore("events").put({ ...arrival, heldUntil: 0 });
    }
    await tx.done;
    return visit !== undefined;
  }

  async getValue<T>(key: string): Promise<T | undefined> {
    return (await (await this.db()).get("values", key)) as T | undefined;
  }

  async setValue(key: string, value: unknown): Promise<void> {
    const db = await this.db();
    const tx = db.transaction("values", "readwrite", DURABLE);
    if (value === undefined) await tx.store.delete(key);
    else await tx.store.put(value, key);
    await tx.done;
  }
}
