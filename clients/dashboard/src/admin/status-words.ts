/** What the status page says about a part. The server words details in English; remedies are worded here. */
import type { PartStatus } from "@trailmind/api";

/** A badge's colour by state. */
export function badgeClass(state: PartStatus["state"]): string {
  return { ok: "completed", off: "", attention: "processing", down: "failed" }[state];
}

/** What to do about a problem in the language of the page; a problem of a newer server in the server's own words. */
export function remedyOf(part: PartStatus, words: { remedies: Partial<Record<string, string>> }): string {
  return (part.problem && words.remedies[part.problem]) || part.remedy || "";
}
