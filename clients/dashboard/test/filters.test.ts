import { expect, it } from "vitest";
import { filterQuery } from "~/api/queries";
import { describeChange } from "~/session/changes";
import { onFirstToast, onToast, toast } from "~/ui/toast";

it("converts days to times in the browser's time zone, the last day included", () => {
  const { since, until, text } = filterQuery({ from: "2026-02-28", to: "2026-02-28", q: "git" });
  expect(text).toBe("git");
  expect(new Date(since ?? "")).toEqual(new Date(2026, 1, 28));
  expect(new Date(until ?? "")).toEqual(new Date(2026, 2, 1));
  expect(filterQuery({ from: "soon", to: "" })).toMatchObject({ since: undefined, until: undefined });
});

it("describes a change in Korean by its kind, and an unknown kind by the server's sentence", () => {
  const labels = { before: new Map([["t1", "깃"]]), after: new Map([["t1", "버전 관리"]]) };
  const change = {
    kind: "topic_renamed",
    sentence: "“깃” is now called “버전 관리”.",
    why: "It was named by you.",
    node_ids: ["t1"],
  };
  expect(describeChange(change, "ko", labels).sentence).toBe("주제 이름이 바뀌었어요: “깃” → “버전 관리”");
  expect(describeChange(change, "en", labels)).toEqual({ sentence: change.sentence, why: change.why });
  expect(describeChange({ kind: "new_kind", sentence: "The server's sentence." }, "ko", labels).sentence).toBe(
    "The server's sentence.",
  );
});

it("queues toasts until a listener shows them, in order", () => {
  const shown: string[] = [];
  let calls = 0;
  const unsubscribeFirst = onFirstToast(() => (calls += 1));
  toast("one");
  toast("two");
  const stop = onToast(({ text }) => shown.push(text));
  toast("three");
  stop();
  unsubscribeFirst();
  expect(shown).toEqual(["one", "two", "three"]);
  expect(calls).toBe(2);
});
