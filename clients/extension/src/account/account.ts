/**
 * Who is signed in, and a token that works. Lives in the service worker alone: two contexts renewing at once would
 * use one refresh token twice, which the server takes for theft.
 */

import { ApiError } from "@trailmind/api";
import { SignedOutError } from "../api/errors";
import type { Renewal, SignIn, User } from "../api/schemas";
import type { TrailmindApi } from "../api/trailmind";
import { uuid } from "../ids";
import type { QueueStore } from "../queue/store";

interface StoredAccount {
  origin: string;
  user: User;
  token: string;
  refreshToken: string | null;
  /** When to renew, well before the end; null when the server did not say when that is. */
  renewAt: number | null;
  /**
   * Goes with a renewal and with its repeats, until an answer arrived: the server then knows a lost answer (or a worker
   * that was killed while it waited) from a stolen token.
   */
  renewalKey?: string;
  /** The refresh token was refused: the user is known, but must sign in again. */
  isExpired: boolean;
}

/** Renew this long before the end, or in the last fifth of a short life: no request starts with a dying token. */
const RENEWAL_MARGIN_MS = 60_000;

export class Account {
  private renewing: Promise<string> | null = null;

  constructor(
    // Kept beside the queue: unlike `storage.local`, no content script can read it.
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

  async storeSignIn(origin: string, answer: SignIn): Promise<void> {
    await this.store.setValue("account", {
      origin,
      user: { id: answer.user.id, email: answer.user.email },
      token: answer.token,
      refreshToken: answer.refresh_token ?? null,
      renewAt: this.renewalTime(answer),
      isExpired: false,
    } satisfies StoredAccount);
  }

  /** Forgets the tokens first and tells the server afterwards: signing out works offline too. */
  async signOut(): Promise<void> {
    const stored = await this.read();
    await this.store.setValue("account", undefined);
    if (stored && !stored.isExpired) await this.api.logOut(stored.origin, stored.token).catch(() => undefined);
  }

  /**
   * Runs `call` with a working token, renewing it before the end or after a 401.
   *
   * @throws SignedOut when the user has to sign in again; whatever `call` throws otherwise.
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
    if (!stored || stored.isExpired) throw new SignedOutError("nobody is signed in");
    const isStale = stored.renewAt !== null && stored.renewAt <= this.now();
    return isStale && stored.refreshToken ? this.renewOnce(stored.token) : stored.token;
  }

  /** A token other than `failed`. Callers that fail together share one renewal. */
  private renewOnce(failed: string): Promise<string> {
    this.renewing ??= this.renew(failed).finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  private async renew(failed: string): Promise<string> {
    const stored = await this.read();
    if (!stored) throw new SignedOutError("nobody is signed in");
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
    const { renewalKey: _, ...kept } = stored;
    const next: StoredAccount = {
      ...kept,
      token: renewal.token,
      refreshToken: renewal.refresh_token ?? stored.refreshToken,
      renewAt: this.renewalTime(renewal),
    };
    // Somebody may have signed out, or in again, while we were waiting; theirs is the newer word.
    const current = await this.read();
    if (current?.refreshToken === stored.refreshToken) await this.store.setValue("account", next);
    else if (!current) throw new SignedOutError("signed out meanwhile");
    return renewal.token;
  }

  private async markExpired(stored: StoredAccount): Promise<never> {
    const current = await this.read();
    if (current?.token === stored.token) await this.store.setValue("account", { ...stored, isExpired: true });
    throw new SignedOutError("the sign-in has expired");
  }

  private renewalTime({ expires_in: seconds }: { expires_in?: number | null | undefined }): number | null {
    if (!seconds) return null;
    const lifeMs = seconds * 1000;
    return this.now() + lifeMs - Math.min(RENEWAL_MARGIN_MS, lifeMs / 5);
  }
}
