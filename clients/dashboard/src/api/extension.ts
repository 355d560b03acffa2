/**
 * Signs in the Chrome extension. It receives this page's messages (`externally_connectable`). PKCE (RFC 7636) ensures
 * that only the extension that asked can exchange the code. See docs/extension.md.
 */

import { isRecord, unwrap } from "@trailmind/api";
import { api } from "./client";

/** The id of every unpacked copy; a store build sets its own id. */
const EXTENSION_ID: string = import.meta.env.VITE_EXTENSION_ID ?? "paenoilheahmjokpbligdebdblbckpfc";

interface Messenger {
  sendMessage: (extensionId: string, message: unknown) => Promise<unknown>;
}

function messenger(): Messenger | null {
  const runtime: unknown = (globalThis as { chrome?: { runtime?: unknown } }).chrome?.runtime;
  return isMessenger(runtime) ? runtime : null;
}

function isMessenger(runtime: unknown): runtime is Messenger {
  return isRecord(runtime) && typeof runtime.sendMessage === "function";
}

/** Whether this browser allows the page to send messages to extensions. */
export function canReachExtensions(): boolean {
  return messenger() !== null;
}

export interface LinkRequest {
  extensionId: string;
  state: string;
  codeChallenge: string;
}

/** Sends a sign-in code to the extension. Throws ApiError, or Error when the extension rejects the code. */
export async function linkExtension({ extensionId, state, codeChallenge }: LinkRequest): Promise<void> {
  const body = { code_challenge: codeChallenge, code_challenge_method: "S256" } as const;
  const { code } = await unwrap(api.POST("/v1/auth/extension/code", { body }));
  const reply = await messenger()?.sendMessage(extensionId, { type: "trailmind.link", code, state });
  if (!isRecord(reply) || reply.ok !== true) throw new Error(isRecord(reply) ? String(reply.error) : "no answer");
}

/** Signs in the installed extension that has no login yet. Returns whether it did; never throws. */
export async function signInInstalledExtension(): Promise<boolean> {
  try {
    const reply = await messenger()?.sendMessage(EXTENSION_ID, { type: "trailmind.hello" });
    if (!isRecord(reply) || reply.ok !== true) return false;
    await linkExtension({
      extensionId: EXTENSION_ID,
      state: String(reply.state),
      codeChallenge: String(reply.code_challenge),
    });
    return true;
  } catch {
    return false;
  }
}
