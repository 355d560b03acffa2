import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ApiError } from "@trailmind/api";
import { expect, it } from "vitest";
import { ADMIN_WORDS } from "~/admin/words";
import { en } from "~/i18n/en";
import { ko } from "~/i18n/ko";
import { errorMessage } from "~/ui/error-message";
import { particleFaults } from "../../api/test/particle-faults";
import { pluralFaults } from "../../api/test/plural-faults";

function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(texts);
}

it("has no English sentence and one manner of speech in Korean", () => {
  // Names what the browser's own Korean button says, and the language to switch to.
  const quoted = [...ko.first.install("chrome://extensions"), ko.search.switchLanguage];
  for (const text of texts(ko).filter((each) => !quoted.includes(each))) {
    expect(text).not.toMatch(/[A-Za-z]+ [a-z]+ [a-z]+/);
    expect(text).not.toMatch(/니다\./);
  }
});

it("words a map that no model drew without the provider's id", () => {
  for (const t of [en, ko])
    for (const text of [t.evidence.provider("local", 1), t.versions.by("local"), t.versions.causes.provider("local")])
      expect(text).not.toMatch(/local/);
  expect(ko.evidence.provider("anthropic", 2)).toBe("anthropic 모델로 그림 · 버전 2");
});

it("names the entries of a session's menu as the menu does", () => {
  for (const t of [en, ko])
    for (const entry of [t.disclosure.title, t.consent.localOnly])
      expect(t.account.disclosureVendors("OpenAI")).toContain(entry);
});

it("promises no second attempt after an act of the user that did not reach the server", () => {
  const lost = new ApiError(0, "offline", "Failed to fetch", { kind: "offline" });
  expect(errorMessage(lost, en)).toBe(`No connection. ${en.notReached}`);
  for (const t of [en, ko]) expect(errorMessage(lost, t)).not.toContain(t.errors.offline?.[1]);
});

it("says one page, not one pages", () => {
  expect(pluralFaults({ tokens: (count: string) => `${count} tokens` })).toEqual(["tokens: 1 tokens"]);
  expect(pluralFaults({ ...en, admin: ADMIN_WORDS.en })).toEqual([]);
});

it("does not say that pages stay on the server, which a vendor gets after consent", () => {
  expect(en.auth.points.join()).toContain("unless you agree");
  expect(ko.auth.points.join()).toContain("동의하기 전에는");
});

it("lets no Korean particle begin a line", () => {
  const faults = ["‘되돌리기’로", "quoted(q)}에", "192.168.0.1)는"];
  expect(particleFaults([...faults, "‘되돌리기’\\u2060로", "되돌리기로"].join("\n"))).toEqual(faults);
  const read = (path: string) => readFileSync(join(import.meta.dirname, "../src", path), "utf8");
  expect(["i18n/ko.ts", "admin/words.ts"].flatMap((path) => particleFaults(read(path)))).toEqual([]);
});
