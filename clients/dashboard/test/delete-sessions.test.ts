import { QueryClient } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import { takeOutOfLists } from "~/sessions/useDelete";

const KEY = ["sessions", {}];

function lists(...pages: string[][]): QueryClient {
  const client = new QueryClient();
  const total = pages.flat().length;
  client.setQueryData(KEY, { pages: pages.map((ids) => ({ sessions: ids.map((id) => ({ id })), total })) });
  return client;
}

const shown = (client: QueryClient) =>
  client
    .getQueryData<{ pages: { sessions: { id: string }[]; total: number }[] }>(KEY)
    ?.pages.map(({ sessions, total }) => [...sessions.map(({ id }) => id), total]);

it("takes sessions out of every page of a list, and puts back the one that was not deleted", async () => {
  const client = lists(["a", "b"], ["c"]);
  const putBack = await takeOutOfLists(client, new Set(["b", "c"]));
  expect(shown(client)).toEqual([["a", 1], [1]]);
  putBack((id) => id === "b");
  expect(shown(client)).toEqual([["a", "b", 2], [2]]);
});

it("counts only what a list has", async () => {
  const client = lists(["a"]);
  await takeOutOfLists(client, new Set(["x", "y"]));
  expect(shown(client)).toEqual([["a", 1]]);
});

it("does not let an answer from before the deletion show a session again", async () => {
  const client = lists(["a", "b"]);
  const before = client.getQueryData(KEY);
  let answer: (lists: unknown) => void = () => undefined;
  const queryFn = () => new Promise((resolve) => (answer = resolve));
  const isRead = client.fetchQuery({ queryKey: KEY, queryFn, staleTime: 0 });
  await vi.waitFor(() => expect(client.isFetching()).toBe(1));
  await takeOutOfLists(client, new Set(["b"]));
  answer(before);
  await isRead;
  expect(shown(client)).toEqual([["a", 1]]);
});
