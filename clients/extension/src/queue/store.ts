/**
 * The durable queue. Every method is one transaction: once it resolves, its effect survives a killed worker, a killed
 * browser and a power failure; before that, none of it does.
 */

import { encodedBytes, fillBatch, MAX_BYTES } from "./batch";
import { allPlaces, DatabaseConnection, DURABLE } from "./database";
import type { EventBody, OpenVisit, QuarantinedEvent, QueuedEvent, Recording, SettledEvent } from "./model";
import { completed, countEvent, countMoved, countVerdict, type Receipt, receiptOf, uncountEvent } from "./rules";
import type { EventVerdict } from "./verdicts";

export class QueueStore {
  private readonly connection: DatabaseConnection;

  constructor(
    name = "trailmind",
    private readonly now: () => number = Date.now,
  ) {
    this.connection = new DatabaseConnection(name);
  }

  private db() {
    return this.connection.open();
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  // Recordings.

  async recordings(): Promise<Recording[]> {
    return (await this.db()).getAll("recordings");
  }

  async recording(id: string): Promise<Recording | undefined> {
    return (await this.db()).get("recordings", id);
  }

  async addRecording(recording: Recording): Promise<void> {
    await (await this.db()).add("recordings", recording);
  }

  /**
   * Reads, changes and writes a recording in one transaction. Returns the recording, undefined if it does not exist.
   * `change` must not await, because the transaction would end; if it returns false, nothing is written.
   */
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

  /** Deletes a recording with its events, verdicts and visits. */
  async deleteRecording(id: string): Promise<void> {
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

  // Events.

  /** Queues an event. Returns false if its id is known or the recording does not exist, so a repeat has no effect. */
  async append(recordingId: string, body: EventBody, heldUntil = 0): Promise<boolean> {
    return this.enqueue(recordingId, body, heldUntil, null);
  }

  /** Stores a visit and queues its `page_visit` event, atomically. Returns what `append` returns. */
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
    countEvent(recording.counts, body);
    await tx.objectStore("recordings").put(recording);
    const common = { recording: recordingId, eventId: body.event_id, queuedAt: this.now() };
    await tx.objectStore("events").add({ ...common, place, seq: null, heldUntil, bytes: encodedBytes(body), body });
    if (visit) await tx.objectStore("visits").put(visit);
    await tx.done;
    return true;
  }

  /** Adds fields to a queued event, which can then be sent. Returns false if the event is not queued. */
  async completeEvent(eventId: string, fields: Partial<EventBody>): Promise<boolean> {
    return this.complete(eventId, fields, 0, false);
  }

  /**
   * Adds fields to a queued event, to be sent from `heldUntil` on. Returns false if the event was sent already, even if
   * its verdict did not arrive.
   */
  async completeUnsent(eventId: string, fields: Partial<EventBody>, heldUntil: number): Promise<boolean> {
    return this.complete(eventId, fields, heldUntil, true);
  }

  private async complete(
    eventId: string,
    fields: Partial<EventBody>,
    heldUntil: number,
    isUnsentOnly: boolean,
  ): Promise<boolean> {
    const tx = (await this.db()).transaction("events", "readwrite", DURABLE);
    const event = await tx.store.index("byEventId").get(eventId);
    const isCompleted = event !== undefined && (!isUnsentOnly || event.seq === null);
    if (isCompleted) await tx.store.put(completed(event, fields, heldUntil));
    await tx.done;
    return isCompleted;
  }

  /** Gives an open visit its new address, and its event, too, if that was not sent yet and `url` is where it rests. */
  async moveVisit(id: string, url: string, isRead: boolean): Promise<void> {
    const tx = (await this.db()).transaction(["visits", "events"], "readwrite", DURABLE);
    const visit = await tx.objectStore("visits").get(id);
    const event = await tx.objectStore("events").index("byEventId").get(id);
    const isMoved = !isRead && event !== undefined && event.seq === null;
    if (isMoved) await tx.objectStore("events").put(completed(event, { url }, event.heldUntil));
    if (visit) await tx.objectStore("visits").put({ ...visit, ...(isMoved ? { url } : {}), currentUrl: url });
    await tx.done;
  }

  /** Deletes a visit of a page that was not read, and its event if that was not sent yet. Returns false if it was sent. */
  async dropVisit(id: string): Promise<boolean> {
    const tx = (await this.db()).transaction(["recordings", "events", "settled", "visits"], "readwrite", DURABLE);
    const event = await tx.objectStore("events").index("byEventId").get(id);
    const recording = event && (await tx.objectStore("recordings").get(event.recording));
    const isUnsent = event !== undefined && event.seq === null;
    if (isUnsent && recording) {
      await tx.objectStore("events").delete([event.recording, event.place]);
      uncountEvent(recording.counts, event.body);
      await tx.objectStore("recordings").put(recording);
      // A repeat of its message, from the outbox, must not queue it again.
      await tx
        .objectStore("settled")
        .put({ eventId: id, recording: event.recording, verdict: "excluded", reason: "transit" });
      await tx.objectStore("visits").delete(id);
    }
    await tx.done;
    return isUnsent;
  }

  /** Changes the id of a tab: Chrome replaces it when it discards the tab. A recording of that tab follows. */
  async replaceTab(oldId: number, newId: number): Promise<void> {
    const tx = (await this.db()).transaction(["recordings", "visits"], "readwrite", DURABLE);
    for (const visit of await tx.objectStore("visits").index("byTab").getAll(oldId)) {
      await tx.objectStore("visits").put({ ...visit, tabId: newId });
    }
    for (const recording of await tx.objectStore("recordings").getAll()) {
      if (recording.scope.kind !== "tab" || recording.scope.tabId !== oldId) continue;
      await tx.objectStore("recordings").put({ ...recording, scope: { kind: "tab", tabId: newId } });
    }
    await tx.done;
  }

  /** Holds an event that was not sent yet until its text arrives, at most until `until`. */
  async holdEvent(eventId: string, until: number): Promise<void> {
    const tx = (await this.db()).transaction("events", "readwrite", DURABLE);
    const event = await tx.store.index("byEventId").get(eventId);
    if (event && event.seq === null) await tx.store.put({ ...event, heldUntil: until, isAwaitingText: true });
    await tx.done;
  }

  /**
   * Deletes a visit and its event, because its page must not be recorded; the event counts as excluded. Returns false
   * if the event was sent already: the server may have stored it.
   */
  async withdrawVisit(recordingId: string, eventId: string, reason: string): Promise<boolean> {
    const tx = (await this.db()).transaction(["recordings", "events", "settled", "visits"], "readwrite", DURABLE);
    const event = await tx.objectStore("events").index("byEventId").get(eventId);
    const recording = await tx.objectStore("recordings").get(recordingId);
    const isUnsent = event !== undefined && event.seq === null;
    if (isUnsent && recording) {
      await tx.objectStore("events").delete([event.recording, event.place]);
      recording.counts.excluded += 1;
      recording.counts.excludedHere = (recording.counts.excludedHere ?? 0) + 1;
      if (event.body.type === "page_visit") recording.counts.pages -= 1;
      await tx.objectStore("recordings").put(recording);
      await tx.objectStore("settled").put({ eventId, recording: recordingId, verdict: "excluded", reason });
    }
    await tx.objectStore("visits").delete(eventId);
    await tx.done;
    return isUnsent;
  }

  /** Counts a page that was excluded before anything of it was read. Each `key` counts once. */
  async countExcluded(recordingId: string, key: string, reason: string): Promise<void> {
    const tx = (await this.db()).transaction(["recordings", "settled"], "readwrite");
    const recording = await tx.objectStore("recordings").get(recordingId);
    if (recording && (await tx.objectStore("settled").getKey(key)) === undefined) {
      recording.counts.seen += 1;
      recording.counts.excluded += 1;
      recording.counts.excludedHere = (recording.counts.excludedHere ?? 0) + 1;
      await tx.objectStore("recordings").put(recording);
      await tx.objectStore("settled").put({ eventId: key, recording: recordingId, verdict: "excluded", reason });
    }
    await tx.done;
  }

  /** The next events to send, oldest first, and when the earliest held event can be sent. */
  async nextBatch(
    recordingId: string,
    maxEvents: number,
    maxBytes = MAX_BYTES,
  ): Promise<{ batch: QueuedEvent[]; heldUntil: number | null }> {
    const tx = (await this.db()).transaction("events");
    const ready: QueuedEvent[] = [];
    let bytes = 0;
    let heldUntil: number | null = null;
    // Reads only as many events as fit: the queue of a day offline can hold 25 MB of page text.
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

  /** Assigns sequence numbers to the events of a batch before it is sent. An event keeps the number it has. */
  async assignSeq(recordingId: string, batch: readonly QueuedEvent[]): Promise<QueuedEvent[]> {
    const tx = (await this.db()).transaction(["recordings", "events"], "readwrite", DURABLE);
    const recording = await tx.objectStore("recordings").get(recordingId);
    const numbered: QueuedEvent[] = [];
    for (const { place } of batch) {
      // Read again: the event may have been completed or withdrawn since `nextBatch`.
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

  /** Makes every held event ready to be sent, because the recording is ending. */
  async releaseHeld(recordingId: string): Promise<void> {
    const tx = (await this.db()).transaction("events", "readwrite", DURABLE);
    for (let cursor = await tx.store.openCursor(allPlaces(recordingId)); cursor; cursor = await cursor.continue()) {
      if (cursor.value.heldUntil > 0) await cursor.update({ ...cursor.value, heldUntil: 0 });
    }
    await tx.done;
  }

  /** Removes events from the queue and stores their verdicts. An invalid event is kept in quarantine. */
  async applyVerdicts(recordingId: string, verdicts: readonly EventVerdict[]): Promise<void> {
    const stores = ["recordings", "events", "settled", "quarantine"] as const;
    const tx = (await this.db()).transaction(stores, "readwrite", DURABLE);
    const recording = await tx.objectStore("recordings").get(recordingId);
    for (const { eventId, verdict, reason } of verdicts) {
      const event = await tx.objectStore("events").index("byEventId").get(eventId);
      if (!event || event.recording !== recordingId) continue;
      await tx.objectStore("events").delete([event.recording, event.place]);
      await tx.objectStore("settled").put({ eventId, recording: recordingId, verdict, reason });
      if (verdict === "invalid") {
        const entry = { eventId, recording: recordingId, seq: event.seq, reason: reason ?? "", at: this.now() };
        await tx.objectStore("quarantine").put({ ...entry, body: event.body });
      }
      if (recording) countVerdict(recording.counts, verdict);
    }
    if (recording) await tx.objectStore("recordings").put(recording);
    await tx.done;
  }

  /**
   * Moves the waiting events and the open visits to another recording. Event ids stay; places and sequence numbers are
   * assigned anew. Returns the number of moved events.
   */
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
        countMoved(source.counts, target.counts, event.body);
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
    return receiptOf(recording, waiting, oldest?.value.queuedAt ?? null);
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

  // Open visits.

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

  /** Deletes an open visit and queues its final event, atomically. Returns false if the visit is not open. */
  async closeVisit(id: string, makeFinalEvent: (visit: OpenVisit) => EventBody): Promise<boolean> {
    const tx = (await this.db()).transaction(["visits", "events", "recordings"], "readwrite", DURABLE);
    const visit = await tx.objectStore("visits").get(id);
    const recording = visit && (await tx.objectStore("recordings").get(visit.recording));
    if (visit) await tx.objectStore("visits").delete(id);
    if (visit && recording) {
      const body = makeFinalEvent(visit);
      const place = recording.nextPlace++;
      countEvent(recording.counts, body);
      await tx.objectStore("recordings").put(recording);
      const common = { recording: visit.recording, eventId: body.event_id, queuedAt: this.now() };
      await tx
        .objectStore("events")
        .add({ ...common, place, seq: null, heldUntil: 0, bytes: encodedBytes(body), body });
      // After the end of the visit its title cannot arrive any more; only a text that is being read can.
      const visitEvent = await tx.objectStore("events").index("byEventId").get(id);
      if (visitEvent && visitEvent.heldUntil > 0 && !visitEvent.isAwaitingText)
        await tx.objectStore("events").put({ ...visitEvent, heldUntil: 0 });
    }
    await tx.done;
    return visit !== undefined;
  }

  // Single values.

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
