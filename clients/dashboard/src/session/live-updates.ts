/** Live updates of a session that is recorded, and of a map that is generated or edited elsewhere. */

import type { QueryClient } from "@tanstack/react-query";
import { isRecord } from "@trailmind/api";
import { useEffect, useEffectEvent, useState, useSyncExternalStore } from "react";
import type { MapOwner } from "~/api/queries";
import { refreshQueries } from "~/api/refresh";
import { followEvents, type MapEvent } from "~/api/stream";
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
 * The progress after an event; fields that the event does not contain keep their value. It stays when the generation has
 * ended: until the map is read again, all that the page knows besides is an earlier stage.
 */
export function nextProgress(before: Progress | null, data: Record<string, unknown>, nowMs: number): Progress | null {
  const map = isRecord(data.mindmap) ? data.mindmap : data;
  if (map.status !== "generating" && map.status !== "pending") return before;
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

/** What is read again of a map over several sessions. */
const JOINT_KEYS = ["joint-map", "versions"];
/** Before the stream of a completed session is opened, so that the page itself loads first. */
const QUIET_START_MS = 2_500;

const onVisibility = (listener: () => void) => {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
};

/**
 * Follows the event stream of a session or of a map over several, and invalidates the queries that the events concern. `onEdited` gets the version
 * of the map and the length of its edit log as the server knows them. The stream of a session that neither records nor
 * generates is open only while the page is visible: a browser has few connections for one origin.
 */
export function useLiveUpdates(
  { kind, id }: MapOwner,
  isLoaded: boolean,
  isMoving: boolean,
  client: QueryClient,
  onEdited: (version: number, seq: number) => void,
): { progress: Progress | null; liveMap: LiveMap | null } {
  const [progress, setProgress] = useState<Progress | null>(null);
  const [growing, setLiveMap] = useState<LiveMap | null>(null);
  const isVisible = useSyncExternalStore(onVisibility, () => document.visibilityState === "visible");
  const isOn = isMoving || (isLoaded && isVisible);
  const noteEdited = useEffectEvent(onEdited);
  useEffect(() => {
    if (isMoving) return;
    setProgress(null);
    setLiveMap(null);
  }, [isMoving]);
  useEffect(() => {
    if (!isOn) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = (...keys: string[]) => {
      for (const key of kind === "joint" ? JOINT_KEYS : keys) refreshQueries(client, [key, id]);
      refreshQueries(client, [kind === "joint" ? "joint-maps" : "sessions"]);
    };
    // Pages arrive in bursts while recording: the queries are refreshed after a pause of 300 ms.
    const refreshSoon = () => {
      clearTimeout(timer);
      timer = setTimeout(() => refresh("timeline", "session", "receipt"), 300);
    };
    const onMap = (map: Record<string, unknown>, event: string) => {
      if (map.status === "completed" || map.status === "failed")
        refresh("mindmap", "session", "timeline", "versions", "receipt");
      // Another tab or client has ordered a new version.
      else if (event === "mindmap" && !isMoving) refresh("mindmap", "session");
    };
    const onEvent = ({ event, data }: MapEvent) => {
      const map = isRecord(data.mindmap) ? data.mindmap : data;
      if (event === "map_delta") {
        setLiveMap((before) => applyDelta(before, data));
        return refreshSoon();
      }
      if (typeof map.version === "number" && typeof map.seq === "number") noteEdited(map.version, map.seq);
      if (event === "mindmap_edited" || (event === "snapshot" && !isMoving)) return;
      setProgress((before) => nextProgress(before, data, Date.now()));
      if (event === "session") refresh("session", "mindmap", "timeline");
      else if (event === "snapshot" || event === "mindmap") onMap(map, event);
      else refreshSoon();
    };
    const start = setTimeout(
      () => void followEvents({ kind, id }, stop.signal, onEvent, () => stop.signal.aborted),
      isMoving ? 0 : QUIET_START_MS,
    );
    return () => {
      clearTimeout(start);
      clearTimeout(timer);
      stop.abort();
    };
  }, [kind, id, isOn, isMoving, client]);
  return { progress, liveMap: growing };
}
