/** Questions before a change of the plan. Each says what will happen, also to older sessions. */
import { useQuery } from "@tanstack/react-query";
import { compactNumber, type PlanReply, shortDate, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { useMailWords } from "~/i18n/useMailWords";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { Skeletons } from "~/ui/states";
import { money, PLAN_CURRENCY } from "./money";
import type { Interval } from "./queries";
import { useBillingChange } from "./useBillingChange";

const DAY_MS = 24 * 3600 * 1000;
/** Old sessions stay for so long after the end of a paid plan (`models/recording/retention.py`). */
const GRACE_DAYS = 30;

export function CancelDialog(props: { name: string; day: string; plans: PlanReply[]; onClose: () => void }) {
  const t = useMessages();
  const cancel = useBillingChange(() => unwrap(api.POST("/v1/billing/cancel")), props.onClose);
  return (
    <Dialog title={t.billing.cancel(props.name)} isOpen onClose={props.onClose}>
      <p>{t.billing.cancelBody(props.name, props.day)}</p>
      <AfterwardsFree plans={props.plans} />
      <Actions
        go={t.billing.cancelGo}
        isDanger
        isPending={cancel.isPending}
        onGo={() => cancel.mutate(undefined)}
        onClose={props.onClose}
      />
    </Dialog>
  );
}

export function RefundDialog(props: { name: string; plans: PlanReply[]; onClose: () => void }) {
  const t = useMessages();
  const refund = useBillingChange(() => unwrap(api.POST("/v1/billing/refund")), props.onClose);
  return (
    <Dialog title={t.billing.refund} isOpen onClose={props.onClose}>
      <p>{t.billing.refundBody(props.name)}</p>
      <AfterwardsFree plans={props.plans} />
      <Actions
        go={t.billing.refundGo}
        isDanger
        isPending={refund.isPending}
        onGo={() => refund.mutate(undefined)}
        onClose={props.onClose}
      />
    </Dialog>
  );
}

/** Shows the price that Stripe computes before anything is changed. */
export function IntervalDialog(props: { interval: Interval; plans: PlanReply[]; onClose: () => void }) {
  const t = useMessages();
  const language = useLanguage();
  const { interval } = props;
  const preview = useQuery({
    queryKey: ["billing-preview", interval],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/billing/preview", { params: { query: { interval } }, signal })),
    // Each day costs less: never show an old price.
    staleTime: 0,
    gcTime: 0,
  });
  const change = useBillingChange(
    () => unwrap(api.POST("/v1/billing/interval", { body: { interval } })),
    props.onClose,
  );
  const plan = props.plans.find((each) => each.id === "pro");
  const listed = interval === "yearly" ? plan?.yearly_price_cents : plan?.price_cents;
  // What Stripe will charge in another currency is known to Stripe alone.
  const price = listed && preview.data?.currency === PLAN_CURRENCY ? money(listed, PLAN_CURRENCY, language) : null;
  return (
    <Dialog title={interval === "yearly" ? t.billing.toYearly : t.billing.toMonthly} isOpen onClose={props.onClose}>
      {preview.isError ? (
        <p className="notice danger" role="alert">
          {errorMessage(preview.error, t)}
        </p>
      ) : !preview.data ? (
        <Skeletons rows={2} height={20} />
      ) : (
        <p>
          {preview.data.changes_at
            ? t.billing.monthlyBody(shortDate(new Date(preview.data.changes_at), new Date(), language), price)
            : t.billing.yearlyBody(money(preview.data.due_now_cents, preview.data.currency, language), price)}
        </p>
      )}
      <Actions
        go={
          preview.data && preview.data.due_now_cents > 0
            ? t.billing.payGo(money(preview.data.due_now_cents, preview.data.currency, language))
            : t.billing.changeGo
        }
        isPending={change.isPending || !preview.data}
        onGo={() => change.mutate(undefined)}
        onClose={props.onClose}
      />
    </Dialog>
  );
}

/** What the free plan does not keep, with the number of this account's sessions that this concerns. */
function AfterwardsFree({ plans }: { plans: PlanReply[] }) {
  const t = useMessages();
  const words = useMailWords();
  const language = useLanguage();
  const free = plans.find((plan) => plan.id === "free");
  const days = free?.session_retention_days;
  const old = useQuery({
    queryKey: ["old-sessions", days],
    enabled: days !== undefined,
    queryFn: async ({ signal }) => {
      const until = new Date(Date.now() - (days ?? 0) * DAY_MS).toISOString();
      return (await unwrap(api.GET("/v1/sessions", { params: { query: { limit: 1, until } }, signal }))).total;
    },
  });
  if (!free) return null;
  return (
    <ul className="stack tight afterwards">
      <li>
        {t.billing.afterFree(
          free.token_limit ? compactNumber(free.token_limit, language) : "",
          free.max_concurrent_sessions ?? null,
        )}
      </li>
      {days !== undefined && (
        <li>
          {words.afterOld(days, GRACE_DAYS)}
          {old.data ? ` ${t.billing.afterOldCount(old.data)}` : ""}
        </li>
      )}
    </ul>
  );
}

function Actions(props: { go: string; isDanger?: boolean; isPending: boolean; onGo: () => void; onClose: () => void }) {
  const t = useMessages();
  return (
    <div className="dialog-actions">
      <button type="button" className="button" onClick={props.onClose}>
        {t.billing.back}
      </button>
      <button
        type="button"
        className={`button ${props.isDanger ? "danger" : "primary"}`}
        disabled={props.isPending}
        onClick={props.onGo}
      >
        {props.go}
      </button>
    </div>
  );
}
