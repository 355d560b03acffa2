import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { dictionaryFor } from "./dictionary";
import { en } from "./en";
import { clock, span, when } from "./format";
import { ko } from "./ko";

function paths(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [`${path}:${typeof value}`];
  return Object.entries(value).flatMap(([key, inner]) => paths(inner, `${path}.${key}`));
}

test("both languages say the same things", () => {
  expect(paths(ko)).toEqual(paths(en));
});

test("no English was left in the Korean words", () => {
  const text = JSON.stringify({ ...ko, settings: { ...ko.settings, languages: null } });
  expect(text).not.toMatch(/"[A-Z][a-z]+ [a-z]+/);
  expect(text).not.toMatch(/(합니다|습니다)\./);
});

test("the setting wins over the browser", () => {
  vi.spyOn(fakeBrowser.i18n, "getUILanguage").mockReturnValue("ko-KR");
  expect(dictionaryFor("auto").language).toBe("ko");
  expect(dictionaryFor("en").language).toBe("en");
});

test("spans and clocks", () => {
  expect(clock(65_000)).toBe("1:05");
  expect(clock(3_725_000)).toBe("1:02:05");
  expect(span(5_520_000, "en")).toBe("1 h 32 min");
  expect(span(5_520_000, "ko")).toBe("1시간 32분");
  expect(span(42_000, "ko")).toBe("42초");
  expect(when(0, 30_000, "en")).toBe("just now");
  expect(when(0, 5 * 60_000, "ko")).toBe("5분 전");
  expect(when(0, 3 * 3_600_000, "en")).toBe("3 h ago");
});
