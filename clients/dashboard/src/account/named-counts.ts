/** How many rows of each kind, as in "12 events · 3 highlights"; kinds without a name are added up under `other`. */
export function namedCounts(
  counts: Readonly<Record<string, number>>,
  names: Readonly<Record<string, string>>,
  nothing: string,
): string {
  const named = new Map<string, number>();
  for (const [kind, number] of Object.entries(counts)) {
    if (number === 0) continue;
    const name = names[kind] ?? names["other"] ?? kind;
    named.set(name, (named.get(name) ?? 0) + number);
  }
  return named.size === 0 ? nothing : [...named].map(([name, number]) => `${name} ${number}`).join(" · ");
}
