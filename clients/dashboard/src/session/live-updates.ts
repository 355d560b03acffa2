/** Live updates of a session that is recorded or whose map is generated. */

import type { QueryClient } from "@tanstack/react-query";
import { isRecord } from "@trailmind/api";
import { useEffect, useState } from "react";
import { followSessionEvents } from "~/api/stream";
import { applyDelta, type LiveMap } from "~/map/live-map";

export interface Progress {
  stage: string;
  percent: number | null;
  pagesRead: number | null;
  pagesTotal: number | null;
  topics: string[];
  numTopics: number | null;
  sinceMs: number;
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);

/**
 * The progress after an event; fields that the event does not contain keep their value. Null once the generation has
 * ended.
 */
export function nextProgress(before: Progress | null, data: Record<string, unknown>, nowMs: number): Progress | null {
  const map = isRecord(data.mindmap) ? data.mindmap : data;
  if (map.status !== "generating" && map.status !== "pending") return map.status === undefined ? before : null;
  const topicNames = Array.isArray(map.topics)
    ? map.topics.filter((topic): topic is string => typeof topic === "string")
    : null;
  return {
    stage: typeof map.stage === "string" ? map.stage : (before?.stage ?? "queued"),
    percent: numberOrNull(map.percent) ?? before?.percent ?? null,
    pagesRead: numberOrNull(map.pages_read) ?? before?.pagesRead ?? null,
    pagesTotal: numberOrNull(map.pages_total) ?? before?.pagesTotal ?? null,
    topics: topicNames ?? before?.topics ?? [],
    numTopics:
      numberOrNull(map.topics) ?? numberOrNull(map.num_topics) ?? topicNames?.length ?? before?.numTopics ?? null,
    sinceMs: before?.sinceMs ?? nowMs,
  };
}

/** Follows the session's event stream while `isOn`, and invalidates the queries that the events concern. */
export function useLiveUpdates(
  id: string,
  isOn: boolean,
  client: QueryClient,
): { progress: Progress | null; liveMap: LiveMap | null } {
  const [progress, setProgress] = useState<Progress | null>(null);
  const [growing, setLiveMap] = useState<LiveMap | null>(null);
  useEffect(() => {
    if (!isOn) {
      setProgress(null);
      setLiveMap(null);
      return;
    }
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = (...keys: string[]) => {
      for (const key of keys) void client.invalidateQueries({ queryKey: [key, id] });
      void client.invalidateQueries({ queryKey: ["sessions"] });
    };
    void followSessionEvents(
      id,
      stop.signal,
      (event) => {
        if (event.event === "map_delta") {
          setLiveMap((before) => applyDelta(before, event.data));
          clearTimeout(timer);
          timer = setTimeout(() => refresh("timeline", "session", "receipt"), 300);
          return;
        }
        setProgress((before) => nextProgress(before, event.data, Date.now()));
        const status = (isRecord(event.data.mindmap) ? event.data.mindmap : event.data).status;
        if (status === "completed" || status === "failed")
          refresh("mindmap", "session", "timeline", "versions", "receipt");
        else if (event.event === "session") refresh("session", "mindmap", "timeline");
        else if (event.event !== "snapshot" && event.event !== "mindmap") {
          // Pages arrive in bursts while recording: the queries are refreshed after a pause of 300 ms.
          clearTimeout(timer);
          timer = setTimeout(() => refresh("timeline", "session", "receipt"), 300);
        }
      },
      () => stop.signal.aborted,
    );
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [id, isOn, client]);
  return { progress, liveMap: growing };
}
