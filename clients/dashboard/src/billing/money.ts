import type { Language, PlanReply } from "@trailmind/api";

/** The currency of the plans' prices. Stripe may have charged in another one. */
export const PLAN_CURRENCY = "usd";

// https://docs.stripe.com/currencies#zero-decimal: Stripe counts UGX, ISK, HUF and TWD in hundredths all the same.
const WITHOUT_DIGITS = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "));
const WITH_THREE_DIGITS = new Set("bhd jod kwd omr tnd".split(" "));

/** How many digits after the point the smallest unit has in which Stripe counts a currency. */
export function minorDigits(currency: string): number {
  const code = currency.toLowerCase();
  return WITHOUT_DIGITS.has(code) ? 0 : WITH_THREE_DIGITS.has(code) ? 3 : 2;
}

/** "$12", "$9.58", "₩16,500": an amount in the smallest unit of its currency, without ".00". */
export function money(amount: number, currency: string, language: Language): string {
  const scale = 10 ** minorDigits(currency);
  const digits = amount % scale === 0 ? 0 : minorDigits(currency);
  return (amount / scale).toLocaleString(language, {
    style: "currency",
    currency: currency.toUpperCase(),
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** How much less a year costs than twelve months, in percent; 0 without a yearly price. */
export function yearlySaving({ price_cents, yearly_price_cents }: PlanReply): number {
  if (!yearly_price_cents || price_cents === 0) return 0;
  return Math.floor((1 - yearly_price_cents / (12 * price_cents)) * 100);
}
