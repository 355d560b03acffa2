/**
 * The login. The access token is only in this module's memory; the refresh token is an HttpOnly cookie that no script
 * can read. localStorage has one bit, "this browser has signed in", so that a first visit starts without a failing
 * renewal.
 */
import { ApiError, isRecord, reached, readError, uuid } from "@trailmind/api";

export interface Account {
  id: string;
  email: string;
  isVerified: boolean | null;
  /** False for an account that only signs in with Google; null until it is known. */
  hasPassword: boolean | null;
  /** Whether the operators' page is shown; null until it is known. The server decides with every request. */
  isOperator: boolean | null;
}

export type Login = { state: "unknown" } | { state: "out"; expired: boolean } | { state: "in"; account: Account };

const HINT_KEY = "trailmind.signed-in";
const SIGNED_OUT_KEY = "trailmind.signed-out";
export const WEB_CLIENT = { "X-Trailmind-Client": "web" };
/** The token is renewed this long before it expires, so that no request is sent with an expired one. */
const RENEW_BEFORE_MS = 30_000;

let login: Login = { state: "unknown" };
let token: string | null = null;
let expiresAt = 0;
let pendingRenewal: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

function setLogin(next: Login): void {
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

/** Stores the login of a login or signup response. Throws ApiError when the response has another shape. */
export function acceptLogin(reply: unknown): Account {
  if (!isRecord(reply) || typeof reply.token !== "string") throw unexpectedReply();
  const account = parseAccount(reply.user);
  storeToken(reply.token, reply.expires_in);
  setLogin({ state: "in", account });
  return account;
}

/** The user signed out on this device: no other login signs this page in by itself. */
export function markSignedOut(): void {
  try {
    localStorage.setItem(SIGNED_OUT_KEY, "1");
  } catch {
    // Without storage the page may be signed in again by the extension.
  }
}

export function hasSignedOut(): boolean {
  try {
    return localStorage.getItem(SIGNED_OUT_KEY) === "1";
  } catch {
    return false;
  }
}

export function updateAccount(change: Partial<Account>): void {
  if (login.state === "in") setLogin({ state: "in", account: { ...login.account, ...change } });
}

/**
 * Ends the login. `expired`: it ended without the user's action, which the sign-in page shows. Does nothing when the
 * login has ended already: several requests of a page are refused one after another, and only the first one knows the
 * page that the user was on.
 */
export function endLogin(expired: boolean): void {
  if (login.state === "out") return;
  token = null;
  expiresAt = 0;
  storeHint(false);
  setLogin({ state: "out", expired });
}

function storeHint(isIn: boolean): void {
  try {
    if (isIn) {
      localStorage.setItem(HINT_KEY, "1");
      localStorage.removeItem(SIGNED_OUT_KEY);
    } else localStorage.removeItem(HINT_KEY);
  } catch {
    // Storage may be disabled; the next visit then starts at the sign-in page.
  }
}

function hasHint(): boolean {
  try {
    return localStorage.getItem(HINT_KEY) === "1";
  } catch {
    return true;
  }
}

/**
 * Restores the login at start, and sets `currentLogin()`. Throws ApiError when the server is unavailable.
 * `onRequestSent` is called once the request is sent.
 */
export async function restoreLogin(onRequestSent?: () => void): Promise<void> {
  if (login.state !== "unknown") return;
  if (!hasHint()) {
    setLogin({ state: "out", expired: false });
    return;
  }
  if (!(await renewToken(onRequestSent))) endLogin(false);
}

/** Gets a new access token with the cookie; false when the login has ended. Concurrent calls share one request. */
export function renewToken(onRequestSent?: () => void): Promise<boolean> {
  pendingRenewal ??= withTabLock(() => {
    const isRenewed = requestToken();
    onRequestSent?.();
    return isRenewed;
  }).finally(() => {
    pendingRenewal = null;
  });
  return pendingRenewal;
}

/** A refresh token is valid once: two tabs that renew at the same time would look like token theft to the server. */
async function withTabLock(run: () => Promise<boolean>): Promise<boolean> {
  return typeof navigator !== "undefined" && navigator.locks
    ? await navigator.locks.request("trailmind.renew", run)
    : run();
}

async function requestToken(): Promise<boolean> {
  // The idempotency key makes a retry after a lost response the same request.
  const headers = { "Content-Type": "application/json", "Idempotency-Key": uuid(), ...WEB_CLIENT };
  const request = () =>
    reached(fetch("/v1/auth/refresh", { method: "POST", headers, body: "{}", signal: AbortSignal.timeout(15_000) }));
  const response = await request().catch(request);
  if (!response.ok) {
    if (response.status < 500 && response.status !== 429) return false;
    throw await readError(response);
  }
  const reply: unknown = await response.json();
  if (!isRecord(reply) || typeof reply.token !== "string") throw unexpectedReply();
  storeToken(reply.token, reply.expires_in);
  if (login.state !== "in") {
    // Only the account page shows the user; the other pages do not wait for it.
    setLogin({ state: "in", account: { id: "", email: "", isVerified: null, hasPassword: null, isOperator: null } });
    void loadAccount(reply.token);
  }
  return true;
}

async function loadAccount(bearer: string): Promise<void> {
  const request = () =>
    fetch("/v1/auth/me", { headers: { Authorization: `Bearer ${bearer}` }, signal: AbortSignal.timeout(15_000) });
  const body: unknown = await request()
    .catch(request)
    .then((reply) => reply.json())
    .catch(() => null);
  if (isRecord(body) && isRecord(body.user)) updateAccount(parseAccount(body.user));
}

function storeToken(value: string, expiresInS: unknown): void {
  token = value;
  expiresAt = Date.now() + (typeof expiresInS === "number" ? expiresInS * 1000 : 15 * 60_000);
  storeHint(true);
}

function unexpectedReply(): ApiError {
  return new ApiError(0, "unexpected", "the reply has another shape than the contract", { kind: "server" });
}

function parseAccount(user: unknown): Account {
  if (!isRecord(user)) throw unexpectedReply();
  const verified = user.email_verified;
  return {
    id: String(user.id),
    email: String(user.email),
    isVerified: typeof verified === "boolean" ? verified : null,
    hasPassword: typeof user.has_password === "boolean" ? user.has_password : null,
    isOperator: user.role === "admin",
  };
}

/** The token for the next request, renewed shortly before it expires. */
export async function accessToken(): Promise<string | null> {
  if (token && Date.now() > expiresAt - RENEW_BEFORE_MS) {
    const isRenewed = await renewToken().catch(() => true);
    if (!isRenewed) endLogin(true);
  }
  return token;
}
