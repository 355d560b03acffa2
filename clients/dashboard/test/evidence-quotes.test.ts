import { expect, it } from "vitest";
import type { MapNode } from "~/map/model";
import { distinctQuotes } from "~/session/evidence-quotes";

const node = (type: string, quotes: [field: string, quote: string][], highlights: string[]) =>
  ({ type, data: { evidence: quotes.map(([field, quote]) => ({ field, quote })), highlights } }) as unknown as MapNode;

it("shows each sentence once, also when it is evidence and highlight", () => {
  const { evidence, highlights } = distinctQuotes(
    node(
      "topic",
      [
        ["text", "Steam makes a crust."],
        ["highlight", "Steam  makes a crust."],
        ["title", "Crusts"],
      ],
      ["steam makes a crust.", "Rooks belong behind pawns."],
    ),
  );
  expect(evidence.map((each) => each.quote)).toEqual(["Steam makes a crust.", "Crusts"]);
  expect(highlights).toEqual(["Rooks belong behind pawns."]);
});

it("keeps a page's title only when there is nothing else", () => {
  expect(distinctQuotes(node("page", [["title", "Crusts"]], [])).evidence).toHaveLength(1);
  const { evidence } = distinctQuotes(
    node(
      "page",
      [
        ["title", "Crusts"],
        ["text", "Steam makes a crust."],
      ],
      [],
    ),
  );
  expect(evidence.map((each) => each.quote)).toEqual(["Steam makes a crust."]);
});
