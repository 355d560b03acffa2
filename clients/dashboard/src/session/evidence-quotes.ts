import type { MapNode } from "~/map/model";

type Evidence = MapNode["data"]["evidence"][number];

const plain = (text: string) => text.replace(/\s+/g, " ").trim().toLowerCase();

/**
 * What the panel shows of a node: each sentence once. A page's own title says nothing about where its label comes from
 * when there is a sentence, and a highlight that is quoted as evidence is not repeated below.
 */
export function distinctQuotes(node: MapNode): { evidence: Evidence[]; highlights: string[] } {
  const shown = new Set<string>();
  const isNew = (text: string) => {
    const key = plain(text);
    if (shown.has(key)) return false;
    shown.add(key);
    return true;
  };
  const isOwnTitle = (each: Evidence) => node.type === "page" && each.field === "title";
  const sentences = node.data.evidence.filter((each) => !isOwnTitle(each));
  const evidence = (sentences.length > 0 ? sentences : node.data.evidence).filter((each) => isNew(each.quote));
  return { evidence, highlights: node.data.highlights.filter(isNew) };
}
