import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { shortDate } from "@trailmind/api";
import { TriangleAlert, X } from "lucide-react";
import { useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
import { type AccountNotice, accountNotices } from "./notices";
import { billingQuery, usageQuery } from "./queries";
import { useRefusal } from "./tokens";
import "./AccountNotices.css";

const HIDDEN = "trailmind.hidden-notice";

function storedHidden(): string | null {
  try {
    return sessionStorage.getItem(HIDDEN);
  } catch {
    return null;
  }
}

/** On every page: what is wrong with a payment, and that the tokens run out. */
export function AccountNotices() {
  const t = useMessages();
  const billing = useQuery(billingQuery());
  const usage = useQuery(usageQuery());
  const [hidden, setHidden] = useState(storedHidden);
  const notices = accountNotices(billing.data, usage.data?.usage).filter((notice) => noticeId(notice) !== hidden);
  const hide = (notice: AccountNotice) => {
    setHidden(noticeId(notice));
    try {
      sessionStorage.setItem(HIDDEN, noticeId(notice));
    } catch {
      // Without storage it is hidden until the page is loaded again.
    }
  };
  return (
    <div role="status">
      {notices.map((notice) => (
        <div key={notice.kind} className={`account-notice ${notice.kind === "tokensNear" ? "amber" : "danger"}`}>
          <TriangleAlert size={16} aria-hidden />
          <Sentence notice={notice} />
          {notice.kind === "tokensNear" && (
            <IconButton label={t.billing.hide} onClick={() => hide(notice)}>
              <X size={16} />
            </IconButton>
          )}
        </div>
      ))}
    </div>
  );
}

function noticeId(notice: AccountNotice): string {
  return "resetsAt" in notice ? `${notice.kind} ${notice.resetsAt}` : notice.kind;
}

function Sentence({ notice }: { notice: AccountNotice }) {
  const t = useMessages();
  const language = useLanguage();
  const isRefused = useRefusal();
  const day = (at: string) => shortDate(new Date(at), new Date(), language);
  switch (notice.kind) {
    case "pastDue":
    case "toConfirm": {
      const until = notice.until ? day(notice.until) : null;
      const isFailed = notice.kind === "pastDue";
      return (
        <p>
          {isFailed ? t.billing.pastDue(until) : t.billing.toConfirm(until)}{" "}
          {notice.payUrl ? (
            <a href={notice.payUrl} target="_blank" rel="noreferrer">
              {isFailed ? t.billing.payNow : t.billing.confirmNow}
            </a>
          ) : (
            <Link to="/account">{t.billing.toAccount}</Link>
          )}
        </p>
      );
    }
    case "disputed":
      return <p>{t.billing.disputed}</p>;
    case "tokensOver":
      return (
        <p>
          {t.billing.tokensOver(day(notice.resetsAt), isRefused)} <Link to="/account">{t.billing.toAccount}</Link>
        </p>
      );
    case "tokensNear":
      return (
        <p>
          {t.billing.tokensNear(notice.percent, day(notice.resetsAt))} <Link to="/account">{t.billing.toAccount}</Link>
        </p>
      );
  }
}
