import { useMutation, useQuery } from "@tanstack/react-query";
import { compactNumber, type PlanReply, shortDate, unwrap } from "@trailmind/api";
import { Check } from "lucide-react";
import { useState } from "react";
import { Section } from "~/account/Section";
import { api } from "~/api/client";
import { planQuery } from "~/api/queries";
import { type Messages, useLanguage, useMessages } from "~/i18n";
import { Segmented } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { CancelDialog, IntervalDialog, RefundDialog } from "./dialogs";
import { money, PLAN_CURRENCY, yearlySaving } from "./money";
import { billingQuery, type Interval, type PaidPlan, plansQuery } from "./queries";
import { useBillingChange } from "./useBillingChange";
import "./Plans.css";

/** The account's plan; where plans are sold, all of them, what is paid for, and how to change it. */
export function PlanSection() {
  const t = useMessages();
  const plans = useQuery(plansQuery());
  const mine = useQuery(planQuery());
  const billing = useQuery(billingQuery());
  const [interval, setBillingInterval] = useState<Interval>("monthly");
  if (plans.data === null) return null;
  if (plans.isError || mine.isError)
    return (
      <Section title={t.account.plan}>
        <ErrorState error={plans.error ?? mine.error} />
      </Section>
    );
  if (!plans.data || !mine.data || billing.data === undefined)
    return (
      <Section title={t.account.plan}>
        <Skeletons rows={1} height={120} />
      </Section>
    );
  const current = mine.data.subscription.plan;
  const paid = billing.data?.subscription;
  const shown = billing.data ? plans.data : [current];
  const saving = Math.max(...plans.data.map(yearlySaving));
  return (
    <Section title={t.account.plan}>
      <div className="stack">
        {paid && <PaidPlanRow paid={paid} plans={plans.data} />}
        {billing.data && !paid && (
          <div className="row wrap">
            <Segmented
              label={t.billing.interval}
              value={interval}
              onChange={setBillingInterval}
              options={[
                { value: "monthly", label: t.billing.monthlyChoice },
                { value: "yearly", label: t.billing.yearlyChoice(saving) },
              ]}
            />
          </div>
        )}
        <div className="plans">
          {shown.map((plan) => (
            <PlanCard
              key={plan.id}
              plan={plan.id === current.id ? current : plan}
              interval={paid?.interval ?? interval}
              isCurrent={plan.id === current.id}
              isSold={billing.data !== null && !paid && plan.price_cents > 0 && plan.id !== current.id}
              showsPrice={billing.data !== null}
              contact={billing.data?.sales_contact}
            />
          ))}
        </div>
        {!billing.data && <p className="small muted">{t.billing.notSold}</p>}
      </div>
    </Section>
  );
}

function PlanCard(props: {
  plan: PlanReply;
  interval: Interval;
  isCurrent: boolean;
  isSold: boolean;
  showsPrice: boolean;
  contact: string | undefined;
}) {
  const { plan } = props;
  const t = useMessages();
  const language = useLanguage();
  const buy = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/billing/checkout", { body: { plan: "pro", interval: props.interval } })),
    onSuccess: ({ url }) => location.assign(url),
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <div className={`plan ${props.isCurrent ? "current" : ""}`}>
      <h3>{plan.name}</h3>
      {props.showsPrice && <Price plan={plan} interval={props.interval} contact={props.contact} />}
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
      {props.isCurrent && <span className="badge">{t.account.current}</span>}
      {props.isSold && (
        <button
          type="button"
          className="button primary plan-buy"
          disabled={buy.isPending || buy.isSuccess}
          onClick={() => buy.mutate()}
        >
          {t.billing.buy(plan.name)}
        </button>
      )}
    </div>
  );
}

export function Price({
  plan,
  interval,
  contact,
}: {
  plan: PlanReply;
  interval: Interval;
  contact?: string | undefined;
}) {
  const t = useMessages();
  const language = useLanguage();
  if (plan.id === "free") return <p className="tnum">{money(0, PLAN_CURRENCY, language)}</p>;
  // A plan without a price is sold by the operator; without an address it shows no text.
  if (plan.price_cents === 0)
    return contact ? (
      <p>
        <a href={`mailto:${contact}?subject=${encodeURIComponent(`Trailmind ${plan.name}`)}`}>{t.account.custom}</a>
      </p>
    ) : null;
  if (interval === "yearly" && plan.yearly_price_cents)
    return (
      <p className="tnum">
        {t.billing.perYear(money(plan.yearly_price_cents, PLAN_CURRENCY, language))}{" "}
        <span className="small muted">
          {t.billing.equals(money(Math.round(plan.yearly_price_cents / 12), PLAN_CURRENCY, language))}
        </span>
      </p>
    );
  return <p className="tnum">{t.account.perMonth(money(plan.price_cents, PLAN_CURRENCY, language))}</p>;
}

/** What happens at the end of the paid period, on the date `day`. */
function periodEnd(paid: PaidPlan, day: string, t: Messages): string {
  if (paid.status === "past_due") return t.billing.unpaidPeriod;
  if (paid.cancel_at_period_end) return t.billing.endsOn(day);
  if (paid.pending_interval)
    return t.billing.changesOn(day, paid.pending_interval === "monthly" ? t.billing.monthly : t.billing.yearly);
  return t.billing.renewsOn(day);
}

/** What is paid for, until when, and what can be done about it. */
function PaidPlanRow({ paid, plans }: { paid: PaidPlan; plans: PlanReply[] }) {
  const t = useMessages();
  const language = useLanguage();
  const [dialog, setDialog] = useState<"cancel" | "interval" | "refund" | null>(null);
  const close = () => setDialog(null);
  const keep = useBillingChange(() => unwrap(api.POST("/v1/billing/resume")));
  const keepInterval = useBillingChange(() =>
    unwrap(api.POST("/v1/billing/interval", { body: { interval: paid.interval } })),
  );
  const portal = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/billing/portal")),
    onSuccess: ({ url }) => location.assign(url),
    onError: (error) => toast(errorMessage(error, t)),
  });
  const name = plans.find((plan) => plan.id === paid.plan)?.name ?? paid.plan;
  const day = shortDate(new Date(paid.current_period_end), new Date(), language);
  const other: Interval = paid.interval === "monthly" ? "yearly" : "monthly";
  return (
    <div className="paid-plan stack">
      <p>
        <b>{t.billing.paidPlan(name, paid.interval === "monthly" ? t.billing.monthly : t.billing.yearly)}</b>{" "}
        <span className="muted">{periodEnd(paid, day, t)}</span>
      </p>
      <div className="row wrap">
        <button type="button" className="button" disabled={portal.isPending} onClick={() => portal.mutate()}>
          {t.billing.portal}
        </button>
        {paid.cancel_at_period_end ? (
          <button
            type="button"
            className="button primary"
            disabled={keep.isPending}
            onClick={() => keep.mutate(undefined)}
          >
            {t.billing.keep(name)}
          </button>
        ) : (
          <>
            {paid.pending_interval ? (
              <button
                type="button"
                className="button"
                disabled={keepInterval.isPending}
                onClick={() => keepInterval.mutate(undefined)}
              >
                {t.billing.keepInterval(paid.interval === "monthly" ? t.billing.monthly : t.billing.yearly)}
              </button>
            ) : (
              paid.status !== "past_due" && (
                <button type="button" className="button" onClick={() => setDialog("interval")}>
                  {other === "yearly" ? t.billing.toYearly : t.billing.toMonthly}
                </button>
              )
            )}
            <button type="button" className="button quiet" onClick={() => setDialog("cancel")}>
              {t.billing.cancel(name)}
            </button>
          </>
        )}
        {paid.can_be_refunded && (
          <button type="button" className="button quiet" onClick={() => setDialog("refund")}>
            {t.billing.refund}
          </button>
        )}
      </div>
      {dialog === "cancel" && <CancelDialog name={name} day={day} plans={plans} onClose={close} />}
      {dialog === "interval" && <IntervalDialog interval={other} plans={plans} onClose={close} />}
      {dialog === "refund" && <RefundDialog name={name} plans={plans} onClose={close} />}
    </div>
  );
}
