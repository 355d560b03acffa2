import { expect, test } from "vitest";
import { namedCounts } from "~/account/named-counts";
import { en } from "~/i18n/en";
import { ko } from "~/i18n/ko";

const { kinds } = en.receipts;

test("kinds without a name are added up", () => {
  expect(namedCounts({ events: 2, some_table: 3, another_table: 4, visits: 0 }, kinds, "-")).toBe(
    "Events 2 · Other rows 7",
  );
});

test("an empty receipt says so", () => {
  expect(namedCounts({}, kinds, "nothing")).toBe("nothing");
});

test("both languages name the same kinds", () => {
  expect(Object.keys(ko.receipts.kinds)).toEqual(Object.keys(kinds));
});
