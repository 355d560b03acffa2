import { type Language, provisionalName } from "@trailmind/api";

/** The title of a session, or the name that it has in the extension as well while it has none. */
export function sessionName(
  { title, started_at }: { title?: string | undefined; started_at: string },
  language: Language,
): string {
  return title || provisionalName(Date.parse(started_at), language);
}
