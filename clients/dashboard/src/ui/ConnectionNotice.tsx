import { useQueryClient } from "@tanstack/react-query";
import { timeOfDay } from "@trailmind/api";
import { CloudOff } from "lucide-react";
import { useEffect } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { useLostSince } from "./useLostSince";
import "./ConnectionNotice.css";

const RETRY_MS = 3_000;

/** Says that the server does not answer and that the page may be out of date, and asks it again until it does. */
export function ConnectionNotice() {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const since = useLostSince();
  const isLost = since !== null;
  useEffect(() => {
    if (!isLost) return;
    const timer = setInterval(() => {
      void client.refetchQueries({ type: "active", predicate: (query) => query.state.status === "error" });
    }, RETRY_MS);
    return () => clearInterval(timer);
  }, [isLost, client]);
  return (
    <div role="status">
      {since !== null && (
        <p className="connection-notice" data-connection="lost">
          <CloudOff size={16} aria-hidden />
          {t.connectionLost(timeOfDay(since, language))}
        </p>
      )}
    </div>
  );
}
