import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { namedCounts } from "~/account/named-counts";
import { en } from "~/i18n/en";
import { ko } from "~/i18n/ko";

const { kinds } = en.receipts;

test("kinds without a name are added up", () => {
  expect(namedCounts({ events: 2, some_table: 3, another_table: 4, visits: 0 }, kinds, "-")).toBe(
    "Events 2 · Other entries 7",
  );
});

test("an empty receipt says so", () => {
  expect(namedCounts({}, kinds, "nothing")).toBe("nothing");
});

test("both languages name every kind of data that the server counts", () => {
  const document = JSON.parse(readFileSync(join(import.meta.dirname, "../../../docs/openapi.json"), "utf8"));
  const { counts } = document.components.schemas.ErasureReceiptReply.properties;
  expect(counts.propertyNames.enum.length).toBeGreaterThan(20);
  for (const words of [en, ko]) expect(Object.keys(words.receipts.kinds)).toEqual(counts.propertyNames.enum);
});
