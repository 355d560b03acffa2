import type { Mindmap } from "~/api/queries";

type Notes = NonNullable<Mindmap["offered_version"]>["notes"];

/** A map whose last generation gave no better version. `offered` is the number of a version made without a model. */
export interface KeptMapFacts {
  code: string;
  version: number;
  /** When the version shown was made. */
  shownSince: string;
  provider: string;
  offered: number | null;
  notes: Notes;
}

/** The facts of such a map; null for a map whose last generation succeeded or is not finished. */
export function keptMap(map: Mindmap): KeptMapFacts | null {
  if (map.status !== "completed" || !map.error_code || !map.data || !map.version) return null;
  return {
    code: map.error_code,
    version: map.version,
    shownSince: map.version_created_at ?? map.updated_at,
    provider: map.provider ?? "local",
    offered: map.offered_version?.number ?? null,
    notes: map.offered_version?.notes ?? [],
  };
}

/** The map while a new version is generated: the answer to the request has no version, so the one shown stays. */
export function whileGenerating(shown: Mindmap | null | undefined, reply: Mindmap): Mindmap {
  if (!shown?.data || reply.data) return reply;
  const { error_code: _code, error_message: _message, offered_version: _offered, ...rest } = shown;
  return { ...rest, ...reply };
}
