import { useQueryClient } from "@tanstack/react-query";
import { Link, useLocation } from "@tanstack/react-router";
import { type ErrorKind, toApiError, wordError } from "@trailmind/api";
import { Bug, CloudOff, Gauge, Hourglass, KeyRound, SearchX, ServerCrash, TriangleAlert } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { EmptyState } from "./basics";
import "./states.css";

const ICONS: Partial<Record<ErrorKind, typeof CloudOff>> = {
  offline: CloudOff,
  timeout: Hourglass,
  unavailable: Hourglass,
  too_many: Hourglass,
  payment: Gauge,
  signed_out: KeyRound,
  missing: SearchX,
  server: ServerCrash,
  program: Bug,
};

/** The error and the user's next step. Counts down when the server sent a retry delay. */
export function ErrorState({ error, onRetry, level }: { error: unknown; onRetry?: () => void; level?: 1 | 2 }) {
  const t = useMessages();
  const at = useLocation();
  const client = useQueryClient();
  const problem = toApiError(error);
  const language = useLanguage();
  const wait = useCountdown(problem.retryAfterS ?? 0, error);
  const retry =
    onRetry ??
    (() => void client.refetchQueries({ type: "active", predicate: (query) => query.state.status === "error" }));
  const [title, hint] = t.errors[problem.kind] ?? ["", ""];
  const Icon = ICONS[problem.kind] ?? TriangleAlert;

  const latest = useRef(retry);
  latest.current = retry;
  useEffect(() => {
    if (problem.kind !== "offline" && problem.kind !== "unavailable") return;
    const retryLatest = () => latest.current();
    addEventListener("online", retryLatest);
    const timer = setInterval(retryLatest, 3_000);
    return () => {
      removeEventListener("online", retryLatest);
      clearInterval(timer);
    };
  }, [problem.kind]);

  return (
    <div role="alert" data-error={problem.kind}>
      <EmptyState
        level={level ?? 2}
        icon={<Icon className="figure" size={32} strokeWidth={1.5} aria-hidden />}
        title={title}
        actions={
          <>
            {problem.kind === "signed_out" ? (
              <Link className="button primary" to="/login" search={{ next: at.href }}>
                {t.signInAgain}
              </Link>
            ) : problem.kind === "program" ? (
              <button type="button" className="button primary" onClick={() => location.reload()}>
                {t.reload}
              </button>
            ) : (
              <button type="button" className="button primary" disabled={wait > 0} onClick={retry}>
                {wait > 0 ? t.errorWait(wait) : t.common.retry}
              </button>
            )}
            {problem.kind === "payment" && (
              <Link className="button" to="/account">
                {t.seeAccount}
              </Link>
            )}
          </>
        }
      >
        {problem.kind === "payment" ? (wordError(problem, language) ?? hint) : hint}
        {problem.kind === "program" && (
          <>
            <br />
            <code className="small">{problem.message}</code>
          </>
        )}
        {problem.requestId && problem.status >= 500 && (
          <>
            <br />
            <span className="tnum">{t.errorId(problem.requestId)}</span>
          </>
        )}
      </EmptyState>
    </div>
  );
}

/** The remaining seconds of a wait of `seconds`; another `cause` restarts it. */
function useCountdown(seconds: number, cause: unknown): number {
  const [now, setNow] = useState(() => Date.now());
  const [wait, setWait] = useState({ cause, untilMs: now + seconds * 1000 });
  if (wait.cause !== cause) {
    const startedMs = Date.now();
    setNow(startedMs);
    setWait({ cause, untilMs: startedMs + seconds * 1000 });
  }
  useEffect(() => {
    if (seconds <= 0) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return Math.max(0, Math.ceil((wait.untilMs - now) / 1000));
}

/** Placeholders in the size of the loading content; a slow load shows a notice. */
export function Skeletons({ rows = 5, height = 64 }: { rows?: number; height?: number }) {
  const t = useMessages();
  const isSlow = useSlow();
  return (
    <div className="stack" role="status" aria-busy="true">
      <span className="sr">{t.common.loading}</span>
      {isSlow && <p className="notice amber">{t.common.slow}</p>}
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are alike and never change their order
        <div key={i} className="skeleton" style={{ height, opacity: 1 - i / (rows + 1) }} />
      ))}
    </div>
  );
}

/** True after `afterMs`. */
function useSlow(afterMs = 4_000): boolean {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), afterMs);
    return () => clearTimeout(timer);
  }, [afterMs]);
  return isSlow;
}
