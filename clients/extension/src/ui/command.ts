/** Asks the worker to do something. */

import { browser } from "wxt/browser";

import type { CommandAnswer, CommandName, Commands } from "../messages";

export async function command<K extends CommandName>(name: K, args: Commands[K]["args"]): Promise<CommandAnswer<K>> {
  try {
    const answer = (await browser.runtime.sendMessage({ command: name, args })) as CommandAnswer<K> | undefined;
    return answer ?? { ok: false, code: "unexpected", message: "" };
  } catch (error) {
    return { ok: false, code: "unexpected", message: error instanceof Error ? error.message : "" };
  }
}
