import { expect, test } from "vitest";

import { OwnWords } from "./own-words";

test("a page that only grew has the words that were added", () => {
  const words = new OwnWords();
  expect(words.of("v1", "one\ntwo\nthree")).toBe("one\ntwo\nthree");
  expect(words.of("v2", "one\ntwo\nthree\nfour")).toBe("four");
  expect(words.of("v2", "one\ntwo\nthree\nfour\nfive")).toBe("four\nfive");
  expect(words.of("v3", "one\ntwo\nthree\nfour\nfive\nsix")).toBe("six");
});

test("another text is read whole, also if it shares a line", () => {
  const words = new OwnWords();
  words.of("v1", "menu\none\ntwo");
  expect(words.of("v2", "menu\nthree\nfour\nfive")).toBe("menu\nthree\nfour\nfive");
  expect(words.of("v3", "menu\none\ntwo")).toBe("menu\none\ntwo");
});

test("the same text is the text of both visits", () => {
  const words = new OwnWords();
  words.of("v1", "one\ntwo");
  expect(words.of("v2", "one\ntwo")).toBe("one\ntwo");
});
