/** What every page must say about the account: a failed or disputed payment, and tokens that run out. */
import type { BillingReply, UsageEnvelope } from "@trailmind/api";

export type AccountNotice =
  | { kind: "pastDue"; until: string | undefined; payUrl: string | undefined }
  | { kind: "toConfirm"; until: string | undefined; payUrl: string | undefined }
  | { kind: "disputed" }
  | { kind: "tokensOver"; resetsAt: string }
  | { kind: "tokensNear"; percent: number; resetsAt: string };

/** From this share of the period's tokens on. */
const NEAR_PERCENT = 80;

/** The notices, the most urgent first. */
export function accountNotices(
  billing: BillingReply | null | undefined,
  usage: UsageEnvelope["usage"] | null | undefined,
): AccountNotice[] {
  const notices: AccountNotice[] = [];
  if (billing?.is_disputed) notices.push({ kind: "disputed" });
  const plan = billing?.subscription;
  if (plan?.status === "past_due")
    notices.push({
      kind: billing?.payment_needs_action ? "toConfirm" : "pastDue",
      until: plan.grace_until,
      payUrl: billing?.unpaid_invoice_url,
    });
  if (!usage || usage.is_unlimited) return notices;
  // Bought or given tokens are spent after those of the plan.
  const hasTokensBeyond = (usage.granted_tokens_left ?? 0) > 0;
  if (!usage.can_use_ai) notices.push({ kind: "tokensOver", resetsAt: usage.period_end });
  else if (usage.percent_used >= NEAR_PERCENT && !hasTokensBeyond)
    notices.push({
      kind: "tokensNear",
      // Never 100 while there are some left.
      percent: Math.min(99, Math.floor(usage.percent_used)),
      resetsAt: usage.period_end,
    });
  return notices;
}
