import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useEffectEvent } from "react";
import { useMessages } from "~/i18n";
import { loadPart } from "~/load-part";
import { mapsWithAbandonedEdits } from "./stored-edits";

/** After the page itself has loaded, so that it is not delayed. */
const RESUME_AFTER_MS = 1_500;
const MAX_PAUSE_MS = 60_000;

/**
 * Sends the edits that were not saved when a page was closed, of whatever map they are. A map that cannot be loaded now
 * is tried again with growing pauses.
 */
export function useAbandonedEdits(firstMs = RESUME_AFTER_MS): void {
  const client = useQueryClient();
  const t = useMessages();
  const resume = useEffectEvent(async (): Promise<boolean> => {
    const owners = mapsWithAbandonedEdits();
    if (owners.length === 0) return true;
    const { resumeEdits } = await loadPart(() => import("./edits"));
    const isDone = [];
    for (const owner of owners) isDone.push(await resumeEdits(owner, client, t));
    return isDone.every(Boolean);
  });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isLeft = false;
    const resumeAfter = (ms: number) => {
      timer = setTimeout(async () => {
        if (!(await resume()) && !isLeft) resumeAfter(Math.min(2 * ms, MAX_PAUSE_MS));
      }, ms);
    };
    resumeAfter(firstMs);
    return () => {
      isLeft = true;
      clearTimeout(timer);
    };
  }, [firstMs]);
}
