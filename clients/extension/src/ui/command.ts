/** Sends a command to the service worker. Never throws: an error is a response with `ok: false`. */

import { browser } from "wxt/browser";

import type { CommandName, CommandResponse, Commands } from "../protocol";

export async function command<K extends CommandName>(name: K, args: Commands[K]["args"]): Promise<CommandResponse<K>> {
  try {
    const response = (await browser.runtime.sendMessage({ command: name, args })) as CommandResponse<K> | undefined;
    return response ?? { ok: false, code: "unexpected" };
  } catch {
    return { ok: false, code: "unexpected" };
  }
}
