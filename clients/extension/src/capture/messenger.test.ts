import { beforeEach, expect, test, vi } from "vitest";

import type { PageMessage, PageResponse } from "../protocol";
import { Messenger, type MessengerDeps } from "./messenger";

const MESSAGE: PageMessage = { kind: "settled", visitId: "v1", title: "t", referrer: "", hasPasswordField: false };
const YES: PageResponse = { ok: true, records: true };

let outbox: Map<string, PageMessage>;
let waits: number[];
let deps: MessengerDeps;
let send: ReturnType<typeof vi.fn<(message: PageMessage) => Promise<PageResponse | undefined>>>;

beforeEach(() => {
  outbox = new Map();
  waits = [];
  send = vi.fn<(message: PageMessage) => Promise<PageResponse | undefined>>();
  deps = {
    send,
    save: async (key, message) => void outbox.set(key, message),
    remove: async (key) => void outbox.delete(key),
    wait: async (ms) => void waits.push(ms),
    isAlive: () => true,
  };
});

test("sends again until the worker stored the message", async () => {
  send.mockRejectedValueOnce(new Error("no receiver")).mockResolvedValueOnce({ ok: false }).mockResolvedValueOnce(YES);
  expect(await new Messenger(deps).deliver(MESSAGE)).toEqual(YES);
  expect(waits).toEqual([100, 400]);
  expect(outbox.size).toBe(0);
});

test("writes the message to the outbox if the worker does not respond", async () => {
  send.mockResolvedValue(undefined);
  expect(await new Messenger(deps).deliver(MESSAGE)).toBeNull();
  expect([...outbox]).toEqual([["outbox:settled:v1", MESSAGE]]);
});

test("an unloading page sends and stores its message, and removes it after a response", async () => {
  let answer: (value: PageResponse) => void = () => undefined;
  send.mockReturnValue(new Promise((resolve) => (answer = resolve)));
  new Messenger(deps).deliverOnUnload(MESSAGE);
  await Promise.resolve();
  expect(outbox.size).toBe(1);
  answer(YES);
  await vi.waitFor(() => expect(outbox.size).toBe(0));
});

test("a script without its extension sends nothing", async () => {
  deps.isAlive = () => false;
  expect(await new Messenger(deps).deliver(MESSAGE)).toBeNull();
  new Messenger(deps).deliverOnUnload(MESSAGE);
  expect(send).not.toHaveBeenCalled();
});
