import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { compactNumber, type InvoiceReply, readableBytes, shortDate, unwrap, uuid } from "@trailmind/api";
import { ArrowLeft } from "lucide-react";
import { useId, useState } from "react";
import { Section } from "~/account/Section";
import { api } from "~/api/client";
import { serverQuery } from "~/api/queries";
import { minorDigits, money } from "~/billing/money";
import { usePlanName } from "~/billing/plan-name";
import { useLanguage, useMessages } from "~/i18n";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { Field } from "~/ui/Field";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { isReason, ReasonField, Table, useAct } from "./parts";
import { accountBillingQuery, accountQuery, holdQuery } from "./queries";
import { useAdminWords } from "./words";

const PLANS = ["free", "pro", "enterprise"] as const;
type PlanId = (typeof PLANS)[number];

/** One account: what it is, what it pays for, and what an operator may change. */
export function AccountDetail({ id, isOwn, onClose }: { id: string; isOwn: boolean; onClose: () => void }) {
  const w = useAdminWords();
  const language = useLanguage();
  const user = useQuery(accountQuery(id));
  if (user.isPending) return <Skeletons rows={4} height={48} />;
  if (!user.data) return <ErrorState error={user.error} onRetry={() => void user.refetch()} />;
  const { data } = user;
  return (
    <>
      <div className="row wrap">
        <button type="button" className="button quiet" onClick={onClose}>
          <ArrowLeft size={16} aria-hidden />
          {w.back}
        </button>
      </div>
      <h2 className="admin-account">{data.email}</h2>
      <p className="row wrap muted tnum">
        <span>{w.roles[data.role]}</span>
        <span>{w.accountStatus[data.status]}</span>
        {!data.email_verified && <span>{w.notConfirmed}</span>}
        <span>
          {w.stored}: {readableBytes(data.storage_bytes, language)}
        </span>
        <Link to="/admin" search={{ tab: "sessions", user: id }}>
          {w.sessions}: {data.num_sessions}
        </Link>
      </p>
      {isOwn ? (
        <p className="notice">{w.ownAccount}</p>
      ) : (
        <RoleAndStatus id={id} role={data.role} status={data.status} />
      )}
      {!data.email_verified && data.status === "active" && <VerificationLink id={id} />}
      <Billing id={id} isOwn={isOwn} />
      <Hold id={id} />
    </>
  );
}

function RoleAndStatus({ id, role, status }: { id: string; role: "user" | "admin"; status: "active" | "inactive" }) {
  const w = useAdminWords();
  const change = useAct((body: { role?: "user" | "admin"; status?: "active" | "inactive" }) =>
    unwrap(api.PATCH("/v1/admin/users/{user_id}", { params: { path: { user_id: id } }, body })),
  );
  return (
    <div className="row wrap admin-acts">
      <button
        type="button"
        className="button"
        disabled={change.isPending}
        onClick={() => change.mutate({ role: role === "admin" ? "user" : "admin" })}
      >
        {role === "admin" ? w.makeUser : w.makeOperator}
      </button>
      <button
        type="button"
        className={`button ${status === "active" ? "danger" : ""}`}
        disabled={change.isPending}
        onClick={() => change.mutate({ status: status === "active" ? "inactive" : "active" })}
      >
        {status === "active" ? w.close : w.reopen}
      </button>
    </div>
  );
}

/** Where no mail server sends it, an operator passes the link on that confirms the address. */
function VerificationLink({ id }: { id: string }) {
  const t = useMessages();
  const w = useAdminWords();
  const server = useQuery(serverQuery());
  const make = useMutation({
    mutationFn: () =>
      unwrap(api.POST("/v1/admin/users/{user_id}/verification-link", { params: { path: { user_id: id } } })),
    onError: (error) => toast(errorMessage(error, t)),
  });
  if (server.data?.sends_mail !== false) return null;
  return (
    <div className="stack admin-acts">
      {make.data ? (
        <p className="notice">
          <span className="grow">
            {w.linkHint}
            <br />
            <code className="admin-account">{make.data.link}</code>
          </span>
        </p>
      ) : (
        <div className="row">
          <button type="button" className="button" disabled={make.isPending} onClick={() => make.mutate()}>
            {w.makeLink}
          </button>
        </div>
      )}
    </div>
  );
}

function Billing({ id, isOwn }: { id: string; isOwn: boolean }) {
  const w = useAdminWords();
  const language = useLanguage();
  const planName = usePlanName();
  const billing = useQuery(accountBillingQuery(id));
  if (billing.isPending) return <Skeletons rows={3} height={48} />;
  if (!billing.data) return <ErrorState error={billing.error} onRetry={() => void billing.refetch()} />;
  const { data } = billing;
  const day = (at: string) => shortDate(new Date(at), new Date(), language);
  const { override, subscription } = data;
  return (
    <>
      <Section title={w.planSection}>
        <div className="stack">
          <p>
            <b>{w.planNow(planName(data.plan))}</b>{" "}
            <span className="muted">
              {override
                ? w.planFrom.override(override.reason, override.until ? day(override.until) : null)
                : subscription
                  ? w.planFrom.subscription(w.states[subscription.status] ?? "", day(subscription.current_period_end))
                  : w.planFrom.default}
            </span>
          </p>
          {data.is_disputed && <p className="notice danger">{w.disputed}</p>}
          <p className="muted tnum">
            {w.tokens(
              compactNumber(data.tokens_used, language),
              data.token_limit === undefined ? null : compactNumber(data.token_limit, language),
            )}{" "}
            {data.granted_tokens_left > 0 && w.tokensBeyond(compactNumber(data.granted_tokens_left, language))}
          </p>
          {!isOwn && (
            <>
              <PlanForm id={id} hasOverride={override !== undefined} />
              <CreditForm id={id} />
            </>
          )}
        </div>
      </Section>
      {data.invoices.length > 0 && <AccountInvoices invoices={data.invoices} />}
    </>
  );
}

function PlanForm({ id, hasOverride }: { id: string; hasOverride: boolean }) {
  const w = useAdminWords();
  const planName = usePlanName();
  const [plan, setPlan] = useState<PlanId>("enterprise");
  const [until, setUntil] = useState("");
  const [reason, setReason] = useState("");
  const planField = useId();
  const give = useAct(
    (body: { plan?: PlanId; reason: string; until?: string }) =>
      unwrap(api.PUT("/v1/admin/users/{user_id}/plan", { params: { path: { user_id: id } }, body })),
    () => setReason(""),
  );
  return (
    <form
      className="admin-form"
      onSubmit={(event) => {
        event.preventDefault();
        give.mutate({ plan, reason, ...(until ? { until: new Date(`${until}T23:59:59`).toISOString() } : {}) });
      }}
    >
      <div className="field">
        <label htmlFor={planField}>{w.plan}</label>
        <select
          id={planField}
          className="input compact"
          value={plan}
          onChange={(event) => setPlan(PLANS.find((each) => each === event.target.value) ?? "free")}
        >
          {PLANS.map((each) => (
            <option key={each} value={each}>
              {planName(each)}
            </option>
          ))}
        </select>
      </div>
      <Field label={w.until} type="date" value={until} onChange={(event) => setUntil(event.target.value)} />
      <ReasonField value={reason} onChange={setReason} />
      <div className="row wrap">
        <button type="submit" className="button" disabled={!isReason(reason) || give.isPending}>
          {w.givePlan}
        </button>
        {hasOverride && (
          <button
            type="button"
            className="button"
            disabled={!isReason(reason) || give.isPending}
            onClick={() => give.mutate({ reason })}
          >
            {w.endPlan}
          </button>
        )}
      </div>
    </form>
  );
}

function CreditForm({ id }: { id: string }) {
  const w = useAdminWords();
  const [tokens, setTokens] = useState("100000");
  const [reason, setReason] = useState("");
  // One id until the tokens are given: a second click gives nothing more.
  const [creditId, setCreditId] = useState(uuid);
  const give = useAct(
    () =>
      unwrap(
        api.POST("/v1/admin/users/{user_id}/credits", {
          params: { path: { user_id: id } },
          body: { credit_id: creditId, tokens: Number(tokens), reason },
        }),
      ),
    () => {
      setReason("");
      setCreditId(uuid());
    },
  );
  return (
    <form
      className="admin-form"
      onSubmit={(event) => {
        event.preventDefault();
        give.mutate(undefined);
      }}
    >
      <Field
        label={w.numTokens}
        type="number"
        min={1}
        max={100_000_000}
        required
        value={tokens}
        onChange={(event) => setTokens(event.target.value)}
      />
      <ReasonField value={reason} onChange={setReason} />
      <button type="submit" className="button" disabled={!isReason(reason) || give.isPending}>
        {w.giveTokens}
      </button>
    </form>
  );
}

function AccountInvoices({ invoices }: { invoices: InvoiceReply[] }) {
  const t = useMessages();
  const w = useAdminWords();
  const language = useLanguage();
  const [chosen, setChosen] = useState<InvoiceReply | null>(null);
  return (
    <Section title={w.invoices}>
      <Table
        label={t.billing.invoiceTable}
        columns={[t.billing.date, t.billing.number, t.billing.what, t.billing.amount, t.billing.state, w.refund]}
      >
        {invoices.map((invoice) => (
          <tr key={invoice.id}>
            <td>{shortDate(new Date(invoice.created_at), new Date(), language)}</td>
            <td>{invoice.number ?? invoice.id}</td>
            <td>{t.billing.kinds[invoice.kind]}</td>
            <td className="amount">{money(invoice.amount_cents, invoice.currency, language)}</td>
            <td>
              {t.billing.states[invoice.status]}
              {invoice.status !== "refunded" && invoice.refunded_cents > 0
                ? ` · ${t.billing.partRefunded(money(invoice.refunded_cents, invoice.currency, language))}`
                : ""}
            </td>
            <td>
              {invoice.status === "paid" && (
                <button type="button" className="button" onClick={() => setChosen(invoice)}>
                  {w.refund}
                </button>
              )}
            </td>
          </tr>
        ))}
      </Table>
      {chosen && <RefundInvoice invoice={chosen} onClose={() => setChosen(null)} />}
    </Section>
  );
}

function RefundInvoice({ invoice, onClose }: { invoice: InvoiceReply; onClose: () => void }) {
  const t = useMessages();
  const w = useAdminWords();
  const language = useLanguage();
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const left = invoice.amount_cents - invoice.refunded_cents;
  const scale = 10 ** minorDigits(invoice.currency);
  const refund = useAct(
    () =>
      unwrap(
        api.POST("/v1/admin/invoices/{invoice_id}/refund", {
          params: { path: { invoice_id: invoice.id } },
          body: { reason, ...(amount ? { amount_cents: Math.round(Number(amount) * scale) } : {}) },
        }),
      ),
    onClose,
  );
  return (
    <Dialog title={w.refundTitle(invoice.number ?? invoice.id)} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          refund.mutate(undefined);
        }}
      >
        <p className="muted">{w.refundHint}</p>
        <Field
          label={w.refundAmount(invoice.currency.toUpperCase(), money(left, invoice.currency, language))}
          type="number"
          min={1 / scale}
          max={left / scale}
          step={1 / scale}
          value={amount}
          onChange={(event) => setAmount(event.target.value)}
        />
        <ReasonField value={reason} onChange={setReason} />
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button type="submit" className="button danger" disabled={!isReason(reason) || refund.isPending}>
            {w.refund}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Hold({ id }: { id: string }) {
  const w = useAdminWords();
  const hold = useQuery(holdQuery(id));
  const [reason, setReason] = useState("");
  const set = useAct(
    (is_held: boolean) =>
      unwrap(
        api.PUT("/v1/admin/users/{user_id}/hold", { params: { path: { user_id: id } }, body: { is_held, reason } }),
      ),
    () => setReason(""),
  );
  if (!hold.data) return null;
  const isHeld = hold.data.is_held;
  return (
    <Section title={w.hold}>
      <div className="stack">
        <p className={isHeld ? "notice amber" : "muted"}>
          {isHeld ? w.heldBecause(hold.data.reason ?? "") : w.notHeld}
        </p>
        <form
          className="admin-form"
          onSubmit={(event) => {
            event.preventDefault();
            set.mutate(!isHeld);
          }}
        >
          <ReasonField value={reason} onChange={setReason} />
          <button type="submit" className="button" disabled={!isReason(reason) || set.isPending}>
            {isHeld ? w.endHold : w.placeHold}
          </button>
        </form>
      </div>
    </Section>
  );
}
