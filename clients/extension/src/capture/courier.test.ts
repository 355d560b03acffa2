import { beforeEach, expect, test, vi } from "vitest";

import type { PageAnswer, PageMessage } from "../messages";
import { Courier, type CourierDeps } from "./courier";

const MESSAGE: PageMessage = { kind: "settled", visitId: "v1", title: "t", referrer: "", hasPasswordField: false };
const YES: PageAnswer = { ok: true, records: true };

let kept: Map<string, PageMessage>;
let waits: number[];
let deps: CourierDeps;
let send: ReturnType<typeof vi.fn<(message: PageMessage) => Promise<PageAnswer | undefined>>>;

beforeEach(() => {
  kept = new Map();
  waits = [];
  send = vi.fn<(message: PageMessage) => Promise<PageAnswer | undefined>>();
  deps = {
    send,
    keep: async (key, message) => void kept.set(key, message),
    drop: async (key) => void kept.delete(key),
    wait: async (ms) => void waits.push(ms),
    isAlive: () => true,
  };
});

test("asks again until the worker wrote it down", async () => {
  send.mockRejectedValueOnce(new Error("no receiver")).mockResolvedValueOnce({ ok: false }).mockResolvedValueOnce(YES);
  expect(await new Courier(deps).deliver(MESSAGE)).toEqual(YES);
  expect(waits).toEqual([100, 400]);
  expect(kept.size).toBe(0);
});

test("leaves it in the outbox when nobody answers", async () => {
  send.mockResolvedValue(undefined);
  expect(await new Courier(deps).deliver(MESSAGE)).toBeNull();
  expect([...kept]).toEqual([["outbox:settled:v1", MESSAGE]]);
});

test("a page that goes away uses both ways and clears up behind the faster one", async () => {
  let answer: (value: PageAnswer) => void = () => undefined;
  send.mockReturnValue(new Promise((resolve) => (answer = resolve)));
  new Courier(deps).dispatch(MESSAGE);
  await Promise.resolve();
  expect(kept.size).toBe(1);
  answer(YES);
  await vi.waitFor(() => expect(kept.size).toBe(0));
});

test("an orphan keeps quiet", async () => {
  deps.isAlive = () => false;
  expect(await new Courier(deps).deliver(MESSAGE)).toBeNull();
  new Courier(deps).dispatch(MESSAGE);
  expect(send).not.toHaveBeenCalled();
});
