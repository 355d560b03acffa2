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
  words: { details: Partial<Record<string, string>>; parts: Partial<Record<string, string>> },
  language: Language,
): string {
  const sentences = part.details?.map((detail) =>
    sentenceOf(detail, words.details[detail.code], words.parts, language),
  );
  return sentences?.length && sentences.every((sentence) => sentence !== null) ? sentences.join(" · ") : part.message;
}

function sentenceOf(
  { values }: StatusDetail,
  template: string | undefined,
  parts: Partial<Record<string, string>>,
  language: Language,
): string | null {
  if (template === undefined) return null;
  return template.replace(/\{(\w+)\}/g, (_, name: string) => shownValue(name, values?.[name] ?? "", parts, language));
}

/** Values are named by their unit; `parts` are names of parts, comma separated. */
function shownValue(
  name: string,
  value: string | number,
  parts: Partial<Record<string, string>>,
  language: Language,
): string {
  if (name === "parts")
    return String(value)
      .split(",")
      .map((part) => parts[part] ?? part)
      .join(", ");
  if (name.endsWith("_s")) return duration(Number(value) * 1000, language);
  return name.endsWith("_bytes") ? readableBytes(Number(value), language) : String(value);
}

/** The parts that the server's own checks name, for when the full status cannot be read. */
export function partsOfChecks(checks: Record<string, string>): PartStatus[] {
  const isFine = (name: string) => (checks[name] ?? "ok") === "ok";
  const reason = (name: string) => ({ reason: /\((.+)\)/.exec(checks[name] ?? "")?.[1] ?? "" });
  const part = (
    name: PartStatus["name"],
    check: string,
    problem: NonNullable<PartStatus["problem"]>,
    details: StatusDetail[],
  ): PartStatus => ({ name, state: "down", problem, message: checks[check] ?? "", details });
  const fine = (name: PartStatus["name"]): PartStatus => ({ name, state: "ok", message: "", details: [] });

  const [, missing, total] = /(\d+) of (\d+)/.exec(checks.shards ?? "") ?? [];
  return [
    !isFine("postgresql")
      ? part("postgresql", "postgresql", "unreachable", [
          { code: "database_unreachable", values: reason("postgresql") },
        ])
      : !isFine("disk")
        ? part("postgresql", "disk", "disk_full", [{ code: "disk_full" }])
        : !isFine("schema")
          ? part("postgresql", "schema", "schema_old", [])
          : fine("postgresql"),
    isFine("valkey")
      ? fine("valkey")
      : part("valkey", "valkey", "unreachable", [{ code: "valkey_unreachable", values: reason("valkey") }]),
    isFine("shards")
      ? fine("shards")
      : part(
          "shards",
          "shards",
          "shards_missing",
          missing && total ? [{ code: "shards_missing", values: { missing, total } }] : [],
        ),
  ];
}
