import { type Language, sessionName as nameOf } from "@trailmind/api";

/** The name of a session of the API, the same as in the extension. */
export function sessionName(
  { title, started_at }: { title?: string | undefined; started_at: string },
  language: Language,
): string {
  return nameOf({ title, startedAt: Date.parse(started_at) }, language);
}
