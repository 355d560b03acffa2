import { Account } from "../account/account";
import { TrailmindApi } from "../api/trailmind";
import type { EventBody, OpenVisit } from "../queue/model";
import { Sender } from "../queue/sender";
import { QueueStore } from "../queue/store";
import { newRecording } from "../recording/lifecycle";
import { MemoryServer, ORIGIN } from "./memory-server";

/** A clock that moves with `advance` only. */
export class FakeClock {
  constructor(public time = 1_000_000) {}
  readonly now = () => this.time;
  advance(ms: number): void {
    this.time += ms;
  }
}

export async function createFixture(clock = new FakeClock()) {
  const server = new MemoryServer();
  const store = new QueueStore("trailmind", clock.now);
  const api = new TrailmindApi(server.fetch);
  const account = new Account(store, api, clock.now);
  await account.storeSignIn(ORIGIN, await api.logIn(ORIGIN, "a@example.com", "secret"));
  server.calls.length = 0;
  const makeSender = () => new Sender({ store, account, api, now: clock.now, random: () => 0.5 });
  return { clock, server, store, api, account, sender: makeSender(), makeSender };
}

export const makeRecording = (id: string, now = 1_000_000) =>
  newRecording({ id, userId: "u1", origin: ORIGIN, title: "An afternoon", scope: { kind: "all" }, now });

let lastId = 0;
export function makeEvent(fields: Partial<EventBody> = {}): EventBody {
  lastId += 1;
  const id = `00000000-0000-4000-8000-${String(lastId).padStart(12, "0")}`;
  return { event_id: id, type: "scroll", timestamp: 1, url: "https://example.com/", ...fields };
}

export function makeOpenVisit(id: string, fields: Partial<OpenVisit> = {}): OpenVisit {
  return {
    id,
    recording: "r1",
    tabId: 7,
    documentId: "d1",
    url: "https://example.com/",
    startedAt: 1_000_000,
    activeMs: 0,
    maxScroll: 0,
    isActive: true,
    snapshotAt: 1_000_000,
    scrollQuarter: 0,
    goneAt: null,
    ...fields,
  };
}
