/**
 * The API's operations that the extension uses. `origin` is the server's address without `/v1`. Each returns the parsed
 * response, throws an ApiError for an error response, and UnreachableError when no well-formed response arrived.
 */

import { type Body, type TrailmindClient, trailmind } from "@trailmind/api";
import * as v from "valibot";

import { UnreachableError } from "./errors";
import {
  EventsResponse,
  GoogleAuthorization,
  GoogleConfig,
  LinkCodeResponse,
  MindmapResponse,
  ReceiptResponse,
  Renewal,
  ServerInfoResponse,
  type ServerReceipt,
  type Session,
  SessionList,
  SessionResponse,
  SettingsResponse,
  SignIn,
  SignUpReply,
  UsageResponse,
} from "./schemas";
import { type Fetch, transport } from "./transport";

const TIMEOUT_MS = 30_000;
/** For requests that the popup waits for. */
const SHORT_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 5_000;

const siteListsOf = ({ settings }: v.InferOutput<typeof SettingsResponse>) => ({
  excluded: settings.excluded_domains,
  allowed: settings.allowed_domains,
});

export class TrailmindApi {
  constructor(private readonly fetch: Fetch = (request) => globalThis.fetch(request)) {}

  /** Null when the server answers by mail, which has a link to choose a password. */
  async signUp(origin: string, email: string, password: string): Promise<SignIn | null> {
    const body = password ? { email, password } : { email };
    const reply = await parsed(SignUpReply, this.client(origin).POST("/v1/auth/signup", { body }));
    return "token" in reply ? reply : null;
  }

  /** Whether the server sends mail, so that a sign-up needs no password. */
  async sendsMail(origin: string): Promise<boolean> {
    const client = this.client(origin, null, PROBE_TIMEOUT_MS);
    return (await parsed(ServerInfoResponse, client.GET("/v1/server"))).server.sends_mail;
  }

  logIn(origin: string, email: string, password: string): Promise<SignIn> {
    return parsed(SignIn, this.client(origin).POST("/v1/auth/login", { body: { email, password } }));
  }

  /** Whether this server has Google sign-in. */
  async hasGoogle(origin: string): Promise<boolean> {
    const client = this.client(origin, null, PROBE_TIMEOUT_MS);
    return (await parsed(GoogleConfig, client.GET("/v1/auth/google/config"))).enabled;
  }

  /** The AI vendors of this server. */
  async modelVendors(origin: string): Promise<string[]> {
    const client = this.client(origin, null, PROBE_TIMEOUT_MS);
    return (await parsed(ServerInfoResponse, client.GET("/v1/server"))).server.model_vendors;
  }

  /** The address of the sign-in page, and the one-time `state` that its redirect must carry. */
  beginGoogle(origin: string, body: Body<"google_begin">): Promise<v.InferOutput<typeof GoogleAuthorization>> {
    return parsed(GoogleAuthorization, this.client(origin).POST("/v1/auth/google/begin", { body }));
  }

  exchangeGoogleCode(origin: string, body: Body<"google_code">): Promise<SignIn> {
    return parsed(SignIn, this.client(origin).POST("/v1/auth/google/code", { body }));
  }

  /** Redeems the one-time code that the dashboard sent after its sign-in. */
  exchangeLinkCode(origin: string, body: Body<"extension_exchange">): Promise<SignIn> {
    return parsed(SignIn, this.client(origin).POST("/v1/auth/extension/exchange", { body }));
  }

  /** A one-time code with which the page that made the challenge can sign in as this user. */
  async linkCode(origin: string, bearer: string, challenge: string): Promise<string> {
    const body = { code_challenge: challenge, code_challenge_method: "S256" as const };
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    return (await parsed(LinkCodeResponse, client.POST("/v1/auth/extension/code", { body }))).code;
  }

  /**
   * Replaces the refresh token. Using the old one again signs out every device of this login, unless the idempotency
   * key is the same: then the response is repeated.
   */
  renew(origin: string, refreshToken: string, idempotencyKey: string): Promise<Renewal> {
    const headers = { "Idempotency-Key": idempotencyKey };
    return parsed(Renewal, this.client(origin, refreshToken).POST("/v1/auth/refresh", { headers }));
  }

  async logOut(origin: string, bearer: string): Promise<void> {
    await parsed(v.unknown(), this.client(origin, bearer, PROBE_TIMEOUT_MS).POST("/v1/auth/logout"));
  }

  /** Safe to repeat: the same `client_session_id` gives the same session. */
  async start(origin: string, bearer: string, body: NonNullable<Body<"start">>): Promise<Session> {
    return (await parsed(SessionResponse, this.client(origin, bearer).POST("/v1/sessions/start", { body }))).session;
  }

  async session(origin: string, bearer: string, sessionId: string): Promise<Session> {
    const call = this.client(origin, bearer).GET("/v1/sessions/{session_id}", sessionPath(sessionId));
    return (await parsed(SessionResponse, call)).session;
  }

  /** The newest sessions, at most `limit`. */
  sessions(origin: string, bearer: string, limit: number): Promise<v.InferOutput<typeof SessionList>> {
    const query = { limit, offset: 0, sort: "started_at:desc" };
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    return parsed(SessionList, client.GET("/v1/sessions", { params: { query } }));
  }

  async transition(
    origin: string,
    bearer: string,
    sessionId: string,
    action: "pause" | "resume" | "stop",
  ): Promise<Session> {
    const client = this.client(origin, bearer);
    const init = sessionPath(sessionId);
    const calls = {
      pause: () => client.PATCH("/v1/sessions/{session_id}/pause", init),
      resume: () => client.PATCH("/v1/sessions/{session_id}/resume", init),
      stop: () => client.POST("/v1/sessions/{session_id}/stop", init),
    };
    return (await parsed(SessionResponse, calls[action]())).session;
  }

  async rename(origin: string, bearer: string, sessionId: string, title: string): Promise<Session> {
    const init = { ...sessionPath(sessionId), body: { title } };
    const call = this.client(origin, bearer).PATCH("/v1/sessions/{session_id}", init);
    return (await parsed(SessionResponse, call)).session;
  }

  /** How many pages this device has excluded so far. Safe to repeat. */
  async reportExcluded(origin: string, bearer: string, sessionId: string, count: number): Promise<void> {
    const init = { ...sessionPath(sessionId), body: { excluded_on_device: count } };
    await parsed(SessionResponse, this.client(origin, bearer).PATCH("/v1/sessions/{session_id}", init));
  }

  async remove(origin: string, bearer: string, sessionId: string): Promise<void> {
    const call = this.client(origin, bearer).DELETE("/v1/sessions/{session_id}", sessionPath(sessionId));
    await parsed(v.unknown(), call);
  }

  /** Safe to repeat: the server stores each event id once. */
  events(origin: string, bearer: string, sessionId: string, body: Body<"post_events">): Promise<EventsResponse> {
    const init = { ...sessionPath(sessionId), body };
    return parsed(EventsResponse, this.client(origin, bearer).POST("/v1/sessions/{session_id}/events", init));
  }

  /** The account's lists of excluded and allowed sites. */
  async siteLists(origin: string, bearer: string): Promise<{ excluded: string[]; allowed: string[] }> {
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    return siteListsOf(await parsed(SettingsResponse, client.GET("/v1/users/me/settings")));
  }

  /** Replaces both lists; returns them as the server spells them. */
  async saveSiteLists(
    origin: string,
    bearer: string,
    lists: { excluded: readonly string[]; allowed: readonly string[] },
  ): Promise<{ excluded: string[]; allowed: string[] }> {
    const body = { excluded_domains: [...lists.excluded], allowed_domains: [...lists.allowed] };
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    return siteListsOf(await parsed(SettingsResponse, client.PATCH("/v1/users/me/settings", { body })));
  }

  mindmap(origin: string, bearer: string, sessionId: string): Promise<v.InferOutput<typeof MindmapResponse>> {
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    return parsed(MindmapResponse, client.GET("/v1/sessions/{session_id}/mindmap", sessionPath(sessionId)));
  }

  /** When the tokens of the plan are renewed. */
  async periodEnd(origin: string, bearer: string): Promise<string> {
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    return (await parsed(UsageResponse, client.GET("/v1/usage"))).usage.period_end;
  }

  async receipt(origin: string, bearer: string, sessionId: string): Promise<ServerReceipt> {
    const client = this.client(origin, bearer, SHORT_TIMEOUT_MS);
    const call = client.GET("/v1/sessions/{session_id}/receipt", sessionPath(sessionId));
    return (await parsed(ReceiptResponse, call)).receipt;
  }

  private client(origin: string, bearer: string | null = null, timeoutMs = TIMEOUT_MS): TrailmindClient {
    const client = trailmind({ baseUrl: origin, token: () => bearer, fetch: transport(this.fetch, timeoutMs) });
    client.use({
      onRequest({ request }) {
        // The account's list of logins names this one by it.
        request.headers.set("X-Trailmind-Client", "extension");
        return request;
      },
    });
    return client;
  }
}

const sessionPath = (id: string) => ({ params: { path: { session_id: id } } });

/** The parsed data of a call. Validated, because the server may be older or newer than the contract of this build. */
async function parsed<T extends v.GenericSchema>(
  schema: T,
  call: Promise<{ data?: unknown; response: Response }>,
): Promise<v.InferOutput<T>> {
  const { data } = await call.catch((error: unknown) => {
    throw error instanceof SyntaxError ? new UnreachableError(`not JSON: ${error.message}`) : error;
  });
  const result = v.safeParse(schema, data ?? null);
  if (!result.success) throw new UnreachableError(`unexpected response: ${v.summarize(result.issues)}`);
  return result.output;
}
