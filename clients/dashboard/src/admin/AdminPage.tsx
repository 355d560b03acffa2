import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { ShieldX } from "lucide-react";
import { useSyncExternalStore } from "react";
import { currentLogin, onLogin } from "~/api/login";
import { useMessages } from "~/i18n";
import { EmptyState } from "~/ui/basics";
import { AccountDetail } from "./AccountDetail";
import { Accounts } from "./Accounts";
import { AiModels } from "./AiModels";
import { AuditLog } from "./AuditLog";
import { Jobs } from "./Jobs";
import { WithCode } from "./parts";
import { Runs } from "./Runs";
import { AdminSessions } from "./Sessions";
import { Status } from "./Status";
import { ADMIN_TABS, type AdminTab } from "./tabs";
import { useAdminWords } from "./words";
import "./admin.css";

/** What operators see and do. The server checks the role with every request; the page only explains it. */
export function AdminPage() {
  const t = useMessages();
  const w = useAdminWords();
  const login = useSyncExternalStore(onLogin, currentLogin);
  const { tab = "accounts", user } = useSearch({ from: "/frame/admin" });
  const navigate = useNavigate();
  // Nothing is said before the role is known.
  if (login.state !== "in" || login.account.isOperator === null) return null;
  if (!login.account.isOperator)
    return (
      <div className="page">
        <EmptyState level={1} icon={<ShieldX className="figure" size={32} strokeWidth={1.5} />} title={w.notOperator}>
          <WithCode text={w.notOperatorHint} />
        </EmptyState>
      </div>
    );
  const open = (id: string | undefined) => void navigate({ to: "/admin", search: { tab: "accounts", user: id } });
  return (
    <div className="page admin">
      <title>{`${w.title} · ${t.brand}`}</title>
      <div className="page-head">
        <h1>{w.title}</h1>
      </div>
      <nav className="admin-tabs" aria-label={w.title}>
        {ADMIN_TABS.map((each) => (
          <Link
            key={each}
            to="/admin"
            search={{ tab: each }}
            className="admin-tab"
            aria-current={each === tab ? "page" : undefined}
            ref={each === tab ? scrollIntoView : undefined}
          >
            {w.tabs[each]}
          </Link>
        ))}
      </nav>
      {tab === "accounts" && user ? (
        <AccountDetail key={user} id={user} isOwn={user === login.account.id} onClose={() => open(undefined)} />
      ) : (
        <Tab tab={tab} />
      )}
    </div>
  );
}

/** On a phone the tabs are wider than the window. */
function scrollIntoView(tab: HTMLElement | null): void {
  tab?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function Tab({ tab }: { tab: AdminTab }) {
  switch (tab) {
    case "accounts":
      return <Accounts />;
    case "sessions":
      return <AdminSessions />;
    case "jobs":
      return <Jobs key="jobs" />;
    case "runs":
      return <Runs />;
    case "mail":
      return <Jobs key="mail" queue="mail" />;
    case "ai":
      return <AiModels />;
    case "audit":
      return <AuditLog />;
    case "status":
      return <Status />;
  }
}
