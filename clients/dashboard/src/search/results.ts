/** Search results as the API gives them, whatever extra fields it adds. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { json } from "~/api/client";
import { ApiError, isRecord } from "~/api/errors";

export interface Hit {
  kind: string;
  sessionId: string;
  nodeId: string | null;
  title: string;
  snippet: string;
  url: string | null;
  at: string | null;
  sessionTitle: string | null;
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

/** A hit of the reply, or null for what is none. */
export function parseHit(raw: unknown): Hit | null {
  if (!isRecord(raw)) return null;
  const sessionId = text(raw.session_id) ?? (raw.kind === "session" ? text(raw.id) : null);
  if (!sessionId) return null;
  return {
    kind: text(raw.kind) ?? text(raw.type) ?? "page",
    sessionId,
    nodeId: text(raw.node_id) ?? text(raw.page_id),
    title: text(raw.title) ?? text(raw.label) ?? text(raw.url) ?? "",
    snippet: text(raw.snippet) ?? text(raw.text) ?? "",
    url: text(raw.url),
    at: text(raw.visited_at) ?? text(raw.at) ?? text(raw.created_at),
    sessionTitle: text(raw.session_title),
  };
}

/** Plain pieces of a snippet; the marked ones are what matched. Anything that looks like other markup stays text. */
export function marked(snippet: string): { text: string; isMatch: boolean }[] {
  return snippet
    .split(/(<mark>.*?<\/mark>)/gs)
    .filter(Boolean)
    .map((part) => (part.startsWith("<mark>") ? { text: part.slice(6, -7), isMatch: true } : { text: part, isMatch: false }));
}

export interface Results {
  hits: Hit[];
  total: number | null;
  isMissing: boolean;
}

const SIZE = 20;

export const searchQuery = (q: string) =>
  infiniteQueryOptions({
    queryKey: ["search", q],
    enabled: q.trim().length > 0,
    initialPageParam: 0,
    queryFn: async ({ pageParam }): Promise<Results> => {
      try {
        const reply = await json<unknown>("GET", `/v1/search?${new URLSearchParams({ q, limit: String(SIZE), offset: String(pageParam) })}`);
        const list = isRecord(reply) ? (reply.results ?? reply.hits ?? []) : [];
        return {
          hits: Array.isArray(list) ? list.flatMap((raw) => parseHit(raw) ?? []) : [],
          total: isRecord(reply) && typeof reply.total === "number" ? reply.total : null,
          isMissing: false,
        };
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return { hits: [], total: 0, isMissing: true };
        throw error;
      }
    },
    getNextPageParam: (last, pages) => (last.hits.length === SIZE ? pages.length * SIZE : undefined),
    staleTime: 60_000,
  });
