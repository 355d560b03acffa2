/**
 * Who is signed in. The access token lives in this module's memory only; the refresh token is an HttpOnly cookie that
 * no script can read. localStorage holds one bit, "somebody signed in here", so that a stranger's first visit does not
 * begin with a failing renewal.
 */
import { ApiError, isRecord, readError } from "@trailmind/api";

export interface Account {
  id: string;
  email: string;
  isVerified: boolean | null;
}

export type Login = { state: "unknown" } | { state: "out"; expired: boolean } | { state: "in"; account: Account };

const HINT = "trailmind.signed-in";
export const WEB_CLIENT = { "X-Trailmind-Client": "web" };
/** Renewed this long before it ends, so that no request meets an expired token. */
const EARLY_MS = 30_000;

let login: Login = { state: "unknown" };
let token: string | null = null;
let expiresAt = 0;
let renewal: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

function set(next: Login): void {
  login = next;
  for (const listener of listeners) listener();
}

export function currentLogin(): Login {
  return login;
}

export function onLogin(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Takes the answer of login or signup. Throws when it is none. */
export function accept(reply: unknown): Account {
  if (!isRecord(reply) || typeof reply.token !== "string") throw unexpected();
  const account = accountOf(reply.user);
  keep(reply.token, reply.expires_in);
  set({ state: "in", account });
  return account;
}

export function updateAccount(change: Partial<Account>): void {
  if (login.state === "in") set({ state: "in", account: { ...login.account, ...change } });
}

/** Forgets the login. `expired` when it ended by itself, which the sign-in page says. */
export function forget(expired: boolean): void {
  token = null;
  expiresAt = 0;
  remember(false);
  set({ state: "out", expired });
}

function remember(isIn: boolean): void {
  try {
    if (isIn) localStorage.setItem(HINT, "1");
    else localStorage.removeItem(HINT);
  } catch {
    // Storage may be switched off; the next visit then starts at the sign-in page.
  }
}

function mayBeSignedIn(): boolean {
  try {
    return localStorage.getItem(HINT) === "1";
  } catch {
    return true;
  }
}

/**
 * At start: is there a login to go on with? Settles `currentLogin()`; throws when the server cannot be asked.
 * `onAsked` is called when the question is on its way.
 */
export async function resume(onAsked?: () => void): Promise<void> {
  if (login.state !== "unknown") return;
  if (!mayBeSignedIn()) {
    set({ state: "out", expired: false });
    return;
  }
  if (!(await renew(onAsked))) forget(false);
}

/** A new access token from the cookie; false when there is no login any more. One request however many ask. */
export function renew(onAsked?: () => void): Promise<boolean> {
  renewal ??= oneTabAtATime(() => {
    const answer = askForToken();
    onAsked?.();
    return answer;
  }).finally(() => {
    renewal = null;
  });
  return renewal;
}

/** A refresh token works once: two tabs renewing at the same moment would look like a theft. */
async function oneTabAtATime(run: () => Promise<boolean>): Promise<boolean> {
  return typeof navigator !== "undefined" && navigator.locks
    ? await navigator.locks.request("trailmind.renew", run)
    : run();
}

async function askForToken(): Promise<boolean> {
  // The key makes a second try after a lost answer the same request.
  const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID(), ...WEB_CLIENT };
  const ask = () =>
    fetch("/v1/auth/refresh", { method: "POST", headers, body: "{}", signal: AbortSignal.timeout(15_000) });
  const response = await ask().catch(ask);
  if (!response.ok) {
    if (response.status < 500 && response.status !== 429) return false;
    throw await readError(response);
  }
  const reply: unknown = await response.json();
  if (!isRecord(reply) || typeof reply.token !== "string") throw unexpected();
  keep(reply.token, reply.expires_in);
  if (login.state !== "in") {
    // Who it is is shown on one page only; the others need not wait for it.
    set({ state: "in", account: { id: "", email: "", isVerified: null } });
    void askWhoItIs(reply.token);
  }
  return true;
}

async function askWhoItIs(bearer: string): Promise<void> {
  const ask = () =>
    fetch("/v1/auth/me", { headers: { Authorization: `Bearer ${bearer}` }, signal: AbortSignal.timeout(15_000) });
  const body: unknown = await ask()
    .catch(ask)
    .then((reply) => reply.json())
    .catch(() => null);
  if (isRecord(body) && isRecord(body.user)) updateAccount(accountOf(body.user));
}

function keep(value: string, expiresInS: unknown): void {
  token = value;
  expiresAt = Date.now() + (typeof expiresInS === "number" ? expiresInS * 1000 : 15 * 60_000);
  remember(true);
}

function unexpected(): ApiError {
  return new ApiError(0, "unexpected", "the reply has another shape than the contract", { kind: "server" });
}

function accountOf(user: unknown): Account {
  if (!isRecord(user)) throw unexpected();
  const verified = user.email_verified;
  return {
    id: String(user.id),
    email: String(user.email),
    isVerified: typeof verified === "boolean" ? verified : null,
  };
}

/** The token for the next request, renewed when it is about to end. */
export async function accessToken(): Promise<string | null> {
  if (token && Date.now() > expiresAt - EARLY_MS) {
    const isRenewed = await renew().catch(() => true);
    if (!isRenewed) forget(true);
  }
  return token;
}
