/** The models of a task as text: one a line, `provider/model`. */
import type { AiConfigReply } from "@trailmind/api";

export type Chain = AiConfigReply["chain"];

export function chainAsText(chain: Chain): string {
  return chain.map(({ provider, model }) => `${provider}/${model}`).join("\n");
}

/** The models in `text`, with the limits that `before` had for the same ones; null when a line names no model. */
export function chainFromText(text: string, before: Chain): Chain | null {
  const chain: Chain = [];
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (line === "") continue;
    const [, provider, model] = /^(openai|anthropic|gemini|local)\/([\w.:/@-]{1,128})$/.exec(line) ?? [];
    if (provider === undefined || model === undefined) return null;
    const known = before.find((each) => each.provider === provider && each.model === model);
    chain.push(known ?? { provider: provider as Chain[number]["provider"], model });
  }
  return chain.length > 0 ? chain : null;
}
