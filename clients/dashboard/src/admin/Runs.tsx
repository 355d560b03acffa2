import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { dateTime, defined, duration, type RunActionBody, type RunReply, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api, download } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { Field } from "~/ui/Field";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { Pages, Table, useAct, WithCode } from "./parts";
import { runQuery, runsQuery } from "./queries";
import { actsOf, DANGEROUS, isAskedFirst, microsOf, percentOf, type RunAct } from "./run-acts";
import { useAdminWords } from "./words";

/** Regeneration runs with their progress, and what an operator does about them. The command line creates them. */
export function Runs() {
  const w = useAdminWords();
  const query = useInfiniteQuery(runsQuery());
  const [open, setOpen] = useState<string>();
  return (
    <>
      <p className="muted">
        <WithCode text={w.runsHint} />
      </p>
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
  const t = useMessages();
  const language = useLanguage();
  const [asked, setAsked] = useState<RunAct>();
  const act = useAct(
    (body: RunActionBody) =>
      unwrap(api.POST("/v1/admin/runs/{run_id}/actions", { params: { path: { run_id: run.id } }, body })),
    () => setAsked(undefined),
  );
  const report = useMutation({
    mutationFn: () =>
      download(`/v1/admin/runs/${encodeURIComponent(run.id)}/report?language=${language}`, `report-${run.id}.html`),
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <span className="row wrap admin-run-acts">
      {actsOf(run).map((each) => (
        <button
          key={each}
          type="button"
          className={`button ${DANGEROUS.includes(each) ? "danger" : ""}`}
          disabled={act.isPending}
          onClick={() => (isAskedFirst(each, run) ? setAsked(each) : act.mutate({ action: each, every: false }))}
        >
          {w.runActs[each]}
        </button>
      ))}
      <button
        type="button"
        className="button"
        disabled={report.isPending}
        aria-label={w.reportOf(run.id)}
        onClick={() => report.mutate()}
      >
        {report.isPending ? w.makingReport : w.report}
      </button>
      {asked && (
        <AskFirst
          act={asked}
          run={run}
          isPending={act.isPending}
          onAct={(body) => act.mutate(body)}
          onClose={() => setAsked(undefined)}
        />
      )}
    </span>
  );
}

/** Says what an act does to the maps that users see, and asks for what it needs. */
function AskFirst(props: {
  act: RunAct;
  run: RunReply;
  isPending: boolean;
  onAct: (body: RunActionBody) => void;
  onClose: () => void;
}) {
  const w = useAdminWords();
  const { act, run } = props;
  const [isEvery, setEvery] = useState(false);
  const [dollars, setDollars] = useState("");
  const spent = run.progress.cost_micros / 1e6;
  return (
    <Dialog title={w.runAsk(w.runActs[act], run.id)} isOpen onClose={props.onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          props.onAct({ action: act, every: isEvery, ...defined({ cost_budget_micros: microsOf(dollars) }) });
        }}
      >
        {run.reason && act === "resume" && <p className="notice amber">{run.reason}</p>}
        <p className="muted">{w.runActHints[act]}</p>
        {act === "promote" && (
          <label className="row">
            <input type="checkbox" checked={isEvery} onChange={(event) => setEvery(event.currentTarget.checked)} />
            {w.showEvery}
          </label>
        )}
        {act === "resume" && (
          <Field
            label={w.newBudget}
            hint={w.newBudgetHint(`$${spent.toFixed(2)}`)}
            type="number"
            min={0.01}
            step={0.01}
            value={dollars}
            onChange={(event) => setDollars(event.target.value)}
          />
        )}
        <div className="dialog-actions">
          <button type="button" className="button" onClick={props.onClose}>
            {w.notNow}
          </button>
          <button
            type="submit"
            className={`button ${DANGEROUS.includes(act) ? "danger" : "primary"}`}
            disabled={props.isPending}
          >
            {isEvery ? w.showAll : w.runActs[act]}
          </button>
        </div>
      </form>
    </Dialog>
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
