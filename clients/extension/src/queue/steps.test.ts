import { expect, test } from "vitest";

import { makeRecording } from "../testing/fixtures";
import type { Recording } from "./model";
import { nextStep } from "./steps";

const made = (fields: Partial<Recording>): Recording => ({
  ...makeRecording("r1"),
  serverId: "s1",
  serverStatus: "recording",
  ...fields,
});
const excluded = (excludedHere: number) => ({ ...makeRecording("r1").counts, excludedHere });

test.each([
  ["a session first", made({ serverId: null }), true, true, "start"],
  ["then events", made({ status: "stopping" }), true, true, "send"],
  ["a title", made({ isTitleSynced: false }), false, false, "rename"],
  ["how many pages it excluded", made({ counts: excluded(2), reportedExcluded: 1 }), false, false, "report"],
  ["no count that the server has", made({ counts: excluded(2), reportedExcluded: 2 }), false, false, null],
  ["no stop while something is held back", made({ status: "stopping" }), false, true, null],
  ["the stop last", made({ status: "stopping" }), false, false, "stop"],
  ["a pause the server does not know of", made({ status: "paused" }), false, false, "pause"],
  ["the end of a pause", made({ serverStatus: "paused" }), false, false, "resume"],
  ["nothing when both agree", made({}), false, false, null],
  ["events of an interrupted recording", made({ status: "interrupted" }), true, true, "send"],
  ["no stop before the user decided", made({ status: "interrupted" }), false, false, null],
  ["nothing for a lost session", made({ status: "lost" }), true, true, null],
  ["nothing is reported after abort", made({ status: "completed" }), true, true, null],
])("%s", (_, recording, hasReady, hasWaiting, step) => {
  expect(nextStep(recording, hasReady, hasWaiting)).toBe(step);
});
