import { useQuery } from "@tanstack/react-query";
import { dateTime, duration, type PartStatus, readableBytes } from "@trailmind/api";
import type { ReactNode } from "react";
import { useLanguage } from "~/i18n";
import { ErrorState, Skeletons } from "~/ui/states";
import { Table, WithCode } from "./parts";
import { checksQuery, statusQuery } from "./queries";
import { badgeClass, messageOf, partsOfChecks, remedyOf } from "./status-words";
import { useAdminWords } from "./words";
import "./admin.css";

/** Which parts of the server work, what waits, the last backup, the disk and the alerts that fire. */
export function Status() {
  return (
    <UnlessDatabaseIsDown>
      <FullStatus />
    </UnlessDatabaseIsDown>
  );
}

function FullStatus() {
  const w = useAdminWords();
  const language = useLanguage();
  const query = useQuery(statusQuery());
  if (query.isPending) return <Skeletons rows={8} height={36} />;
  // Not what was true before: while the database is down the server does not answer, and the last answer says that all is well.
  if (query.isError || !query.data) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  const status = query.data;
  const { versions, last_backup: backup } = status;
  const facts: [string, string][] = [
    [
      w.versions,
      `Trailmind ${versions.trailmind}, PostgreSQL ${versions.postgresql ?? "–"}, Valkey ${versions.valkey ?? "–"}`,
    ],
    [w.database, status.database_bytes === undefined ? "–" : readableBytes(status.database_bytes, language)],
    [
      w.disk,
      status.disk_free_bytes === undefined || status.disk_total_bytes === undefined
        ? "–"
        : w.free(readableBytes(status.disk_free_bytes, language), readableBytes(status.disk_total_bytes, language)),
    ],
    [
      w.backup,
      backup
        ? `${dateTime(Date.parse(backup.made_at), language)}, ${readableBytes(backup.num_bytes, language)}`
        : w.noBackup,
    ],
  ];
  return (
    <>
      <p role="status">
        <span className={`badge ${badgeClass(status.state)}`}>{w.partStates[status.state]}</span>{" "}
        <span className="small muted">{dateTime(Date.parse(status.at), language)}</span>
      </p>
      <Parts parts={status.parts} />
      {status.queues.length > 0 && (
        <Table label={w.tabs.jobs} columns={[w.queue, w.waiting, w.running, w.failed, w.oldest]}>
          {status.queues.map((queue) => (
            <tr key={queue.queue}>
              <td>{queue.queue}</td>
              <td className="amount">{queue.pending}</td>
              <td className="amount">{queue.running}</td>
              <td className="amount">{queue.dead}</td>
              <td className="amount">{queue.pending ? duration(queue.oldest_pending_s * 1000, language) : "–"}</td>
            </tr>
          ))}
        </Table>
      )}
      {status.alerts && status.alerts.length > 0 && (
        <Table label={w.parts.alerts ?? ""} columns={[w.parts.alerts ?? "", w.since, w.detail]}>
          {status.alerts.map((alert) => (
            <tr key={`${alert.name} ${alert.since} ${alert.summary}`}>
              <td>{alert.name}</td>
              <td>{dateTime(Date.parse(alert.since), language)}</td>
              <td className="admin-facts">{alert.summary}</td>
            </tr>
          ))}
        </Table>
      )}
      <Table label={w.facts} columns={[w.facts, ""]}>
        {facts.map(([name, value]) => (
          <tr key={name}>
            <td>{name}</td>
            <td className="admin-facts">{value}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}

function Parts({ parts }: { parts: PartStatus[] }) {
  const w = useAdminWords();
  const language = useLanguage();
  return (
    <Table label={w.tabs.status} columns={[w.part, w.state, w.detail]}>
      {parts.map((part) => (
        <tr key={part.name}>
          <td>{w.parts[part.name] ?? part.name}</td>
          <td>
            <span className={`badge ${badgeClass(part.state)}`}>{w.partStates[part.state]}</span>
          </td>
          <td className="admin-facts">
            <WithCode text={messageOf(part, w, language)} />
            {(part.state === "attention" || part.state === "down") && (
              <div className="muted">
                <WithCode text={remedyOf(part, w)} />
              </div>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/**
 * Without the database no status can be read, nor who asks for it: then the server's own checks say what is down. They
 * are asked all the time, because a database that accepts connections and answers nothing delays every other answer.
 */
export function UnlessDatabaseIsDown({ children }: { children: ReactNode }) {
  const w = useAdminWords();
  const checks = useQuery(checksQuery());
  const parts = checks.data && !checks.isError ? partsOfChecks(checks.data) : [];
  const database = parts.find((part) => part.name === "postgresql");
  if (database?.state !== "down") return children;
  return (
    <div role="alert">
      <p>
        <span className={`badge ${badgeClass("down")}`}>{w.partStates.down}</span> {w.statusUnreadable}
      </p>
      <Parts parts={parts} />
    </div>
  );
}
