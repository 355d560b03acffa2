import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { dateTime } from "@trailmind/api";
import { useState } from "react";
import { STATUSES, type Status } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { StatusBadge } from "~/ui/basics";
import { Choice, Pages, Table } from "./parts";
import { adminSessionsQuery } from "./queries";
import { useAdminWords } from "./words";

/** Sessions by state, without their content. */
export function AdminSessions() {
  const t = useMessages();
  const w = useAdminWords();
  const language = useLanguage();
  const { user } = useSearch({ from: "/frame/admin" });
  const [status, setStatus] = useState<Status | undefined>();
  const query = useInfiniteQuery(adminSessionsQuery(status, user));
  const byStatus = query.data?.pages[0]?.by_status ?? {};
  return (
    <>
      <div className="row wrap admin-filters">
        <Choice
          label={w.status}
          value={status}
          none={w.anyStatus}
          options={STATUSES.map((value) => ({ value, label: `${t.status[value] ?? value} (${byStatus[value] ?? 0})` }))}
          onChange={setStatus}
        />
      </div>
      <Pages
        query={query}
        count={(pages) => pages.flatMap((page) => page.sessions).length}
        total={(pages) => pages.at(-1)?.total ?? 0}
      >
        {(pages) => (
          <Table
            label={w.tabs.sessions}
            columns={[w.session, w.status, w.map, w.events, w.pages, w.started, w.account, w.failure]}
          >
            {pages
              .flatMap((page) => page.sessions)
              .map((session) => (
                <tr key={session.id}>
                  <td>
                    <code>{session.id.slice(0, 8)}</code>{" "}
                    {session.deleted_at && <span className="badge failed">{w.deleted}</span>}
                  </td>
                  <td>
                    <StatusBadge status={session.session_status} />
                  </td>
                  <td>{session.map_status ? w.mapStatus[session.map_status] : "–"}</td>
                  <td className="amount">{session.num_events}</td>
                  <td className="amount">{session.num_pages}</td>
                  <td>{dateTime(Date.parse(session.started_at), language)}</td>
                  <td>
                    <Link to="/admin" search={{ tab: "accounts", user: session.user_id }}>
                      <code>{session.user_id.slice(0, 8)}</code>
                    </Link>
                  </td>
                  <td>{session.failure_reason ?? ""}</td>
                </tr>
              ))}
          </Table>
        )}
      </Pages>
    </>
  );
}
