import { useQuery } from "@tanstack/react-query";
import { dateTime, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { useLanguage } from "~/i18n";
import { ErrorState, Skeletons } from "~/ui/states";
import { Choice, Table, useAct } from "./parts";
import { type JobState, jobsQuery, type Queue } from "./queries";
import { useAdminWords } from "./words";

const STATES: readonly JobState[] = ["pending", "running", "retrying", "dead"];
const QUEUES: readonly Queue[] = ["maps", "maintenance", "mail", "billing", "runs"];

/** Jobs that are not finished, of one queue or all; a failed one can be retried or discarded. */
export function Jobs({ queue: fixed }: { queue?: Queue }) {
  const w = useAdminWords();
  const language = useLanguage();
  const [state, setState] = useState<JobState | undefined>();
  const [queue, setQueue] = useState<Queue | undefined>();
  const jobs = useQuery(jobsQuery(state, fixed ?? queue));
  const retry = useAct((job_id: number) =>
    unwrap(api.POST("/v1/admin/jobs/{job_id}/retry", { params: { path: { job_id } } })),
  );
  const discard = useAct((job_id: number) =>
    unwrap(api.DELETE("/v1/admin/jobs/{job_id}", { params: { path: { job_id } } })),
  );
  const isBusy = retry.isPending || discard.isPending;
  return (
    <>
      {fixed === "mail" && <p className="muted">{w.mailHint}</p>}
      <div className="row wrap admin-filters">
        <Choice
          label={w.state}
          value={state}
          none={w.anyStatus}
          options={STATES.map((value) => ({ value, label: w.jobStates[value] ?? value }))}
          onChange={setState}
        />
        {!fixed && (
          <Choice
            label={w.queue}
            value={queue}
            none={w.queue}
            options={QUEUES.map((value) => ({ value, label: value }))}
            onChange={setQueue}
          />
        )}
      </div>
      {jobs.isPending ? (
        <Skeletons rows={6} height={36} />
      ) : !jobs.data ? (
        <ErrorState error={jobs.error} onRetry={() => void jobs.refetch()} />
      ) : jobs.data.length === 0 ? (
        <p className="muted">{w.none}</p>
      ) : (
        <Table
          label={fixed === "mail" ? w.tabs.mail : w.tabs.jobs}
          columns={[w.job, w.task, w.queue, w.state, w.attempts, w.ordered, w.failure, ""]}
        >
          {jobs.data.map((job) => (
            <tr key={job.id}>
              <td>{job.id}</td>
              <td>{job.task}</td>
              <td>{job.queue}</td>
              <td>
                <span
                  className={`badge ${job.state === "dead" ? "failed" : job.state === "running" ? "processing" : ""}`}
                >
                  {w.jobStates[job.state] ?? job.state}
                </span>
              </td>
              <td className="amount">{job.attempts}</td>
              <td>{job.ordered_at ? dateTime(Date.parse(job.ordered_at), language) : ""}</td>
              <td>{job.reason ?? ""}</td>
              <td>
                {job.state === "dead" && (
                  <span className="row">
                    <button type="button" className="button" disabled={isBusy} onClick={() => retry.mutate(job.id)}>
                      {w.retry}
                    </button>
                    <button
                      type="button"
                      className="button danger"
                      disabled={isBusy}
                      onClick={() => discard.mutate(job.id)}
                    >
                      {w.discard}
                    </button>
                  </span>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}
