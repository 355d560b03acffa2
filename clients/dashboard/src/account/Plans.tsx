import { useQuery } from "@tanstack/react-query";
import { compactNumber, type Language, type PlanReply, unwrap } from "@trailmind/api";
import { Check } from "lucide-react";
import { api } from "~/api/client";
import { optionalQuery, planQuery } from "~/api/queries";
import { type Messages, useLanguage, useMessages } from "~/i18n";
import { ErrorState, Skeletons } from "~/ui/states";
import { Section } from "./Section";
import "./Plans.css";

export function Plans() {
  const t = useMessages();
  const plans = useQuery(optionalQuery(["plans"], () => unwrap(api.GET("/v1/subscription/plans"))));
  const mine = useQuery(planQuery());
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
            {plans.data.plans.map((plan) => (
              <PlanCard key={plan.id} plan={plan} isCurrent={mine.data?.subscription.plan.id === plan.id} />
            ))}
          </div>
          <p className="small muted plans-note">{t.account.billing}</p>
        </>
      )}
    </Section>
  );
}

function PlanCard({ plan, isCurrent }: { plan: PlanReply; isCurrent: boolean }) {
  const t = useMessages();
  const language = useLanguage();
  return (
    <div className={`plan ${isCurrent ? "current" : ""}`}>
      <h3>{plan.name}</h3>
      <p className="tnum">{price(plan, t, language)}</p>
      <ul className="small plan-limits tnum">
        <li>
          {plan.token_limit ? t.account.tokensMonth(compactNumber(plan.token_limit, language)) : t.account.tokensAny}
        </li>
        <li>{plan.session_retention_days ? t.account.keptDays(plan.session_retention_days) : t.account.keptAlways}</li>
        <li>{plan.max_concurrent_sessions ? t.account.atOnce(plan.max_concurrent_sessions) : t.account.atOnceAny}</li>
      </ul>
      <ul className="small muted">
        {Object.entries(plan.features)
          .filter(([, isIncluded]) => isIncluded)
          .map(([name]) => (
            <li key={name} className="row">
              <Check size={13} aria-hidden />
              {t.account.features[name] ?? name.replaceAll("_", " ")}
            </li>
          ))}
      </ul>
      {isCurrent && <span className="badge">{t.account.current}</span>}
    </div>
  );
}

function price({ price_cents, token_limit }: PlanReply, t: Messages, language: Language): string {
  if (price_cents === 0) return token_limit ? t.account.free : t.account.custom;
  return t.account.perMonth(
    (price_cents / 100).toLocaleString(language, { style: "currency", currency: "USD", minimumFractionDigits: 0 }),
  );
}
