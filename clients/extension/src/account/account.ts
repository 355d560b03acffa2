/**
 * The signed-in user and a valid access token. Used in the service worker only: two contexts that renew at the same
 * time would use one refresh token twice, which the server treats as token theft.
 */

import { ApiError, uuid } from "@trailmind/api";
import { SignedOutError } from "../api/errors";
import type { Renewal, SignIn, User } from "../api/schemas";
import type { TrailmindApi } from "../api/trailmind";
import type { QueueStore } from "../queue/store";

interface StoredAccount {
  origin: string;
  user: User;
  token: string;
  refreshToken: string | null;
  /** When to renew, before the token expires; null if the server sent no expiry. */
  renewAt: number | null;
  /**
   * The idempotency key of a renewal and its repeats, until a response arrives. It lets the server distinguish a lost
   * response (or a worker that was killed while waiting) from a stolen token.
   */
  renewalKey?: string;
  /** The server rejected the refresh token: the user is known but must sign in again. */
  isExpired: boolean;
}

/** Tokens are renewed this long before they expire, short-lived ones in the last fifth of their lifetime. */
const RENEWAL_MARGIN_MS = 60_000;

export class Account {
  private renewing: Promise<string> | null = null;

  constructor(
    // In IndexedDB: content scripts can read `storage.local`, but not the extension's databases.
    private readonly store: QueueStore,
    private readonly api: TrailmindApi,
    private readonly now: () => number = Date.now,
  ) {}

  private read(): Promise<StoredAccount | undefined> {
    return this.store.getValue<StoredAccount>("account");
  }

  async user(): Promise<{ user: User; origin: string; isExpired: boolean } | null> {
    const stored = await this.read();
    return stored ? { user: stored.user, origin: stored.origin, isExpired: stored.isExpired } : null;
  }

  async storeSignIn(origin: string, signIn: SignIn): Promise<void> {
    await this.store.setValue("account", {
      origin,
      user: { id: signIn.user.id, email: signIn.user.email },
      token: signIn.token,
      refreshToken: signIn.refresh_token ?? null,
      renewAt: this.renewalTime(signIn),
      isExpired: false,
    } satisfies StoredAccount);
  }

  /** Deletes the tokens, then notifies the server, so that it also works offline. */
  async signOut(): Promise<void> {
    const stored = await this.read();
    await this.store.setValue("account", undefined);
    if (stored && !stored.isExpired) await this.api.logOut(stored.origin, stored.token).catch(() => undefined);
  }

  /**
   * Runs `call` with a valid token, which is renewed before it expires or after a 401.
   *
   * @throws SignedOut when the user has to sign in again; otherwise what `call` throws.
   */
  async withToken<T>(call: (bearer: string) => Promise<T>): Promise<T> {
    const bearer = await this.validToken();
    try {
      return await call(bearer);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
      return call(await this.renewOnce(bearer));
    }
  }

  private async validToken(): Promise<string> {
    const stored = await this.read();
    if (!stored || stored.isExpired) throw new SignedOutError("no user is signed in");
    const isStale = stored.renewAt !== null && stored.renewAt <= this.now();
    return isStale && stored.refreshToken ? this.renewOnce(stored.token) : stored.token;
  }

  /** A token other than `failed`. Concurrent callers share one renewal. */
  private renewOnce(failed: string): Promise<string> {
    this.renewing ??= this.renew(failed).finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  private async renew(failed: string): Promise<string> {
    const stored = await this.read();
    if (!stored) throw new SignedOutError("no user is signed in");
    if (stored.token !== failed && !stored.isExpired) return stored.token;
    if (!stored.refreshToken) return this.markExpired(stored);
    const key = stored.renewalKey ?? uuid();
    if (!stored.renewalKey) await this.store.setValue("account", { ...stored, renewalKey: key });
    let renewal: Renewal;
    try {
      renewal = await this.api.renew(stored.origin, stored.refreshToken, key);
    } catch (error) {
      if (error instanceof ApiError && [400, 401, 403].includes(error.status)) return this.markExpired(stored);
      throw error;
    }
    const { renewalKey: _, ...account } = stored;
    const next: StoredAccount = {
      ...account,
      token: renewal.token,
      refreshToken: renewal.refresh_token ?? stored.refreshToken,
      renewAt: this.renewalTime(renewal),
    };
    // The user may have signed out, or in again, during the request: that state wins.
    const current = await this.read();
    if (current?.refreshToken === stored.refreshToken) await this.store.setValue("account", next);
    else if (!current) throw new SignedOutError("the user signed out during the renewal");
    return renewal.token;
  }

  private async markExpired(stored: StoredAccount): Promise<never> {
    const current = await this.read();
    if (current?.token === stored.token) await this.store.setValue("account", { ...stored, isExpired: true });
    throw new SignedOutError("the sign-in has expired");
  }

  private renewalTime({ expires_in: seconds }: { expires_in?: number | null | undefined }): number | null {
    if (!seconds) return null;
    const lifetimeMs = seconds * 1000;
    return this.now() + lifetimeMs - Math.min(RENEWAL_MARGIN_MS, lifetimeMs / 5);
  }
}
