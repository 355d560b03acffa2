import { expect, it } from "vitest";

import { plural, selectLanguage } from "../src/index.ts";

it.each([
  ["auto", "ko-KR", "ko"],
  ["auto", "kok-IN", "en"],
  ["auto", "de-DE", "en"],
  ["en", "ko-KR", "en"],
  ["ko", "en-US", "ko"],
] as const)("selects for the choice %s in a browser of %s the language %s", (choice, browserLanguage, language) => {
  expect(selectLanguage(choice, () => browserLanguage)).toBe(language);
});

it("counts in English", () => {
  expect(plural(1, "page")).toBe("1 page");
  expect(plural(1_200, "page")).toBe("1,200 pages");
  expect(plural(2, "entry", "entries")).toBe("2 entries");
  expect([plural("1", "token"), plural("25K", "token")]).toEqual(["1 token", "25K tokens"]);
});
