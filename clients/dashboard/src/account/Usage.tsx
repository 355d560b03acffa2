import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { compactNumber, readableBytes, shortDate, type UsageEnvelope, type UsageHistory, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { ErrorState, Skeletons } from "~/ui/states";
import { Section } from "./Section";
import "./Usage.css";

type UsageData = UsageEnvelope["usage"];

export function Usage({ query }: { query: UseQueryResult<UsageEnvelope | null> }) {
  const t = useMessages();
  const history = useQuery(
    optionalQuery(["usage-history"], () => unwrap(api.GET("/v1/usage/history", { params: { query: { months: 6 } } }))),
  );
  const usage = query.data?.usage;
  return (
    <Section title={t.account.usage}>
      {query.isError ? (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      ) : !usage ? (
        <Skeletons rows={2} height={28} />
      ) : (
        <div className="stack">
          <CurrentMonth usage={usage} />
          <Storage usage={usage} />
          <ByOperation usage={usage} />
          {history.data && <History months={history.data.history} />}
        </div>
      )}
    </Section>
  );
}

function CurrentMonth({ usage }: { usage: UsageData }) {
  const t = useMessages();
  const language = useLanguage();
  const used = compactNumber(usage.tokens_used, language);
  return (
    <div className="stack tight">
      <p className="row wrap tnum">
        <b>
          {usage.is_unlimited ? t.account.tokens(used) : t.account.of(used, compactNumber(usage.token_limit, language))}
        </b>
        {usage.is_unlimited && <span className="badge">{t.account.unlimited}</span>}
        <span className="muted">{t.account.resets(shortDate(new Date(usage.period_end), new Date(), language))}</span>
      </p>
      {!usage.is_unlimited && <Meter percent={Math.round(usage.percent_used)} label={t.account.usage} />}
    </div>
  );
}

function Storage({ usage }: { usage: UsageData }) {
  const t = useMessages();
  const language = useLanguage();
  if (usage.storage_bytes === undefined) return null;
  const used = readableBytes(usage.storage_bytes, language);
  const limit = usage.storage_limit_bytes;
  const percent = limit === undefined ? 0 : Math.round((usage.storage_bytes / Math.max(1, limit)) * 100);
  return (
    <div className="stack tight">
      <p className="tnum">
        {limit === undefined ? t.account.stored(used) : t.account.storedOf(used, readableBytes(limit, language))}
      </p>
      {limit !== undefined && <Meter percent={percent} label={t.account.storage} />}
      {percent >= 80 && (
        <p className="notice amber">{percent >= 100 ? t.account.storageFull : t.account.storageNear}</p>
      )}
    </div>
  );
}

function Meter({ percent, label }: { percent: number; label: string }) {
  return (
    <div
      className={`meter ${percent >= 100 ? "red" : percent >= 80 ? "amber" : ""}`}
      role="meter"
      aria-label={label}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ width: `${Math.min(100, percent)}%` }} />
    </div>
  );
}

function ByOperation({ usage }: { usage: UsageData }) {
  const t = useMessages();
  const language = useLanguage();
  const operations = Object.entries(usage.by_operation ?? {});
  const largest = Math.max(1, ...operations.map(([, tokens]) => tokens));
  if (operations.length === 0) return null;
  return (
    <div className="bars">
      <h3>{t.account.perOperation}</h3>
      {operations.map(([name, tokens]) => (
        <div key={name} className="bar-row">
          <span className="ellipsis">{t.account.operations[name] ?? name.replaceAll("_", " ")}</span>
          <span className="meter">
            <i style={{ width: `${(tokens / largest) * 100}%` }} />
          </span>
          <span className="small tnum">{compactNumber(tokens, language)}</span>
        </div>
      ))}
    </div>
  );
}

function History({ months }: { months: UsageHistory["history"] }) {
  const t = useMessages();
  const language = useLanguage();
  return (
    <div className="bars">
      <h3>{t.account.history}</h3>
      {months.length === 0 && <p className="muted">{t.account.noHistory}</p>}
      {months.map((month) => {
        const share = month.token_limit > 0 ? month.tokens_used / month.token_limit : 0;
        return (
          <div key={month.period_start} className="bar-row">
            <span>{shortDate(new Date(month.period_start), new Date(), language)}</span>
            <span className="meter">
              <i style={{ width: `${Math.min(100, share * 100)}%` }} />
            </span>
            <span className="small tnum">
              {month.is_unlimited ? compactNumber(month.tokens_used, language) : `${Math.round(share * 100)}%`}
            </span>
          </div>
        );
      })}
    </div>
  );
}
