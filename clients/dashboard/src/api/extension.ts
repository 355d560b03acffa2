/**
 * Signs in the Chrome extension. It receives this page's messages (`externally_connectable`). PKCE (RFC 7636) ensures
 * that only the extension that asked can exchange the code. See docs/extension.md.
 */

import { isRecord, unwrap } from "@trailmind/api";
import { anonymousApi, api } from "./client";
import { acceptLogin, hasSignedOut } from "./login";
import { makePkce } from "./pkce";

/**
 * The extensions that this dashboard knows: the id of every unpacked copy, and the ids of store builds, which the build
 * of the dashboard names in VITE_EXTENSION_IDS, separated by commas.
 */
const EXTENSION_IDS: readonly string[] = [
  ...(import.meta.env.VITE_EXTENSION_IDS ?? "")
    .split(",")
    .map((id: string) => id.trim())
    .filter((id: string) => /^[a-p]{32}$/.test(id)),
  "paenoilheahmjokpbligdebdblbckpfc",
];
const REPLY_TIMEOUT_MS = 2_000;

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

/**
 * Sends a sign-in code to the extension. Throws ApiError, or Error when the extension rejects the code and is not
 * signed in already.
 */
export async function linkExtension({ extensionId, state, codeChallenge }: LinkRequest): Promise<void> {
  const body = { code_challenge: codeChallenge, code_challenge_method: "S256" } as const;
  const { code } = await unwrap(api.POST("/v1/auth/extension/code", { body }));
  const reply = await messenger()?.sendMessage(extensionId, { type: "trailmind.link", code, state });
  if (isRecord(reply) && reply.error === "already_signed_in") return;
  if (!isRecord(reply) || reply.ok !== true) throw new Error(isRecord(reply) ? String(reply.error) : "no answer");
}

/** Signs in the installed extension that has no login yet. Returns whether it did; never throws. */
export async function signInInstalledExtension(): Promise<boolean> {
  const answer = await askExtensions({ type: "trailmind.hello" });
  if (!answer) return false;
  const { extensionId, reply } = answer;
  return linkExtension({ extensionId, state: String(reply.state), codeChallenge: String(reply.code_challenge) }).then(
    () => true,
    () => false,
  );
}

/**
 * Signs in this page with the login of the installed extension, unless the user has signed out here. Returns whether it
 * did; never throws. The page makes the PKCE challenge, so a code that another page obtained cannot be exchanged here.
 */
export async function signInWithExtension(): Promise<boolean> {
  if (hasSignedOut()) return false;
  try {
    const { verifier, challenge } = await makePkce();
    const answer = await askExtensions({ type: "trailmind.session", code_challenge: challenge });
    if (!answer || typeof answer.reply.code !== "string") return false;
    const body = { code: answer.reply.code, code_verifier: verifier };
    acceptLogin(await unwrap(anonymousApi.POST("/v1/auth/extension/exchange", { body })));
    return true;
  } catch {
    return false;
  }
}

/** The first known extension that accepts `message`, and its reply. */
async function askExtensions(
  message: unknown,
): Promise<{ extensionId: string; reply: Record<string, unknown> } | null> {
  for (const extensionId of EXTENSION_IDS) {
    const reply = await Promise.race([
      messenger()?.sendMessage(extensionId, message) ?? null,
      new Promise<null>((resolve) => setTimeout(() => resolve(null), REPLY_TIMEOUT_MS)),
    ]).catch(() => null);
    if (isRecord(reply) && reply.ok === true) return { extensionId, reply };
  }
  return null;
}
