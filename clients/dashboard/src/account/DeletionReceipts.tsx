import { useQuery } from "@tanstack/react-query";
import { shortDate, timeOfDay, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { namedCounts } from "./named-counts";
import { Section } from "./Section";

const MAX_SHOWN = 20;

/** What the account has deleted: when, and how many rows of each kind. */
export function DeletionReceipts() {
  const t = useMessages();
  const language = useLanguage();
  const receipts = useQuery(
    optionalQuery(["receipts"], async () => (await unwrap(api.GET("/v1/receipts"))).receipts),
  ).data;
  if (!receipts || receipts.length === 0) return null;
  return (
    <Section title={t.receipts.title}>
      <ul className="panel-list">
        {receipts.slice(0, MAX_SHOWN).map((receipt) => {
          const at = new Date(receipt.erased_at ?? receipt.created_at);
          return (
            <li key={receipt.id}>
              <span>
                <b>{t.receipts.scopes[receipt.scope]}</b>{" "}
                <span className="small muted tnum">
                  {shortDate(at, new Date(), language)} {timeOfDay(at, language)}
                </span>
                <br />
                <span className="small muted tnum">
                  {receipt.counts
                    ? namedCounts(receipt.counts, t.receipts.kinds, t.receipts.nothing)
                    : t.receipts.pending}
                </span>
              </span>
            </li>
          );
        })}
      </ul>
      {receipts.length > MAX_SHOWN && <p className="small muted">{t.receipts.newest(MAX_SHOWN)}</p>}
    </Section>
  );
}
