/** Search results and their marked matches. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { ApiError, type SearchReply, unwrap } from "@trailmind/api";
import { api } from "~/api/client";

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

export const searchQuery = (q: string) =>
  infiniteQueryOptions({
    queryKey: ["search", q],
    enabled: q.trim().length > 0,
    initialPageParam: 0,
    queryFn: async ({ pageParam, signal }): Promise<Results> => {
      try {
        return await unwrap(
          api.GET("/v1/search", { params: { query: { q: q.slice(0, 200), limit: SIZE, offset: pageParam } }, signal }),
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
