/** What changed between two versions, in the reader's language. The server tells it in English, with the nodes it is about. */
import type { ChangeReply, Language } from "@trailmind/api";

/** A change as the server describes it; an older server leaves out the reason and the nodes. */
type Change = Pick<ChangeReply, "kind" | "sentence"> & Partial<ChangeReply>;

export interface Labels {
  before: ReadonlyMap<string, string>;
  after: ReadonlyMap<string, string>;
}

/** Korean needs another order of words, so it is told anew from the kind; a kind unknown here stays as it was told. */
export function changeSentence(
  change: Change,
  language: Language,
  { before, after }: Labels,
): { sentence: string; why: string } {
  const [first = "", ...others] = change.node_ids ?? [];
  const was = `“${before.get(first) ?? after.get(first) ?? "?"}”`;
  const is = `“${after.get(first) ?? before.get(first) ?? "?"}”`;
  const names = others.map((id) => `“${before.get(id) ?? after.get(id) ?? "?"}”`).join(", ");
  const korean: Record<string, string> = {
    topic_added: `${is} 주제가 새로 생겼어요.`,
    topic_removed: `${was} 주제가 없어졌어요.`,
    topic_renamed: before.has(first) ? `주제 이름이 바뀌었어요: ${was} → ${is}` : `주제 이름이 바뀌었어요: ${is}`,
    topic_split: `${names}에서 ${is} 주제가 나뉘었어요.`,
    topics_merged: `${names} 주제가 ${is}에 합쳐졌어요.`,
    page_added: `${is} 페이지가 새로 들어왔어요.`,
    page_removed: `${was} 페이지는 더 이상 이 세션에 없어요.`,
    page_moved: `${is} 페이지가 다른 주제로 옮겨졌어요.`,
    page_left_out: `${was} 페이지가 지도에서 빠졌어요.`,
    page_placed: `${is} 페이지가 다시 지도에 들어왔어요.`,
    title_changed: `지도 이름이 바뀌었어요: ${is}`,
  };
  const told = language === "ko" ? korean[change.kind] : undefined;
  return told ? { sentence: told, why: "" } : { sentence: change.sentence, why: change.why ?? "" };
}
