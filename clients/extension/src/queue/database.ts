/** The IndexedDB schema and its connection. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";

import type { OpenVisit, QuarantinedEvent, QueuedEvent, Recording, SettledEvent } from "./model";

interface Schema extends DBSchema {
  recordings: { key: string; value: Recording };
  events: { key: [string, number]; value: QueuedEvent; indexes: { byEventId: string } };
  settled: { key: string; value: SettledEvent; indexes: { byRecording: string } };
  quarantine: { key: string; value: QuarantinedEvent; indexes: { byRecording: string } };
  visits: { key: string; value: OpenVisit; indexes: { byTab: number; byRecording: string } };
  /** Single values: the account, the size of the next batch. */
  values: { key: string; value: unknown };
}

type Database = IDBPDatabase<Schema>;

/** `onTerminated` is called when the browser closes the connection. */
function openDatabase(name: string, onTerminated: () => void): Promise<Database> {
  return openDB<Schema>(name, 1, {
    terminated: onTerminated,
    upgrade(db) {
      db.createObjectStore("recordings", { keyPath: "id" });
      db.createObjectStore("events", { keyPath: ["recording", "place"] }).createIndex("byEventId", "eventId", {
        unique: true,
      });
      db.createObjectStore("settled", { keyPath: "eventId" }).createIndex("byRecording", "recording");
      db.createObjectStore("quarantine", { keyPath: "eventId" }).createIndex("byRecording", "recording");
      const visits = db.createObjectStore("visits", { keyPath: "id" });
      visits.createIndex("byTab", "tabId");
      visits.createIndex("byRecording", "recording");
      db.createObjectStore("values");
    },
  });
}

/** By default Chrome confirms a write before it is on disk; with `strict`, a power failure loses no confirmed event. */
export const DURABLE: IDBTransactionOptions = { durability: "strict" };

/** The key range of all queued events of a recording. */
export const allPlaces = (recording: string) => IDBKeyRange.bound([recording, -Infinity], [recording, Infinity]);

/** Opens the database on first use, and again after a failure or after the browser closed the connection. */
export class DatabaseConnection {
  private opened: Promise<Database> | null = null;

  constructor(private readonly name: string) {}

  open(): Promise<Database> {
    const discard = () => {
      this.opened = null;
    };
    this.opened ??= openDatabase(this.name, discard).catch((error: unknown) => {
      discard();
      throw error;
    });
    return this.opened;
  }

  async close(): Promise<void> {
    if (this.opened) (await this.opened).close();
    this.opened = null;
  }
}
