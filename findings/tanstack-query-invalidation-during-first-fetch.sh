#!/usr/bin/env bash
# TanStack Query: an invalidation while the first answer of a query is on its way is lost, and the old answer counts as fresh.
#
# Versions:    @tanstack/query-core 5.108.4, Node.js 20 or newer.
# Expectation: `invalidateQueries` marks the matching queries as stale and reads those in use again; its option `cancelRefetch`
#              is documented to cancel a running request in favour of a new one, and is on unless turned off. So whatever
#              the server says after the invalidation is read.
# Behaviour:   that holds for a query that has data. While the first request of a query runs, no second one is made: the
#              promise that `invalidateQueries` returns is that of the running request, its answer replaces the mark, and
#              the query ends as success, not stale, not invalidated, with what the server said before the change.
# Consequence: events that a server pushes (server-sent events, WebSocket) often arrive while a page loads, and a page then
#              shows the state before the event until something else reads it again. Before invalidating, look for queries
#              with `state.data === undefined` and `fetchStatus !== "idle"`, and invalidate them once more when their
#              `promise` has settled; or cancel them first with `cancelQueries`.
# Upstream:    open since January 2025 (TanStack/query issues 8530 and 11526; a pull request, 11529, is open).
# Output seen:
#   with data:       2 requests after the first, data "completed"
#   first request:   1 request, data "generating", invalidated: false, stale: false
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" @tanstack/query-core@5.108.4 >/dev/null
cat > "$work/show.mjs" <<'JS'
import assert from "node:assert/strict";
import { QueryClient, QueryObserver } from "@tanstack/query-core";

/** A query in use whose requests are answered by hand, oldest first. */
function open() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 60_000 } } });
  const answers = [];
  const queryKey = ["map"];
  const queryFn = () => new Promise((resolve) => answers.push(resolve));
  const observer = new QueryObserver(client, { queryKey, queryFn });
  const close = observer.subscribe(() => {});
  return { client, answers, observer, queryKey, close };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

{
  const { client, answers, observer, queryKey, close } = open();
  answers[0]("loaded");
  await turn();
  void client.invalidateQueries({ queryKey });
  await turn();
  void client.invalidateQueries({ queryKey }); // while the second request runs
  await turn();
  answers[1]("generating");
  answers[2]("completed");
  await turn();
  assert.equal(observer.getCurrentResult().data, "completed");
  console.log(`with data:       ${answers.length - 1} requests after the first, data "completed"`);
  close();
}
{
  const { client, answers, observer, queryKey, close } = open();
  const invalidation = client.invalidateQueries({ queryKey }); // while the first request runs
  await turn();
  answers[0]("generating"); // said before the change that the invalidation is about
  await invalidation;
  await turn();
  const { data, isStale } = observer.getCurrentResult();
  const { isInvalidated } = client.getQueryState(queryKey);
  assert.deepEqual([answers.length, data, isInvalidated, isStale], [1, "generating", false, false]);
  console.log(
    `first request:   ${answers.length} request, data "${data}", invalidated: ${isInvalidated}, stale: ${isStale}`,
  );
  close();
}
JS
cd "$work" && node show.mjs
