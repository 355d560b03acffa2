/** Every query of the dashboard: its key, its request, and how long it is fresh. */
import { infiniteQueryOptions, type QueryClient, queryOptions } from "@tanstack/react-query";
import {
  ApiError,
  defined,
  type MindmapReply,
  type SessionReply,
  type TimelineReply,
  type TimelineVisit,
  unwrap,
} from "@trailmind/api";
import { api } from "./client";

export type Session = SessionReply;
export type Status = Session["session_status"];
export const STATUSES: readonly Status[] = ["recording", "paused", "processing", "completed", "failed"];
export type Timeline = TimelineReply;
export type Visit = TimelineVisit;
export type Highlight = TimelineReply["highlights"][number];
export type Mindmap = MindmapReply;

const PAGE_SIZE = 24;

/** `undefined` removes a filter. */
export interface Filters {
  status?: Status | undefined;
  q?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  domain?: string | undefined;
  keyword?: string | undefined;
}

/** The filters as query parameters. Days are in the browser's time zone; the last day is included. */
export function filterQuery({ status, q, from, to, domain, keyword }: Filters) {
  const midnight = (day: string | undefined, plusDays = 0) => {
    const [year, month, date] = (day ?? "").split("-").map(Number);
    return year && month && date ? new Date(year, month - 1, date + plusDays).toISOString() : undefined;
  };
  return { status, text: q, since: midnight(from), until: midnight(to, 1), domain, keyword };
}

export function isOpen(status: Status): boolean {
  return status === "recording" || status === "paused";
}

export function isMoving(status: Status): boolean {
  return isOpen(status) || status === "processing";
}

export const sessionsQuery = (filters: Filters) =>
  infiniteQueryOptions({
    queryKey: ["sessions", filters],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/v1/sessions", {
          params: { query: { limit: PAGE_SIZE, offset: pageParam, ...defined(filterQuery(filters)) } },
          signal,
        }),
      ),
    getNextPageParam: (last, pages) => {
      const seen = pages.reduce((n, page) => n + page.sessions.length, 0);
      return last.sessions.length > 0 && seen < last.total ? seen : undefined;
    },
    // A list with sessions in progress is fetched again periodically; any other only when the window gets the focus.
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.sessions.some((s) => isMoving(s.session_status))) ? 4_000 : false,
    staleTime: 15_000,
  });

const path = (session_id: string) => ({ params: { path: { session_id } } });

export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: ["session", id],
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/v1/sessions/{session_id}", { ...path(id), signal }))).session,
    refetchInterval: (query) => (query.state.data && isMoving(query.state.data.session_status) ? 4_000 : false),
  });

/** A session from the cache: of its own query, or of a list. */
export function knownSession(client: QueryClient, id: string): Session | undefined {
  const lists = client.getQueriesData<{ pages: { sessions: Session[] }[] }>({ queryKey: ["sessions"] });
  return (
    client.getQueryData<Session>(["session", id]) ??
    lists.flatMap(([, list]) => list?.pages.flatMap((page) => page.sessions) ?? []).find((session) => session.id === id)
  );
}

export const timelineQuery = (id: string, isLive: boolean) =>
  queryOptions({
    queryKey: ["timeline", id],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/sessions/{session_id}/timeline", { ...path(id), signal })),
    refetchInterval: isLive ? 2_500 : false,
  });

/** The map resource; null before its first generation is requested. */
export const mindmapQuery = (id: string) =>
  queryOptions({
    queryKey: ["mindmap", id],
    queryFn: async ({ signal }) => {
      try {
        return (await unwrap(api.GET("/v1/sessions/{session_id}/mindmap", { ...path(id), signal }))).mindmap;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });

/** The thumbnail of a map as an object URL; null while there is none. */
export const thumbnailQuery = ({ kind, id }: MapOwner, updatedAt: string, theme: "light" | "dark") =>
  queryOptions({
    queryKey: ["thumbnail", id, updatedAt, theme],
    queryFn: async () => {
      try {
        const query = { size: "thumbnail", theme } as const;
        const image = await unwrap(
          kind === "joint"
            ? api.GET("/v1/maps/{map_id}/image", { params: { path: { map_id: id }, query }, parseAs: "blob" })
            : api.GET("/v1/sessions/{session_id}/mindmap/image", {
                params: { path: { session_id: id }, query },
                parseAs: "blob",
              }),
        );
        return URL.createObjectURL(image);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
    // A map that is drawn again, as after forgetting a page, has no picture for some seconds.
    refetchInterval: ({ state }) => (state.data === null && state.dataUpdateCount < 10 ? 5_000 : false),
    retry: false,
  });

/** A query of an endpoint that an older server may not have; null when it is missing. */
export const optionalQuery = <T>(queryKey: readonly unknown[], read: () => Promise<T>) =>
  queryOptions({
    queryKey,
    queryFn: async (): Promise<T | null> => {
      try {
        return await read();
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });

/** What this server offers. */
export const serverQuery = () => ({
  ...optionalQuery(["server"], async () => (await unwrap(api.GET("/v1/server"))).server),
  staleTime: Number.POSITIVE_INFINITY,
});

/** The plan of the account. */
export const planQuery = () => optionalQuery(["subscription"], () => unwrap(api.GET("/v1/subscription")));

/** The settings stored with the account. */
export const settingsQuery = () => optionalQuery(["settings"], () => unwrap(api.GET("/v1/users/me/settings")));

/** What reached the server. `excluded` also counts the pages that the extension excluded itself. */
export const receiptQuery = (id: string, isLive = false) => ({
  ...optionalQuery(["receipt", id], async () => {
    const { receipt } = await unwrap(api.GET("/v1/sessions/{session_id}/receipt", path(id)));
    const seen = receipt.seen + receipt.excluded_on_device;
    return { ...receipt, seen, excluded: receipt.excluded + receipt.excluded_on_device };
  }),
  refetchInterval: isLive ? 2_500 : (false as const),
});

/** What a map belongs to: one session, or a map over several, by the id of either. */
export interface MapOwner {
  kind: "session" | "joint";
  id: string;
}

/** The path of a map's owner in the API. */
export const ownerPath = ({ kind, id }: MapOwner) => (kind === "joint" ? `/v1/maps/${id}` : `/v1/sessions/${id}`);

/** The captured text of a page, with its highlights. */
export const pageTextQuery = ({ kind, id }: MapOwner, pageId: string) =>
  queryOptions({
    queryKey: ["page-text", id, pageId],
    queryFn: ({ signal }) =>
      unwrap(
        kind === "joint"
          ? api.GET("/v1/maps/{map_id}/pages/{page_id}", { params: { path: { map_id: id, page_id: pageId } }, signal })
          : api.GET("/v1/sessions/{session_id}/pages/{page_id}", {
              params: { path: { session_id: id, page_id: pageId } },
              signal,
            }),
      ),
    staleTime: 5 * 60_000,
  });
