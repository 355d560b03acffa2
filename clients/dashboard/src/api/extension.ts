/**
 * Signing the Chrome extension in. It hears this page (`externally_connectable`) and proves with PKCE that the code it
 * is sent is used by nobody else. See docs/extension.md.
 */

import { isRecord, unwrap } from "@trailmind/api";
import { api } from "./client";

/** The id every unpacked copy has; a store's copy has the one its build names. */
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

/** Whether this browser lets the page speak to an extension at all. */
export function canReachExtensions(): boolean {
  return messenger() !== null;
}

export interface LinkRequest {
  extensionId: string;
  state: string;
  codeChallenge: string;
}

/** Hands a sign-in code to the extension that asked. Throws ApiError, or Error when the extension refuses. */
export async function linkExtension({ extensionId, state, codeChallenge }: LinkRequest): Promise<void> {
  const body = { code_challenge: codeChallenge, code_challenge_method: "S256" } as const;
  const { code } = await unwrap(api.POST("/v1/auth/extension/code", { body }));
  const reply = await messenger()?.sendMessage(extensionId, { type: "trailmind.link", code, state });
  if (!isRecord(reply) || reply.ok !== true) throw new Error(isRecord(reply) ? String(reply.error) : "no answer");
}

/** After a sign-in: signs the extension in too, if there is one and nobody is signed in there. Never fails. */
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
