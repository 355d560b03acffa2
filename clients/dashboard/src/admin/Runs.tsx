import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { dateTime, duration, type RunReply, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { useLanguage } from "~/i18n";
import { ErrorState, Skeletons } from "~/ui/states";
import { Pages, Table, useAct } from "./parts";
import { runQuery, runsQuery } from "./queries";
import { actsOf, percentOf, type RunAct } from "./run-acts";
import { useAdminWords } from "./words";

/** Regeneration runs with their progress, and what an operator does about them. The command line creates them. */
export function Runs() {
  const w = useAdminWords();
  const query = useInfiniteQuery(runsQuery());
  const [open, setOpen] = useState<string>();
  return (
    <>
      <p className="muted">{w.runsHint}</p>
      <Pages
        query={query}
        count={(pages) => pages.flatMap((page) => page.runs).length}
        total={(pages) => pages.at(-1)?.total ?? 0}
      >
        {(pages) => (
          <Table label={w.tabs.runs} columns={[w.run, w.state, w.progress, w.counts, w.spent, ""]}>
            {pages
              .flatMap((page) => page.runs)
              .map((run) => (
                <RunRow key={run.id} run={run} onOpen={() => setOpen(run.id)} />
              ))}
          </Table>
        )}
      </Pages>
      {open !== undefined && <FailedMaps key={open} id={open} />}
    </>
  );
}

function RunRow({ run, onOpen }: { run: RunReply; onOpen: () => void }) {
  const w = useAdminWords();
  const language = useLanguage();
  const { progress } = run;
  return (
    <tr>
      <td>
        <code>{run.id}</code>
        <div className="small muted">{dateTime(Date.parse(run.created_at), language)}</div>
      </td>
      <td>
        <span className={`badge ${run.status === "stopped" ? "failed" : run.status === "running" ? "processing" : ""}`}>
          {w.runStates[run.status]}
        </span>
        {run.reason && <div className="small admin-facts">{run.reason}</div>}
      </td>
      <td>
        <Progress run={run} />
      </td>
      <td>
        {w.runCounts(progress)}{" "}
        {progress.failed > 0 && (
          <button type="button" className="link" onClick={onOpen}>
            {w.runFailed(progress.failed)}
          </button>
        )}
      </td>
      <td className="amount">
        {`$${(progress.cost_micros / 1e6).toFixed(2)}`}
        {run.cost_budget_micros !== undefined && (
          <div className="small muted">{w.ofBudget(`$${(run.cost_budget_micros / 1e6).toFixed(2)}`)}</div>
        )}
      </td>
      <td>
        <Acts run={run} />
      </td>
    </tr>
  );
}

function Progress({ run }: { run: RunReply }) {
  const w = useAdminWords();
  const language = useLanguage();
  const { processed, total, maps_per_minute: rate, seconds_left: left } = run.progress;
  const percent = percentOf(run.progress);
  return (
    <div className="admin-progress">
      <div
        className="meter"
        role="progressbar"
        aria-label={run.id}
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <i style={{ width: `${percent}%` }} />
      </div>
      <span className="small">{w.more(processed, total)}</span>
      {rate !== undefined && left !== undefined && (
        <div className="small muted">{w.runRate(Math.round(rate), duration(left * 1000, language))}</div>
      )}
    </div>
  );
}

function Acts({ run }: { run: RunReply }) {
  const w = useAdminWords();
  const act = useAct((action: RunAct) =>
    unwrap(
      api.POST("/v1/admin/runs/{run_id}/actions", {
        params: { path: { run_id: run.id } },
        body: { action, every: false },
      }),
    ),
  );
  return (
    <span className="row">
      {actsOf(run).map((each) => (
        <button
          key={each}
          type="button"
          className={`button ${each === "cancel" || each === "roll_back" ? "danger" : ""}`}
          disabled={act.isPending}
          onClick={() => act.mutate(each)}
        >
          {w.runActs[each]}
        </button>
      ))}
    </span>
  );
}

function FailedMaps({ id }: { id: string }) {
  const w = useAdminWords();
  const query = useQuery(runQuery(id));
  if (query.isPending) return <Skeletons rows={3} height={36} />;
  if (!query.data) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <>
      <h2>{w.failedOf(id)}</h2>
      <Table label={w.failedOf(id)} columns={[w.session, w.attempts, w.failure]}>
        {query.data.failed.map((item) => (
          <tr key={item.session_id}>
            <td>
              <code>{item.session_id.slice(0, 8)}</code>
            </td>
            <td className="amount">{item.attempts}</td>
            <td className="admin-facts">{item.error ?? ""}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
