/** Search results and their marked matches. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { ApiError, defined, type SearchReply, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { filterQuery } from "~/api/queries";

export type Results = SearchReply & { isMissing?: boolean };

/** A snippet split at its marks. Marks are in code points, ordered, and do not overlap. */
export function splitByMarks(
  snippet: string,
  marks: readonly { start: number; end: number }[],
): { text: string; isMatch: boolean }[] {
  const letters = [...snippet];
  const parts: { text: string; isMatch: boolean }[] = [];
  let at = 0;
  const add = (end: number, isMatch: boolean) => {
    if (end > at) parts.push({ text: letters.slice(at, end).join(""), isMatch });
    at = Math.max(at, end);
  };
  for (const mark of marks) {
    add(Math.min(mark.start, letters.length), false);
    add(Math.min(mark.end, letters.length), true);
  }
  add(letters.length, false);
  return parts;
}

const SIZE = 20;

/** `undefined` removes a filter. Days are in the browser's time zone; the last day is included. */
export interface SearchFilters {
  domain?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  session?: string | undefined;
  marked?: boolean | undefined;
}

export type Hit = SearchReply["results"][number];

/** The hits with each page once, in order: the best hit of the page, and the sessions in which it was read. */
export function groupByPage(hits: readonly Hit[]): { hit: Hit; others: Hit[] }[] {
  const groups = new Map<string, { hit: Hit; others: Hit[] }>();
  for (const hit of hits) {
    const group = groups.get(hit.page_id);
    if (group) group.others.push(hit);
    else groups.set(hit.page_id, { hit, others: [] });
  }
  return [...groups.values()];
}

function filterParameters({ domain, from, to, session, marked }: SearchFilters) {
  const { since, until } = filterQuery({ from, to });
  return defined({ domain, since, until, session_id: session, has_highlight: marked });
}

export const searchQuery = (q: string, filters: SearchFilters = {}) =>
  infiniteQueryOptions({
    queryKey: ["search", q, filters],
    enabled: q.trim().length > 0,
    initialPageParam: 0,
    queryFn: async ({ pageParam, signal }): Promise<Results> => {
      try {
        return await unwrap(
          api.GET("/v1/search", {
            params: {
              query: { q: q.slice(0, 200), limit: SIZE, offset: pageParam, ...filterParameters(filters) },
            },
            signal,
          }),
        );
      } catch (error) {
        if (error instanceof ApiError && error.status === 404)
          return { results: [], has_more: false, is_indexing: false, took_ms: 0, isMissing: true };
        throw error;
      }
    },
    getNextPageParam: (last, pages) => (last.has_more && pages.length < 20 ? pages.length * SIZE : undefined),
    staleTime: 60_000,
  });
