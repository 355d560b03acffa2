/** The queries of the operators' page. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { defined, type JobReply, type SessionReply, unwrap } from "@trailmind/api";
import { anonymousApi, api } from "~/api/client";

const PAGE_SIZE = 50;

export type JobState = "pending" | "running" | "retrying" | "dead";
export type Queue = "maps" | "maintenance" | "mail" | "billing" | "runs";

const nextOffset = (numShown: number, total: number) => (numShown < total ? numShown : undefined);

export const accountsQuery = (q: string, status: "active" | "inactive" | undefined) =>
  infiniteQueryOptions({
    queryKey: ["admin", "users", q, status],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/v1/admin/users", {
          params: { query: { limit: PAGE_SIZE, offset: pageParam, ...defined({ q: q || undefined, status }) } },
          signal,
        }),
      ),
    getNextPageParam: (last, pages) => nextOffset(pages.flatMap((page) => page.users).length, last.total),
  });

const ofUser = (user_id: string) => ({ params: { path: { user_id } } });

export const accountQuery = (id: string) =>
  queryOptions({
    queryKey: ["admin", "user", id],
    queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/admin/users/{user_id}", { ...ofUser(id), signal }))).user,
  });

export const accountBillingQuery = (id: string) =>
  queryOptions({
    queryKey: ["admin", "billing", id],
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/v1/admin/users/{user_id}/billing", { ...ofUser(id), signal }))).billing,
  });

export const holdQuery = (id: string) =>
  queryOptions({
    queryKey: ["admin", "hold", id],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/admin/users/{user_id}/hold", { ...ofUser(id), signal })),
  });

export const adminSessionsQuery = (status: SessionReply["session_status"] | undefined, user: string | undefined) =>
  infiniteQueryOptions({
    queryKey: ["admin", "sessions", status, user],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/v1/admin/sessions", {
          params: { query: { limit: PAGE_SIZE, offset: pageParam, ...defined({ status, user_id: user }) } },
          signal,
        }),
      ),
    getNextPageParam: (last, pages) => nextOffset(pages.flatMap((page) => page.sessions).length, last.total),
  });

export const jobsQuery = (status: JobState | undefined, queue: Queue | undefined) =>
  queryOptions({
    queryKey: ["admin", "jobs", status, queue],
    queryFn: async ({ signal }): Promise<JobReply[]> =>
      (await unwrap(api.GET("/v1/admin/jobs", { params: { query: defined({ status, queue }) }, signal }))).jobs,
    refetchInterval: 5_000,
  });

export const runsQuery = () =>
  infiniteQueryOptions({
    queryKey: ["admin", "runs"],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      unwrap(api.GET("/v1/admin/runs", { params: { query: { limit: PAGE_SIZE, offset: pageParam } }, signal })),
    getNextPageParam: (last, pages) => nextOffset(pages.flatMap((page) => page.runs).length, last.total),
    refetchInterval: 3_000,
  });

export const runQuery = (run_id: string) =>
  queryOptions({
    queryKey: ["admin", "run", run_id],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/admin/runs/{run_id}", { params: { path: { run_id } }, signal })),
  });

export const statusQuery = () =>
  queryOptions({
    queryKey: ["admin", "status"],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/admin/status", { signal })),
    refetchInterval: 15_000,
  });

/** What works while the database does not answer: the checks need no login. */
export const checksQuery = () =>
  queryOptions({
    queryKey: ["admin", "checks"],
    queryFn: async ({ signal }) => {
      const { data, error } = await anonymousApi.GET("/ready", { signal });
      const reply: object = data ?? error;
      return "checks" in reply ? (reply.checks as Record<string, string>) : {};
    },
    refetchInterval: 5_000,
    retry: false,
  });

export const aiConfigsQuery = () =>
  queryOptions({
    queryKey: ["admin", "ai"],
    queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/admin/ai/configs", { signal }))).configs,
  });

export const auditQuery = () =>
  infiniteQueryOptions({
    queryKey: ["admin", "audit"],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      unwrap(api.GET("/v1/admin/audit", { params: { query: { limit: PAGE_SIZE, offset: pageParam } }, signal })),
    // The log has no total: a full page may be followed by another.
    getNextPageParam: (last, pages) => (last.entries.length === PAGE_SIZE ? pages.length * PAGE_SIZE : undefined),
  });
