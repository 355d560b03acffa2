import { useInfiniteQuery } from "@tanstack/react-query";
import { dateTime } from "@trailmind/api";
import { useLanguage } from "~/i18n";
import { Pages, Table } from "./parts";
import { auditQuery } from "./queries";
import { useAdminWords } from "./words";

/** What operators, and the system itself, have done. */
export function AuditLog() {
  const w = useAdminWords();
  const language = useLanguage();
  const query = useInfiniteQuery(auditQuery());
  return (
    <Pages query={query} count={(pages) => pages.flatMap((page) => page.entries).length}>
      {(pages) => (
        <Table label={w.tabs.audit} columns={[w.when, w.who, w.action, w.subject, w.facts]}>
          {pages
            .flatMap((page) => page.entries)
            .map((entry) => (
              <tr key={entry.id}>
                <td>{dateTime(Date.parse(entry.at), language)}</td>
                <td>{entry.actor_id ? <code>{entry.actor_id.slice(0, 8)}</code> : w.system}</td>
                <td>{entry.action}</td>
                <td>
                  <code>{entry.subject.length > 20 ? `${entry.subject.slice(0, 8)}…` : entry.subject}</code>
                </td>
                <td className="admin-facts">{facts(entry.facts)}</td>
              </tr>
            ))}
        </Table>
      )}
    </Pages>
  );
}

function facts(values: Record<string, unknown>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(" · ");
}
