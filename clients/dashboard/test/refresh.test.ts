import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, test, vi } from "vitest";
import { refreshQueries } from "~/api/refresh";

/** A query on a page, whose requests are answered by hand. */
function openQuery(key: readonly string[]) {
  const client = new QueryClient();
  const answers: ((value: string) => void)[] = [];
  const queryFn = () => new Promise<string>((resolve) => answers.push(resolve));
  const observer = new QueryObserver(client, { queryKey: key, queryFn, retry: false });
  const close = observer.subscribe(() => undefined);
  const numRequests = (count: number) => vi.waitFor(() => expect(answers).toHaveLength(count));
  return { client, answers, observer, numRequests, close };
}

test("a query is read again when the change came before its first answer", async () => {
  const { client, answers, observer, numRequests, close } = openQuery(["mindmap", "a"]);
  await numRequests(1);
  // The server has answered "generating", and completes the map while that answer is on its way.
  refreshQueries(client, ["mindmap", "a"]);
  answers[0]?.("generating");
  await numRequests(2);
  answers[1]?.("completed");
  await vi.waitFor(() => expect(observer.getCurrentResult().data).toBe("completed"));
  close();
});

test("a query with data is read again at once, and only once", async () => {
  const { client, answers, observer, numRequests, close } = openQuery(["mindmap", "a"]);
  await numRequests(1);
  answers[0]?.("generating");
  await vi.waitFor(() => expect(observer.getCurrentResult().data).toBe("generating"));
  refreshQueries(client, ["mindmap"]);
  await numRequests(2);
  answers[1]?.("completed");
  await vi.waitFor(() => expect(observer.getCurrentResult().data).toBe("completed"));
  expect(answers).toHaveLength(2);
  close();
});

test("other queries are left alone", async () => {
  const { client, answers, numRequests, close } = openQuery(["mindmap", "b"]);
  await numRequests(1);
  refreshQueries(client, ["mindmap", "a"]);
  answers[0]?.("completed");
  await new Promise((resolve) => setTimeout(resolve));
  expect(answers).toHaveLength(1);
  close();
});
