/** Sessions grouped by age, in the browser's time zone. */
export type AgeGroup = "today" | "yesterday" | "week" | "month" | "older";
const ORDER: readonly AgeGroup[] = ["today", "yesterday", "week", "month", "older"];

/** The group of a time. Weeks begin on Monday. */
export function ageGroup(at: Date, now: Date): AgeGroup {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const back = (days: number) => new Date(midnight.getFullYear(), midnight.getMonth(), midnight.getDate() - days);
  if (at >= midnight) return "today";
  if (at >= back(1)) return "yesterday";
  if (at >= back((midnight.getDay() + 6) % 7)) return "week";
  if (at >= new Date(now.getFullYear(), now.getMonth(), 1)) return "month";
  return "older";
}

export function groupByAge<T extends { started_at: string }>(sessions: readonly T[], now: Date): [AgeGroup, T[]][] {
  const groups = new Map<AgeGroup, T[]>();
  for (const session of sessions) {
    const group = ageGroup(new Date(session.started_at), now);
    groups.set(group, [...(groups.get(group) ?? []), session]);
  }
  return ORDER.filter((g) => groups.has(g)).map((g) => [g, groups.get(g) ?? []]);
}
