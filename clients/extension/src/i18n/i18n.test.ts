import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";
import { particleFaults } from "../../../api/test/particle-faults";
import { pluralFaults } from "../../../api/test/plural-faults";
import { en } from "./en";
import { ko } from "./ko";
import { messagesFor } from "./messages";

function paths(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [`${path}:${typeof value}`];
  return Object.entries(value).flatMap(([key, inner]) => paths(inner, `${path}.${key}`));
}

test("both catalogues have the same keys", () => {
  expect(paths(ko)).toEqual(paths(en));
});

test("the Korean catalogue has no English sentences", () => {
  const text = JSON.stringify({ ...ko, settings: { ...ko.settings, languages: null } });
  expect(text).not.toMatch(/"[A-Z][a-z]+ [a-z]+/);
  expect(text).not.toMatch(/(합니다|습니다)\./);
});

test("the setting has priority over the browser", () => {
  vi.spyOn(fakeBrowser.i18n, "getUILanguage").mockReturnValue("ko-KR");
  expect(messagesFor("auto").language).toBe("ko");
  expect(messagesFor("en").language).toBe("en");
});

test("one of something is not many", () => {
  expect(pluralFaults(en)).toEqual([]);
  const { pages, visits, highlights } = en.common;
  expect([pages(1), visits(1), highlights(1)]).toEqual(["1 page", "visit", "highlight"]);
  expect([pages(2), visits(0), highlights(3)]).toEqual(["2 pages", "visits", "highlights"]);
});

test("no Korean particle can begin a line", () => {
  expect(particleFaults(readFileSync(resolve(import.meta.dirname, "ko.ts"), "utf8"))).toEqual([]);
});
