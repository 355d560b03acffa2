import type { QueryClient, QueryKey, Updater } from "@tanstack/react-query";

/**
 * Reads the queries below `queryKey` again after something has changed on the server.
 *
 * `invalidateQueries` alone does not: while the first answer of a query is on its way, it starts no second request, and
 * that answer, which may be older than the change, counts as fresh (https://github.com/TanStack/query/issues/8530). So
 * such a query is read again when its first answer has come.
 */
export function refreshQueries(client: QueryClient, queryKey: QueryKey): void {
  const loading = client
    .getQueryCache()
    .findAll({ queryKey })
    .filter((query) => query.state.data === undefined && query.state.fetchStatus !== "idle");
  void client.invalidateQueries({ queryKey });
  for (const query of loading) {
    const readAgain = () => void client.invalidateQueries({ queryKey: query.queryKey, exact: true });
    query.promise?.then(readAgain, readAgain);
  }
}

/** Stores what the server replied to a change. An answer that was asked for before the change must not replace it. */
export function storeReply<T>(
  client: QueryClient,
  queryKey: QueryKey,
  reply: Updater<T | undefined, T | undefined>,
): void {
  void client.cancelQueries({ queryKey, exact: true });
  client.setQueryData<T>(queryKey, reply);
}
