/** For the tests of every English catalogue: sentences that say "1 pages" or "1 are". */

/** One of everything, as a number and as an object with any property. */
const ONE: unknown[] = [1, new Proxy({}, { get: () => "1" })];
const FAULT =
  /(?<![\d.,:])\b1 (?!(is|was|has|this|less|plus|stays|ends|unless|that)\b)([a-z]+s|([a-z]+ )?(are|were|have|do|wait|need))\b/;

/** The sentences of `catalogue` that name one thing as many, with their paths. */
export function pluralFaults(catalogue: unknown, path = ""): string[] {
  if (typeof catalogue === "function") {
    const makeSentence = catalogue as (...values: unknown[]) => unknown;
    const found = ONE.flatMap((one) => {
      try {
        return pluralFaults(makeSentence(one, one, one, one), path);
      } catch {
        return []; // Not the kind of value that this sentence takes.
      }
    });
    return [...new Set(found)];
  }
  if (typeof catalogue === "string") return FAULT.test(catalogue) ? [`${path}: ${catalogue}`] : [];
  if (typeof catalogue !== "object" || catalogue === null) return [];
  return Object.entries(catalogue).flatMap(([name, inner]) => pluralFaults(inner, path ? `${path}.${name}` : name));
}
