/** Sessions by how long ago they began, in the reader's time zone. */
export type Group = "today" | "yesterday" | "week" | "month" | "older";
const ORDER: readonly Group[] = ["today", "yesterday", "week", "month", "older"];

/** The group of a moment. Weeks begin on Monday. */
export function groupOf(at: Date, now: Date): Group {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const back = (days: number) => new Date(midnight.getFullYear(), midnight.getMonth(), midnight.getDate() - days);
  if (at >= midnight) return "today";
  if (at >= back(1)) return "yesterday";
  if (at >= back((midnight.getDay() + 6) % 7)) return "week";
  if (at >= new Date(now.getFullYear(), now.getMonth(), 1)) return "month";
  return "older";
}

export function grouped<T extends { started_at: string }>(sessions: readonly T[], now: Date): [Group, T[]][] {
  const found = new Map<Group, T[]>();
  for (const session of sessions) {
    const group = groupOf(new Date(session.started_at), now);
    found.set(group, [...(found.get(group) ?? []), session]);
  }
  return ORDER.filter((g) => found.has(g)).map((g) => [g, found.get(g) ?? []]);
}
