/** What the server tells while something is going on with a session. */

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

/** The progress after a piece of news; what a piece does not mention stays. */
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

/** Follows the session's stream while `isOn`; refreshes what the news are about. */
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
      (news) => {
        if (news.event === "map_delta") {
          setLiveMap((before) => applyDelta(before, news.data));
          clearTimeout(timer);
          timer = setTimeout(() => refresh("timeline", "session"), 300);
          return;
        }
        setProgress((before) => nextProgress(before, news.data, Date.now()));
        const status = (isRecord(news.data.mindmap) ? news.data.mindmap : news.data).status;
        if (status === "completed" || status === "failed")
          refresh("mindmap", "session", "timeline", "versions", "receipt");
        else if (news.event === "session") refresh("session", "mindmap", "timeline");
        else if (news.event !== "snapshot" && news.event !== "mindmap") {
          // Pages come in bursts while recording: look again once they have settled for a moment.
          clearTimeout(timer);
          timer = setTimeout(() => refresh("timeline", "session"), 300);
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
