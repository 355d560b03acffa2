import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { readableBytes, shortDate } from "@trailmind/api";
import { useDeferredValue, useState } from "react";
import { usePlanName } from "~/billing/plan-name";
import { useLanguage } from "~/i18n";
import { Choice, Pages, Table } from "./parts";
import { accountsQuery } from "./queries";
import { useAdminWords } from "./words";

export function Accounts() {
  const w = useAdminWords();
  const language = useLanguage();
  const planName = usePlanName();
  const [typed, setTyped] = useState("");
  const [status, setStatus] = useState<"active" | "inactive" | undefined>();
  const query = useInfiniteQuery(accountsQuery(useDeferredValue(typed.trim()), status));
  return (
    <>
      <div className="row wrap admin-filters">
        <input
          className="input compact admin-find"
          type="search"
          aria-label={w.findAccount}
          placeholder={w.findAccount}
          maxLength={254}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <Choice
          label={w.status}
          value={status}
          none={w.anyStatus}
          options={(["active", "inactive"] as const).map((value) => ({
            value,
            label: w.accountStatus[value] ?? value,
          }))}
          onChange={setStatus}
        />
      </div>
      <Pages
        query={query}
        count={(pages) => pages.flatMap((page) => page.users).length}
        total={(pages) => pages.at(-1)?.total ?? 0}
      >
        {(pages) => (
          <Table label={w.tabs.accounts} columns={[w.address, w.plan, w.role, w.sessions, w.stored, w.since]}>
            {pages
              .flatMap((page) => page.users)
              .map((user) => (
                <tr key={user.id}>
                  <td>
                    <Link to="/admin" search={{ tab: "accounts", user: user.id }}>
                      {user.email}
                    </Link>{" "}
                    {user.status === "inactive" && <span className="badge failed">{w.noteClosed}</span>}
                    {!user.email_verified && <span className="badge">{w.notConfirmed}</span>}
                  </td>
                  <td>{planName(user.plan)}</td>
                  <td>{w.roles[user.role]}</td>
                  <td className="amount">{user.num_sessions}</td>
                  <td className="amount">{readableBytes(user.storage_bytes, language)}</td>
                  <td>{shortDate(new Date(user.created_at), new Date(), language)}</td>
                </tr>
              ))}
          </Table>
        )}
      </Pages>
    </>
  );
}
