/** Which acts a regeneration run allows in its status, and how far it is. */
import type { RunActionBody, RunReply } from "@trailmind/api";

export type RunAct = RunActionBody["action"];

const HAS_ENDED: readonly RunReply["status"][] = ["stopped", "cancelled", "finished", "promoted", "rolled_back"];

/** The acts that make sense now, in the order of their buttons. The server checks them again. */
export function actsOf({ status, progress }: Pick<RunReply, "status" | "progress">): RunAct[] {
  const acts: [RunAct, boolean][] = [
    ["pause", status === "running"],
    // A run whose process has died is still called running.
    ["resume", status === "running" || status === "paused" || status === "stopped"],
    ["retry", progress.failed > 0 && ["running", "paused", "stopped", "finished"].includes(status)],
    ["promote", progress.done + progress.rolled_back > 0 && HAS_ENDED.includes(status)],
    ["roll_back", progress.promoted > 0 && (status === "promoted" || status === "rolled_back")],
    ["cancel", status === "running" || status === "paused" || status === "stopped"],
  ];
  return acts.filter(([, isPossible]) => isPossible).map(([act]) => act);
}

/** Acts that end a run, or take maps away that users see. */
export const DANGEROUS: readonly RunAct[] = ["cancel", "roll_back"];

/** Whether an act is explained before it is done: it changes what users see, cannot be undone, or may need a budget. */
export function isAskedFirst(act: RunAct, { status }: Pick<RunReply, "status">): boolean {
  return act === "promote" || DANGEROUS.includes(act) || (act === "resume" && status === "stopped");
}

/** An amount in dollars in millionths; undefined for an empty field. */
export function microsOf(dollars: string): number | undefined {
  return dollars.trim() === "" ? undefined : Math.round(Number(dollars) * 1e6);
}

/** The share of its maps that need no more work, in percent. A run without maps is done. */
export function percentOf({ processed, total }: RunReply["progress"]): number {
  return total === 0 ? 100 : Math.floor((100 * processed) / total);
}
