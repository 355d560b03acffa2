import { beforeEach, expect, test } from "vitest";

import { createFixture, makeEvent, makeRecording } from "../testing/fixtures";
import { makeView } from "./make-view";

let b: Awaited<ReturnType<typeof createFixture>>;
beforeEach(async () => {
  b = await createFixture();
});
const view = (generation: Parameters<typeof makeView>[2] = null) => makeView(b.store, b.account, generation, 5);

test("shows the signed-in user, without tokens", async () => {
  const made = await view();
  expect(made).toMatchObject({ account: { email: "a@example.com", isExpired: false }, current: null });
  expect(JSON.stringify(made)).not.toMatch(/access-|refresh-/);
  await b.account.signOut();
  expect((await view()).account).toBeNull();
});

test("shows the recording with its receipt, and the waiting events of earlier ones", async () => {
  await b.store.addRecording({ ...makeRecording("old", 1), status: "stopping", endedAt: 2 });
  await b.store.append("old", makeEvent());
  await b.store.addRecording(makeRecording("new", 3));
  await b.store.append("new", makeEvent({ type: "page_visit" }));
  const made = await view();
  expect(made.current).toMatchObject({
    id: "new",
    pages: 1,
    receipt: { seen: 1, waiting: 1, waitingSince: b.clock.time },
  });
  expect(made.earlier).toEqual({ recordings: 1, waiting: 1 });
});

test("a map's progress belongs to its recording", async () => {
  await b.store.addRecording({ ...makeRecording("r1"), status: "completed", endedAt: 2 });
  const generation = {
    recordingId: "r1",
    status: "generating",
    percent: 5,
    failure: null,
    title: null,
  } as const;
  expect((await view(generation)).generation).toEqual(generation);
  expect((await view({ ...generation, recordingId: "r0" })).generation).toBeNull();
});
