/**
 * Describes the changes between two map versions. The server describes them in English, with the ids of their nodes.
 */
import { type ChangeReply, type Language, quoted } from "@trailmind/api";

/** A change of the server's diff; an older server omits the reason and the nodes. */
type Change = Pick<ChangeReply, "kind" | "sentence"> & Partial<ChangeReply>;

export interface Labels {
  before: ReadonlyMap<string, string>;
  after: ReadonlyMap<string, string>;
}

/**
 * The Korean sentence is built from the kind, because its word order differs; a kind unknown here keeps the server's
 * sentence.
 */
export function describeChange(
  change: Change,
  language: Language,
  { before, after }: Labels,
): { sentence: string; why: string } {
  const [first = "", ...others] = change.node_ids ?? [];
  const oldLabel = quoted(before.get(first) ?? after.get(first) ?? "?");
  const newLabel = quoted(after.get(first) ?? before.get(first) ?? "?");
  const otherLabels = others.map((id) => quoted(before.get(id) ?? after.get(id) ?? "?")).join(", ");
  const korean: Record<string, string> = {
    topic_added: `${newLabel} 주제가 새로 생겼어요.`,
    topic_removed: `${oldLabel} 주제가 없어졌어요.`,
    topic_renamed: before.has(first)
      ? `주제 이름이 바뀌었어요: ${oldLabel} → ${newLabel}`
      : `주제 이름이 바뀌었어요: ${newLabel}`,
    topic_split: `${otherLabels}에서 ${newLabel} 주제가 나뉘었어요.`,
    topics_merged: `${otherLabels} 주제가 ${newLabel}에 합쳐졌어요.`,
    page_added: `${newLabel} 페이지가 새로 들어왔어요.`,
    page_removed: `${oldLabel} 페이지는 더 이상 이 세션에 없어요.`,
    page_moved: `${newLabel} 페이지가 다른 주제로 옮겨졌어요.`,
    page_left_out: `${oldLabel} 페이지가 지도에서 빠졌어요.`,
    page_placed: `${newLabel} 페이지가 다시 지도에 들어왔어요.`,
    title_changed: `지도 이름이 바뀌었어요: ${newLabel}`,
  };
  const translated = language === "ko" ? korean[change.kind] : undefined;
  return translated ? { sentence: translated, why: "" } : { sentence: change.sentence, why: change.why ?? "" };
}
