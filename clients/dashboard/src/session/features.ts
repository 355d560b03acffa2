/** Which parts of the API this server has. Asked of its own description, once, so that nothing is offered that is not there. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { isRecord } from "~/api/errors";

export const FORMATS = ["png", "svg", "markdown", "opml", "freemind", "json", "csv"] as const;

export interface Receipt {
  seen: number;
  stored: number;
  duplicate: number;
  excluded: number;
  invalid: number;
  [other: string]: unknown;
}

const descriptionQuery = queryOptions({
  queryKey: ["openapi"],
  queryFn: async (): Promise<Record<string, string[]>> => {
    const answer = await fetch("/openapi.json", { signal: AbortSignal.timeout(20_000) });
    const body: unknown = answer.ok ? await answer.json() : null;
    const paths = isRecord(body) && isRecord(body.paths) ? body.paths : {};
    return Object.fromEntries(Object.entries(paths).map(([path, methods]) => [path, isRecord(methods) ? Object.keys(methods) : []]));
  },
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});

export function useFeature(path: string, method?: string): boolean {
  const description = useQuery(descriptionQuery);
  const methods = description.data?.[path];
  return Boolean(methods && (!method || methods.includes(method)));
}
