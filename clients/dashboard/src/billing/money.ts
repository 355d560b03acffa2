import type { Language, PlanReply } from "@trailmind/api";

/** "$12", "$9.58": an amount in cents, without ".00". */
export function money(cents: number, currency: string, language: Language): string {
  const digits = cents % 100 === 0 ? 0 : 2;
  return (cents / 100).toLocaleString(language, {
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
