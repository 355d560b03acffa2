import { shortDate } from "@trailmind/api";
import { useLanguage, useMessages } from "~/i18n";
import { useProviderName } from "./provider-name";

/** The values of a note that hold providers. */
const PROVIDERS = ["provider", "expected"];

/** The sentence of a note of the server in the language of the page; empty for a code that the page does not know. */
export function useNoteSentence(): (note: { code: string; values?: Record<string, string> }) => string {
  const t = useMessages();
  const language = useLanguage();
  const nameOf = useProviderName();
  return ({ code, values = {} }) => {
    const named = { ...values };
    for (const key of PROVIDERS) if (values[key]) named[key] = nameOf(values[key]);
    if (values.until) named.until = shortDate(new Date(values.until), new Date(), language);
    return t.mapNotes[code]?.(named) ?? "";
  };
}
