import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { compactNumber, shortDate, type UsageEnvelope, unwrap } from "@trailmind/api";
import { Check } from "lucide-react";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { ErrorState, Skeletons } from "~/ui/states";
import { Section } from "./Section";

export function Plans() {
  const t = useMessages();
  const language = useLanguage();
  const plans = useQuery(optionalQuery(["plans"], () => unwrap(api.GET("/v1/subscription/plans"))));
  const mine = useQuery(optionalQuery(["subscription"], () => unwrap(api.GET("/v1/subscription"))));
  if (plans.data === null) return null;
  return (
    <Section title={t.account.plan}>
      {plans.isError ? (
        <ErrorState error={plans.error} />
      ) : !plans.data ? (
        <Skeletons rows={1} height={120} />
      ) : (
        <>
          <div className="plans">
            {plans.data.plans.map((plan) => {
              const isMine = mine.data?.subscription.plan.id === plan.id;
              return (
                <div key={plan.id} className={`plan ${isMine ? "current" : ""}`}>
                  <h3>{plan.name}</h3>
                  <p className="tnum">
                    {plan.price_cents === 0
                      ? plan.token_limit
                        ? t.account.free
                        : t.account.custom
                      : t.account.perMonth(
                          (plan.price_cents / 100).toLocaleString(language, {
                            style: "currency",
                            currency: "USD",
                            minimumFractionDigits: 0,
                          }),
                        )}
                  </p>
                  <ul className="small plan-limits tnum">
                    <li>
                      {plan.token_limit
                        ? t.account.tokensMonth(compactNumber(plan.token_limit, language))
                        : t.account.tokensAny}
                    </li>
                    <li>
                      {plan.session_retention_days
                        ? t.account.keptDays(plan.session_retention_days)
                        : t.account.keptAlways}
                    </li>
                    <li>
                      {plan.max_concurrent_sessions
                        ? t.account.atOnce(plan.max_concurrent_sessions)
                        : t.account.atOnceAny}
                    </li>
                  </ul>
                  <ul className="small muted">
                    {Object.entries(plan.features)
                      .filter(([, has]) => has)
                      .map(([name]) => (
                        <li key={name} className="row">
                          <Check size={13} aria-hidden />
                          {t.account.features[name] ?? name.replaceAll("_", " ")}
                        </li>
                      ))}
                  </ul>
                  {isMine && <span className="badge">{t.account.current}</span>}
                </div>
              );
            })}
          </div>
          <p className="small muted plans-note">{t.account.billing}</p>
        </>
      )}
    </Section>
  );
}

export function Usage({ query }: { query: UseQueryResult<UsageEnvelope | null> }) {
  const t = useMessages();
  const language = useLanguage();
  const history = useQuery(
    optionalQuery(["usage-history"], () => unwrap(api.GET("/v1/usage/history", { params: { query: { months: 6 } } }))),
  );
  const usage = query.data?.usage;
  const percent = usage ? Math.round(usage.percent_used) : 0;
  const operations = Object.entries(usage?.by_operation ?? {});
  const spent = Math.max(1, ...operations.map(([, n]) => n));
  return (
    <Section title={t.account.usage}>
      {query.isError ? (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      ) : !usage ? (
        <Skeletons rows={2} height={28} />
      ) : (
        <div className="stack">
          <div className="stack tight">
            <p className="row wrap tnum">
              <b>
                {usage.is_unlimited
                  ? t.account.tokens(compactNumber(usage.tokens_used, language))
                  : t.account.of(
                      compactNumber(usage.tokens_used, language),
                      compactNumber(usage.token_limit, language),
                    )}
              </b>
              {usage.is_unlimited && <span className="badge">{t.account.unlimited}</span>}
              <span className="muted">
                {t.account.resets(shortDate(new Date(usage.period_end), new Date(), language))}
              </span>
            </p>
            {!usage.is_unlimited && (
              <div
                className={`meter ${percent >= 100 ? "red" : percent >= 80 ? "amber" : ""}`}
                role="meter"
                aria-label={t.account.usage}
                aria-valuenow={percent}
                aria-valuemin={0}
                aria-valuemax={100}
              >
                <i style={{ width: `${Math.min(100, percent)}%` }} />
              </div>
            )}
            {!usage.is_unlimited && percent >= 80 && (
              <p className="notice amber">{percent >= 100 ? t.account.over : t.account.near}</p>
            )}
          </div>
          {operations.length > 0 && (
            <div className="bars">
              <h3>{t.account.perOperation}</h3>
              {operations.map(([name, n]) => (
                <div key={name} className="bar-row">
                  <span className="ellipsis">{t.account.operations[name] ?? name.replaceAll("_", " ")}</span>
                  <span className="meter">
                    <i style={{ width: `${(n / spent) * 100}%` }} />
                  </span>
                  <span className="small tnum">{compactNumber(n, language)}</span>
                </div>
              ))}
            </div>
          )}
          {history.data && (
            <div className="bars">
              <h3>{t.account.history}</h3>
              {history.data.history.length === 0 && <p className="muted">{t.account.noHistory}</p>}
              {history.data.history.map((month) => {
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
          )}
        </div>
      )}
    </Section>
  );
}
