/** The ways to sign in. Each ends with tokens in the account, or throws with a sentence for the user. */

import { ApiError } from "@trailmind/api";
import { browser } from "wxt/browser";
import { storage } from "wxt/utils/storage";

import type { TrailmindApi } from "../api/trailmind";
import { CommandError } from "../command-error";
import { parseOrigin } from "../settings";
import type { Account } from "./account";
import { challengeOf, randomSecret } from "./pkce";

export async function withPassword(
  api: TrailmindApi,
  account: Account,
  origin: string,
  credentials: { email: string; password: string; isNew: boolean },
): Promise<void> {
  const { email, password, isNew } = credentials;
  const answer = isNew ? await api.signUp(origin, email, password) : await api.logIn(origin, email, password);
  await account.storeSignIn(origin, answer);
}

/**
 * Google's code flow in Chrome's own window, authorization by the server (which knows the client id and keeps the nonce), with
 * a verifier that stays here.
 */
export async function withGoogle(api: TrailmindApi, account: Account, origin: string): Promise<void> {
  const redirectUri = browser.identity.getRedirectURL();
  const verifier = randomSecret();
  const authorization = await api.beginGoogle(origin, {
    redirect_uri: redirectUri,
    code_challenge: await challengeOf(verifier),
  });
  // A provider on this machine is one for developers.
  if (parseOrigin(authorization.authorization_url) === null) throw new CommandError("google_refused");
  const redirectedUrl = await browser.identity
    .launchWebAuthFlow({ url: authorization.authorization_url, interactive: true })
    // A closed window is an answer too.
    .catch(() => undefined);
  const parameters = new URL(redirectedUrl ?? "about:blank").searchParams;
  const code = parameters.get("code");
  if (parameters.get("state") !== authorization.state || !code) throw new CommandError("google_refused");
  const proof = { code, redirect_uri: redirectUri, code_verifier: verifier, state: authorization.state };
  await account.storeSignIn(origin, await api.exchangeGoogleCode(origin, proof));
}

/** A link the user began here, waiting for the dashboard's answer. */
interface PendingLink {
  state: string;
  verifier: string;
  origin: string;
  webOrigin: string;
  startedAt: number;
}

const pendingLink = storage.defineItem<PendingLink | null>("session:link", { fallback: null });
const LINK_TTL_MS = 10 * 60_000;

async function beginLink(origin: string, webOrigin: string, now: number) {
  const link: PendingLink = { state: randomSecret(), verifier: randomSecret(), origin, webOrigin, startedAt: now };
  await pendingLink.setValue(link);
  return {
    state: link.state,
    code_challenge: await challengeOf(link.verifier),
    code_challenge_method: "S256" as const,
  };
}

/** Where to send the user: the dashboard signs them in and answers with a one-time code. */
export async function linkUrl(origin: string, webOrigin: string, extensionId: string, now: number): Promise<string> {
  const url = new URL("/extension/link", webOrigin);
  const challenge = await beginLink(origin, webOrigin, now);
  url.search = new URLSearchParams({ extension_id: extensionId, ...challenge }).toString();
  return url.href;
}

export type LinkResponse =
  | { ok: true; state?: string; code_challenge?: string; code_challenge_method?: "S256" }
  | { ok: false; error: string };

/**
 * A message from the dashboard. `hello` asks for a challenge (right after a sign-in on the web), `link` brings the
 * one-time code. Only the configured dashboard is heard, and a code only in answer to a challenge we gave.
 */
export async function onDashboardMessage(
  message: unknown,
  senderOrigin: string,
  context: { api: TrailmindApi; account: Account; origin: string; webOrigin: string; now: number },
): Promise<LinkResponse> {
  if (senderOrigin !== context.webOrigin) return { ok: false, error: "unknown_origin" };
  const { type, code, state } = (typeof message === "object" && message !== null ? message : {}) as Record<
    string,
    unknown
  >;
  if (type === "trailmind.hello") {
    const user = await context.account.user();
    // Nobody is moved to another account without asking.
    if (user && !user.isExpired) return { ok: false, error: "already_signed_in" };
    return { ok: true, ...(await beginLink(context.origin, context.webOrigin, context.now)) };
  }
  if (type !== "trailmind.link" || typeof code !== "string" || typeof state !== "string") {
    return { ok: false, error: "unknown_message" };
  }
  const pending = await pendingLink.getValue();
  const isOurs = pending?.state === state && pending.webOrigin === senderOrigin;
  if (!pending || !isOurs || context.now - pending.startedAt > LINK_TTL_MS)
    return { ok: false, error: "unknown_state" };
  await pendingLink.setValue(null);
  try {
    const answer = await context.api.exchangeLinkCode(pending.origin, { code, code_verifier: pending.verifier });
    await context.account.storeSignIn(pending.origin, answer);
    return { ok: true };
  } catch (error) {
    return { ok: false, error: error instanceof ApiError ? error.code || "refused" : "unreachable" };
  }
}
