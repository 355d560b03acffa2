import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { isMoving, isOpen, type Mindmap, mindmapQuery, sessionQuery, timelineQuery } from "~/api/queries";
import { type LiveMap, toMapDocument } from "~/map/live-map";
import { parseMap } from "~/map/model";
import type { Edits } from "./edits";
import { useLiveUpdates } from "./live-updates";
import { showsTimeline, type View } from "./search-params";

/** The queries of a session's page, its live updates, and the map to show. */
export function useSessionData(id: string, view: View | undefined, isWide: boolean, { preview, noteSaved }: Edits) {
  const client = useQueryClient();
  const session = useQuery(sessionQuery(id));
  const isLive = session.data ? isOpen(session.data.session_status) : false;
  // While the session is recorded it has no map: the request would return 404.
  const mindmap = useQuery({ ...mindmapQuery(id), enabled: session.isSuccess && !isLive });
  const timeline = useQuery({
    ...timelineQuery(id, isLive),
    enabled: session.isSuccess && (showsTimeline(view, isWide) || isLive || mindmap.isFetched),
  });
  const isGenerating = mindmap.data?.status === "generating" || mindmap.data?.status === "pending";
  const hasUpdates = session.data !== undefined && (isMoving(session.data.session_status) || isGenerating);
  const { progress, liveMap } = useLiveUpdates(
    { kind: "session", id },
    session.isSuccess,
    hasUpdates,
    client,
    noteSaved,
  );
  const mapData = useMapData(mindmap.data, isLive ? liveMap : null);
  // The map with the edits that the server has not answered yet.
  const model = useMemo(() => (mapData ? parseMap(preview(mapData)) : null), [mapData, preview]);
  return { session, isLive, mindmap, timeline, progress, model, isUnreadable: mapData !== null && model === null };
}

/** The newest map document: the stored one, which stays while a new version is generated, or the live one. */
function useMapData(mindmap: Mindmap | null | undefined, liveMap: LiveMap | null): unknown {
  const liveDocument = useMemo(() => (liveMap && liveMap.nodes.size > 1 ? toMapDocument(liveMap) : null), [liveMap]);
  return mindmap?.data ?? liveDocument;
}
