/** The IndexedDB schema. */

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

export type Database = IDBPDatabase<Schema>;

/** `onGone` is called when the browser closes the connection by itself. */
export function openDatabase(name: string, onGone: () => void): Promise<Database> {
  return openDB<Schema>(name, 1, {
    terminated: onGone,
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

/** Chrome answers a write before it reaches the disk unless asked: a power cut must not lose an event either. */
export const DURABLE: IDBTransactionOptions = { durability: "strict" };
