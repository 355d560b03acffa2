/** What the clients' message catalogues have in common. A catalogue is an object of strings and functions per language. */

/** The languages that have a catalogue. */
export type Language = "ko" | "en";

/** A user's choice: one language, or the browser's. */
export type LanguageChoice = Language | "auto";

/**
 * The language to show. Without a choice it is Korean in a Korean browser and English in every other;
 * `browserLanguage` is read only then.
 */
export function selectLanguage(choice: LanguageChoice, browserLanguage: () => string): Language {
  if (choice !== "auto") return choice;
  return /^ko\b/i.test(browserLanguage()) ? "ko" : "en";
}

/** A count with its English noun: "1 page", "1,200 pages". A count that is formatted already stays as it is: "25K tokens". */
export function plural(count: number | string, one: string, many = `${one}s`): string {
  const shown = typeof count === "number" ? count.toLocaleString("en") : count;
  return `${shown} ${shown === "1" ? one : many}`;
}
