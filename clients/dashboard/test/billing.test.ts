import type { BillingReply, PlanReply, UsageEnvelope } from "@trailmind/api";
import { expect, it } from "vitest";
import { chainAsText, chainFromText } from "~/admin/models";
import { money, yearlySaving } from "~/billing/money";
import { accountNotices } from "~/billing/notices";

const billing = (changes: Partial<BillingReply> = {}): BillingReply => ({
  enabled: true,
  sells_packs: true,
  tokens_per_pack: 100_000,
  is_disputed: false,
  has_customer: true,
  ...changes,
});
const usage = (percent: number, changes: Partial<UsageEnvelope["usage"]> = {}): UsageEnvelope["usage"] => ({
  period_start: "2026-11-01T00:00:00Z",
  period_end: "2026-12-01T00:00:00Z",
  tokens_used: percent * 500,
  token_limit: 50_000,
  percent_used: percent,
  is_unlimited: false,
  can_use_ai: percent < 100,
  by_operation: {},
  ...changes,
});
const kinds = (...facts: Parameters<typeof accountNotices>) => accountNotices(...facts).map(({ kind }) => kind);

it("warns from 80 % of the tokens on, and says when they are used up", () => {
  expect(kinds(null, usage(79.9))).toEqual([]);
  expect(accountNotices(null, usage(80))).toEqual([
    { kind: "tokensNear", percent: 80, resetsAt: "2026-12-01T00:00:00Z" },
  ]);
  expect(accountNotices(null, usage(99.97))).toMatchObject([{ percent: 99 }]);
  expect(kinds(null, usage(100))).toEqual(["tokensOver"]);
  // Tokens are bought or given: the account goes on with those.
  expect(kinds(null, usage(120, { can_use_ai: true, granted_tokens_left: 10_000 }))).toEqual([]);
  expect(kinds(null, usage(0, { is_unlimited: true }))).toEqual([]);
  expect(kinds(undefined, undefined)).toEqual([]);
});

it("puts what is wrong with a payment first", () => {
  const subscription: NonNullable<BillingReply["subscription"]> = {
    plan: "pro",
    status: "past_due",
    interval: "monthly",
    cancel_at_period_end: false,
    current_period_end: "2026-12-20T00:00:00Z",
    grace_until: "2026-12-04T00:00:00Z",
    can_be_refunded: false,
  };
  const unpaid = billing({ subscription, unpaid_invoice_url: "https://invoice.example/1" });
  expect(accountNotices(unpaid, usage(100))).toEqual([
    { kind: "pastDue", until: "2026-12-04T00:00:00Z", payUrl: "https://invoice.example/1" },
    { kind: "tokensOver", resetsAt: "2026-12-01T00:00:00Z" },
  ]);
  expect(kinds(billing({ ...unpaid, is_disputed: true }), null)).toEqual(["disputed", "pastDue"]);
  // A payment that the bank wants confirmed has not failed: another card would not help.
  expect(accountNotices({ ...unpaid, payment_needs_action: true }, null)).toEqual([
    { kind: "toConfirm", until: "2026-12-04T00:00:00Z", payUrl: "https://invoice.example/1" },
  ]);
  expect(kinds(billing({ subscription: { ...subscription, status: "active" } }), null)).toEqual([]);
});

it("writes amounts as people do", () => {
  expect(money(1200, "usd", "en")).toBe("$12");
  expect(money(958, "usd", "en")).toBe("$9.58");
  expect(money(10_740, "usd", "ko")).toBe("US$107.40");
  // Stripe counts some currencies without hundredths, or with thousandths.
  expect(money(16_500, "krw", "ko")).toBe("₩16,500");
  expect(money(1_500, "JPY", "en")).toBe("¥1,500");
  expect(money(5_120, "kwd", "en")).toMatch(/^KWD\s5.120$/);
  expect(money(50_000, "huf", "en")).toMatch(/^HUF\s500$/);
  const pro = { price_cents: 1200, yearly_price_cents: 11_500 } as PlanReply;
  expect(yearlySaving(pro)).toBe(20);
  expect(yearlySaving({ price_cents: 0 } as PlanReply)).toBe(0);
});

it("reads the models of a task from lines and keeps the limits of those that stay", () => {
  const before = [{ provider: "openai" as const, model: "gpt-4o-mini", max_concurrent: 4 }];
  expect(chainAsText(before)).toBe("openai/gpt-4o-mini");
  expect(chainFromText(" openai/gpt-4o-mini\n\nlocal/outline\n", before)).toEqual([
    before[0],
    { provider: "local", model: "outline" },
  ]);
  for (const bad of ["", "openai", "acme/model", "openai/a b"]) expect(chainFromText(bad, before)).toBeNull();
});
