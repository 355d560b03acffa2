/** An in-memory server behind `fetch`: idempotent events, rotating refresh tokens, and injected faults. */

import type { Fetch } from "../api/transport";

/**
 * `disconnect`: the request does not arrive; `lose-response`: it is processed without a response; `proxy`: a proxy in
 * front of the server responds; a number: the server responds with this status.
 */
export type Fault = "disconnect" | "lose-response" | "proxy" | number;

interface FakeSession {
  id: string;
  clientId: string;
  title: string;
  status: string;
  excludedOnDevice: number;
  events: Map<string, Record<string, unknown>>;
}

export const ORIGIN = "http://server.test";

export class MemoryServer {
  readonly sessions = new Map<string, FakeSession>();
  readonly calls: string[] = [];
  readonly batches: number[] = [];
  access = "access-1";
  refresh = "refresh-1";
  renewals = 0;
  private key: string | null = null;
  private rotated: { refresh: string; key: string | null } = { refresh: "", key: null };
  maxBytes = Infinity;
  /** The number of concurrent sessions that the plan allows. */
  maxConcurrent = Infinity;
  /** Whether the storage of the plan is used up. */
  isStorageFull = false;
  returnsVerdicts = true;
  mindmap: Record<string, unknown> = { status: "generating", percent: 40 };
  /** When the tokens of the plan are renewed. */
  readonly periodEnd = "2031-12-01T00:00:00Z";
  /** A server that sends mail answers a sign-up without a login. */
  sendsMail = false;
  /** The body of the last sign-up. */
  signedUp: unknown = null;
  /** The next response omits the verdicts of this many events. */
  omittedVerdicts = 0;
  /** The fault of a request, undefined for none. */
  fault: (call: string) => Fault | undefined = () => undefined;
  headers: Record<string, string> = {};

  get stored(): Record<string, unknown>[] {
    return [...this.sessions.values()].flatMap((session) => [...session.events.values()]);
  }

  readonly fetch: Fetch = async (request) => {
    await Promise.resolve();
    const path = request.url.slice(`${ORIGIN}/v1`.length);
    const call = `${request.method} ${path}`;
    this.calls.push(call);
    const fault = this.fault(call);
    if (fault === "disconnect") throw new TypeError("Failed to fetch");
    if (fault === "proxy") return new Response("No route here yet.", { status: 404 });
    if (typeof fault === "number") return this.respond(fault, { error: { message: "a fault", code: "fault" } });
    const bearer = request.headers.get("Authorization")?.replace("Bearer ", "") ?? "";
    this.key = request.headers.get("Idempotency-Key");
    const [status, body] = this.route(call, bearer, await request.text());
    if (fault === "lose-response") throw new TypeError("Failed to fetch");
    return this.respond(status, body);
  };

  private isFull(): boolean {
    return [...this.sessions.values()].filter(({ status }) => status === "recording").length >= this.maxConcurrent;
  }

  private respond(status: number, body: unknown): Response {
    return new Response(body === null ? null : JSON.stringify(body), { status, headers: this.headers });
  }

  private error(status: number, message: string): [number, unknown] {
    return [status, { error: { message } }];
  }

  private route(call: string, bearer: string, body: string): [number, unknown] {
    if (call === "POST /auth/refresh") {
      // A repeat of a renewal whose response was lost.
      const isRepeat = this.key !== null && bearer === this.rotated.refresh && this.key === this.rotated.key;
      if (bearer !== this.refresh && !isRepeat) return this.error(401, "invalid or expired refresh token");
      if (isRepeat) return [200, { token: this.access, refresh_token: this.refresh, expires_in: 900 }];
      this.rotated = { refresh: bearer, key: this.key };
      this.renewals += 1;
      this.access = `access-${this.renewals + 1}`;
      this.refresh = `refresh-${this.renewals + 1}`;
      return [200, { token: this.access, refresh_token: this.refresh, expires_in: 900 }];
    }
    if (call.startsWith("POST /auth/")) return this.signIn(call, body);
    if (bearer !== this.access) return this.error(401, "invalid or expired access token");
    const [method, path = ""] = call.split(" ");
    if (path === "/usage") return [200, { usage: { period_end: this.periodEnd } }];
    const [, , id = "", action = ""] = path.split("/");
    if (id === "start" && this.isFull()) {
      return [409, { error: { message: "one at a time", code: "CONCURRENT_SESSION_LIMIT" } }];
    }
    if (id === "start")
      return [201, { session: this.sessionReply(this.begin(JSON.parse(body) as Record<string, string>)) }];
    const session = this.sessions.get(id);
    if (!session) return this.error(404, "session not found");
    if (action === "events") return this.storeEvents(session, body);
    if (action === "mindmap") return [200, { mindmap: this.mindmap }];
    if (method === "DELETE") {
      this.sessions.delete(id);
      return [204, null];
    }
    if (method === "PATCH" && !action) {
      const change = JSON.parse(body) as { title?: string; excluded_on_device?: number };
      session.title = change.title ?? session.title;
      session.excludedOnDevice = change.excluded_on_device ?? session.excludedOnDevice;
    }
    const from = { pause: ["recording"], resume: ["paused"], stop: ["recording", "paused"] }[action];
    if (from) {
      if (!from.includes(session.status)) return this.error(400, `cannot ${action}`);
      session.status = { pause: "paused", resume: "recording", stop: "processing" }[action] as string;
    }
    return [200, { session: this.sessionReply(session) }];
  }

  private signIn(call: string, body: string): [number, unknown] {
    if (call === "POST /auth/signup") {
      this.signedUp = JSON.parse(body);
      if (this.sendsMail) return [202, { message: "The next step is in the mail." }];
    }
    const user = { id: "u1", email: "a@example.com" };
    return [200, { user, token: this.access, refresh_token: this.refresh, expires_in: 900 }];
  }

  private begin(body: Record<string, string>): FakeSession {
    const existing = [...this.sessions.values()].find(({ clientId }) => clientId === body["client_session_id"]);
    if (existing) return existing;
    const id = `s${this.sessions.size + 1}`;
    const clientId = body["client_session_id"] as string;
    const title = body["title"] ?? "";
    const session = { id, clientId, title, status: "recording", excludedOnDevice: 0, events: new Map() };
    this.sessions.set(id, session);
    return session;
  }

  private sessionReply({ id, title, status }: FakeSession) {
    return { id, title, session_status: status, started_at: "2026-11-23T05:00:00Z" };
  }

  private storeEvents(session: FakeSession, body: string): [number, unknown] {
    if (new TextEncoder().encode(body).byteLength > this.maxBytes) return this.error(413, "too large");
    if (!["recording", "paused"].includes(session.status)) return this.error(400, "session is not accepting events");
    if (this.isStorageFull) return [402, { error: { message: "no room", code: "STORAGE_LIMIT" } }];
    const { events } = JSON.parse(body) as { events: Record<string, unknown>[] };
    this.batches.push(events.length);
    if (events.some(({ url }) => url === "poison")) return this.error(400, "cannot be read");
    const verdicts = events.map((event) => {
      const id = event["event_id"] as string;
      if (event["url"] === "excluded") return { event_id: id, verdict: "excluded", reason: "default: banking" };
      if (event["url"] === "invalid") return { event_id: id, verdict: "invalid", reason: "`url` is odd" };
      if (session.events.has(id)) return { event_id: id, verdict: "duplicate" };
      session.events.set(id, event);
      return { event_id: id, verdict: "stored" };
    });
    verdicts.splice(0, this.omittedVerdicts);
    this.omittedVerdicts = 0;
    const counts = { processed: events.length, total: events.length };
    return [200, this.returnsVerdicts ? { ...counts, verdicts } : counts];
  }
}
