import { expect, it } from "vitest";
import { groupByPage, type Hit } from "~/search/results";

const hit = (page_id: string, session_id: string) => ({ page_id, session_id }) as Hit;

it("shows a page once, with the other sessions in which it was read, in the order of the results", () => {
  const groups = groupByPage([hit("a", "s1"), hit("b", "s1"), hit("a", "s2"), hit("a", "s3")]);
  expect(groups.map((group) => [group.hit.page_id, group.hit.session_id])).toEqual([
    ["a", "s1"],
    ["b", "s1"],
  ]);
  expect(groups[0]?.others.map((other) => other.session_id)).toEqual(["s2", "s3"]);
});
