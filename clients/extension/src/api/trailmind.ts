/** The API's operations as typed functions. `origin` is the server's address without `/v1`. */

import type { Body } from "@trailmind/api";
import * as v from "valibot";

import { Http } from "./http";
import {
  EventsAnswer,
  GoogleBegun,
  GoogleConfig,
  MindmapAnswer,
  ReceiptAnswer,
  Renewal,
  type ServerReceipt,
  type Session,
  SessionAnswer,
  SessionList,
  SignIn,
} from "./schemas";

const id = encodeURIComponent;

export class TrailmindApi {
  constructor(private readonly http: Http = new Http()) {}

  signUp(origin: string, email: string, password: string): Promise<SignIn> {
    return this.http.send(
      origin,
      { method: "POST", path: "/auth/signup", body: { email, password } satisfies Body<"signup"> },
      SignIn,
    );
  }

  logIn(origin: string, email: string, password: string): Promise<SignIn> {
    return this.http.send(
      origin,
      { method: "POST", path: "/auth/login", body: { email, password } satisfies Body<"login"> },
      SignIn,
    );
  }

  /** Whether this server has Google sign-in. */
  async hasGoogle(origin: string): Promise<boolean> {
    const call = { method: "GET" as const, path: "/auth/google/config", timeoutMs: 5_000 };
    return (await this.http.send(origin, call, GoogleConfig)).enabled;
  }

  /** Where to send the user, and the one-time `state` that must come back. */
  beginGoogle(origin: string, body: Body<"google_begin">): Promise<v.InferOutput<typeof GoogleBegun>> {
    return this.http.send(origin, { method: "POST", path: "/auth/google/begin", body }, GoogleBegun);
  }

  exchangeGoogleCode(origin: string, body: Body<"google_code">): Promise<SignIn> {
    return this.http.send(origin, { method: "POST", path: "/auth/google/code", body }, SignIn);
  }

  /** Redeems the one-time code that the dashboard handed over after its own sign-in. */
  exchangeLinkCode(origin: string, body: Body<"extension_exchange">): Promise<SignIn> {
    return this.http.send(origin, { method: "POST", path: "/auth/extension/exchange", body }, SignIn);
  }

  /**
   * The old refresh token is dead afterwards; using it again would sign every device of this login out, unless it is
   * the same try: then the key is the same, and the answer too.
   */
  renew(origin: string, refreshToken: string, idempotencyKey: string): Promise<Renewal> {
    const call = { method: "POST" as const, path: "/auth/refresh", bearer: refreshToken, idempotencyKey };
    return this.http.send(origin, call, Renewal);
  }

  async logOut(origin: string, bearer: string): Promise<void> {
    await this.http.send(origin, { method: "POST", path: "/auth/logout", bearer, timeoutMs: 5_000 }, v.unknown());
  }

  /** Safe to repeat: the same `client_session_id` gives the same session. */
  async start(origin: string, bearer: string, body: NonNullable<Body<"start">>): Promise<Session> {
    return (await this.http.send(origin, { method: "POST", path: "/sessions/start", bearer, body }, SessionAnswer))
      .session;
  }

  async session(origin: string, bearer: string, sessionId: string): Promise<Session> {
    return (await this.http.send(origin, { method: "GET", path: `/sessions/${id(sessionId)}`, bearer }, SessionAnswer))
      .session;
  }

  sessions(origin: string, bearer: string, limit: number): Promise<v.InferOutput<typeof SessionList>> {
    const path = `/sessions?limit=${limit}&offset=0&sort=started_at:desc`;
    return this.http.send(origin, { method: "GET", path, bearer, timeoutMs: 10_000 }, SessionList);
  }

  async transition(
    origin: string,
    bearer: string,
    sessionId: string,
    action: "pause" | "resume" | "stop",
  ): Promise<Session> {
    const method = action === "stop" ? "POST" : "PATCH";
    return (
      await this.http.send(origin, { method, path: `/sessions/${id(sessionId)}/${action}`, bearer }, SessionAnswer)
    ).session;
  }

  async rename(origin: string, bearer: string, sessionId: string, title: string): Promise<Session> {
    const call = {
      method: "PATCH" as const,
      path: `/sessions/${id(sessionId)}`,
      bearer,
      body: { title } satisfies Body<"update_session">,
    };
    return (await this.http.send(origin, call, SessionAnswer)).session;
  }

  async remove(origin: string, bearer: string, sessionId: string): Promise<void> {
    await this.http.send(origin, { method: "DELETE", path: `/sessions/${id(sessionId)}`, bearer }, v.unknown());
  }

  /** `json` is the serialised `{events: [...]}`. Safe to repeat: events are told apart by their id. */
  events(origin: string, bearer: string, sessionId: string, json: string): Promise<EventsAnswer> {
    const call = { method: "POST" as const, path: `/sessions/${id(sessionId)}/events`, bearer, json };
    return this.http.send(origin, call, EventsAnswer);
  }

  mindmap(origin: string, bearer: string, sessionId: string): Promise<v.InferOutput<typeof MindmapAnswer>> {
    const call = { method: "GET" as const, path: `/sessions/${id(sessionId)}/mindmap`, bearer, timeoutMs: 10_000 };
    return this.http.send(origin, call, MindmapAnswer);
  }

  async receipt(origin: string, bearer: string, sessionId: string): Promise<ServerReceipt> {
    const call = { method: "GET" as const, path: `/sessions/${id(sessionId)}/receipt`, bearer, timeoutMs: 10_000 };
    return (await this.http.send(origin, call, ReceiptAnswer)).receipt;
  }
}
