/** The ways to sign in. Each stores tokens in the account, or throws an error that the popup shows. */

import { ApiError } from "@trailmind/api";
import { browser } from "wxt/browser";
import { storage } from "wxt/utils/storage";

import type { TrailmindApi } from "../api/trailmind";
import { CommandError } from "../command-error";
import { parseOrigin } from "../settings";
import type { Account } from "./account";
import { challengeOf, randomSecret } from "./pkce";

/** False when the server sent a mail instead of a login: the user signs in after choosing a password with its link. */
export async function withPassword(
  api: TrailmindApi,
  account: Account,
  origin: string,
  credentials: { email: string; password: string; isNew: boolean },
): Promise<boolean> {
  const { email, password, isNew } = credentials;
  const signIn = isNew ? await api.signUp(origin, email, password) : await api.logIn(origin, email, password);
  if (signIn !== null) await account.storeSignIn(origin, signIn);
  return signIn !== null;
}

/**
 * Google's authorization code flow with PKCE in a window of Chrome. The server starts it, because it has the client id
 * and keeps the nonce; the verifier stays in the extension.
 */
export async function withGoogle(api: TrailmindApi, account: Account, origin: string): Promise<void> {
  const redirectUri = browser.identity.getRedirectURL();
  const verifier = randomSecret();
  const authorization = await api.beginGoogle(origin, {
    redirect_uri: redirectUri,
    code_challenge: await challengeOf(verifier),
  });
  // Rejects an address without TLS, except on a private network (a test provider).
  if (parseOrigin(authorization.authorization_url) === null) throw new CommandError("google_refused");
  const redirectedUrl = await browser.identity
    .launchWebAuthFlow({ url: authorization.authorization_url, interactive: true })
    // Chrome rejects when the user closes the window.
    .catch(() => undefined);
  const parameters = new URL(redirectedUrl ?? "about:blank").searchParams;
  const code = parameters.get("code");
  if (parameters.get("state") !== authorization.state || !code) throw new CommandError("google_refused");
  const proof = { code, redirect_uri: redirectUri, code_verifier: verifier, state: authorization.state };
  await account.storeSignIn(origin, await api.exchangeGoogleCode(origin, proof));
}

/** A sign-in through the dashboard that waits for the dashboard's code. */
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

/** The page of the dashboard that signs the user in and returns a one-time code. */
export async function linkUrl(origin: string, webOrigin: string, extensionId: string, now: number): Promise<string> {
  const url = new URL("/extension/link", webOrigin);
  const challenge = await beginLink(origin, webOrigin, now);
  url.search = new URLSearchParams({ extension_id: extensionId, ...challenge }).toString();
  return url.href;
}

export type LinkResponse =
  | { ok: true; code?: string; state?: string; code_challenge?: string; code_challenge_method?: "S256" }
  | { ok: false; error: string };

interface DashboardContext {
  api: TrailmindApi;
  account: Account;
  origin: string;
  webOrigin: string;
  now: number;
}

/** A one-time code that signs the dashboard in as the user of the extension. */
async function codeForDashboard(challenge: unknown, { api, account, origin }: DashboardContext): Promise<LinkResponse> {
  const user = await account.user();
  const isUsable = user && !user.isExpired && user.origin === origin;
  if (!isUsable || typeof challenge !== "string") return { ok: false, error: "signed_out" };
  try {
    return { ok: true, code: await account.withToken((bearer) => api.linkCode(origin, bearer, challenge)) };
  } catch (error) {
    return { ok: false, error: error instanceof ApiError ? error.code || "refused" : "unreachable" };
  }
}

/**
 * Handles a message of the dashboard. `hello` requests a challenge (after a sign-in on the web), `link` carries the
 * one-time code, and `session` requests a code that signs the dashboard in. Only messages of the configured dashboard
 * are accepted, and a code only for a pending challenge.
 */
export async function onDashboardMessage(
  message: unknown,
  senderOrigin: string,
  context: DashboardContext,
): Promise<LinkResponse> {
  if (senderOrigin !== context.webOrigin) return { ok: false, error: "unknown_origin" };
  const {
    type,
    code,
    state,
    code_challenge: challenge,
  } = (typeof message === "object" && message !== null ? message : {}) as Record<string, unknown>;
  const user = await context.account.user();
  const isSignedIn = user !== null && !user.isExpired;
  if (type === "trailmind.hello") {
    // A web page must not switch the account without the user's consent.
    if (isSignedIn) return { ok: false, error: "already_signed_in" };
    return { ok: true, ...(await beginLink(context.origin, context.webOrigin, context.now)) };
  }
  if (type === "trailmind.session") return codeForDashboard(challenge, context);
  if (type !== "trailmind.link" || typeof code !== "string" || typeof state !== "string") {
    return { ok: false, error: "unknown_message" };
  }
  const pending = await pendingLink.getValue();
  const isOurs = pending?.state === state && pending.webOrigin === senderOrigin;
  if (!pending || !isOurs || context.now - pending.startedAt > LINK_TTL_MS)
    // Another page of the dashboard, such as the guide to the extension, may have signed it in meanwhile.
    return { ok: false, error: isSignedIn ? "already_signed_in" : "unknown_state" };
  await pendingLink.setValue(null);
  try {
    const signIn = await context.api.exchangeLinkCode(pending.origin, { code, code_verifier: pending.verifier });
    await context.account.storeSignIn(pending.origin, signIn);
    return { ok: true };
  } catch (error) {
    return { ok: false, error: error instanceof ApiError ? error.code || "refused" : "unreachable" };
  }
}
