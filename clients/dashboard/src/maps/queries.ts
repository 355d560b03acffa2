/** Maps over several sessions. */
import { type JointMapReply, unwrap } from "@trailmind/api";
import { api } from "~/api/client";

export type JointMap = JointMapReply;

const POLL_MS = 1_500;

export const isDrawing = (map: JointMap | null | undefined): boolean =>
  map?.status === "generating" || map?.status === "pending";

/** Whether drawing a map again, which was `before` at that moment, has ended. */
export const isRedrawn = (before: JointMap, map: JointMap): boolean =>
  !isDrawing(map) && map.updated_at !== before.updated_at;

export const jointMapsQuery = () => ({
  queryKey: ["joint-maps"],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    unwrap(api.GET("/v1/maps", { params: { query: { limit: 100 } }, signal })),
  refetchInterval: (query: { state: { data?: { maps: JointMap[] } | undefined } }) =>
    query.state.data?.maps.some(isDrawing) ? POLL_MS : (false as const),
});

/** One map with its document. The event stream of its page says when it has changed. */
export const jointMapQuery = (id: string) => ({
  queryKey: ["joint-map", id],
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<JointMap> =>
    (await unwrap(api.GET("/v1/maps/{map_id}", { params: { path: { map_id: id } }, signal }))).map,
});

/** The range of whole days, in the user's time zone, as the API takes it; `to` is the last day. */
export function dayRange(from: string, to: string): { since: string; until: string } {
  const end = new Date(`${to}T00:00`);
  end.setDate(end.getDate() + 1);
  return { since: new Date(`${from}T00:00`).toISOString(), until: end.toISOString() };
}
