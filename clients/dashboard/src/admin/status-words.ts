/** What the status page says about a part. */
import { duration, type Language, type PartStatus, readableBytes, type StatusDetail } from "@trailmind/api";

/** A badge's colour by state. */
export function badgeClass(state: PartStatus["state"]): string {
  return { ok: "completed", off: "", attention: "processing", down: "failed" }[state];
}

/** What to do about a problem in the language of the page; a problem of a newer server in the server's own words. */
export function remedyOf(part: PartStatus, words: { remedies: Partial<Record<string, string>> }): string {
  return (part.problem && words.remedies[part.problem]) || part.remedy || "";
}

/** What a part says in the language of the page; a detail of a newer server in the server's own words. */
export function messageOf(
  part: PartStatus,
  words: { details: Partial<Record<string, string>> | null },
  language: Language,
): string {
  const sentences = part.details?.map((detail) => sentenceOf(detail, words.details?.[detail.code], language));
  return sentences?.length && sentences.every((sentence) => sentence !== null) ? sentences.join(" · ") : part.message;
}

function sentenceOf({ values }: StatusDetail, template: string | undefined, language: Language): string | null {
  if (template === undefined) return null;
  return template.replace(/\{(\w+)\}/g, (_, name: string) => shownValue(name, values?.[name] ?? "", language));
}

/** Values are named by their unit. */
function shownValue(name: string, value: string | number, language: Language): string {
  if (name.endsWith("_s")) return duration(Number(value) * 1000, language);
  return name.endsWith("_bytes") ? readableBytes(Number(value), language) : String(value);
}
