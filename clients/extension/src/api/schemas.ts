/** The fields of the API's responses that the extension reads. Other fields are ignored. */

import type * as contract from "@trailmind/api";
import * as v from "valibot";

const optional = <T extends v.GenericSchema>(schema: T) => v.nullish(schema);

/** `schema` itself; does not compile if it rejects a response that the contract allows. */
const schemaFor =
  <Reply>() =>
  <T extends v.GenericSchema>(schema: T & (Reply extends v.InferInput<T> ? unknown : never)): T =>
    schema;

export const User = schemaFor<contract.UserReply>()(v.object({ id: v.string(), email: v.string() }));

export const SignIn = schemaFor<contract.AuthReply>()(
  v.object({
    user: User,
    token: v.string(),
    refresh_token: optional(v.string()),
    expires_in: optional(v.number()),
  }),
);

/** A server that sends mail answers with a message. */
export const SignUpReply = v.union([SignIn, v.object({ message: v.string() })]);

export const Renewal = schemaFor<contract.TokenReply>()(
  v.object({
    token: v.string(),
    refresh_token: optional(v.string()),
    expires_in: optional(v.number()),
  }),
);

export const Session = schemaFor<contract.SessionReply>()(
  v.object({
    id: v.string(),
    title: optional(v.string()),
    session_status: v.string(),
    started_at: v.string(),
    ended_at: optional(v.string()),
    page_count: optional(v.number()),
    highlight_count: optional(v.number()),
  }),
);

export const SessionResponse = schemaFor<contract.SessionEnvelope>()(v.object({ session: Session }));
export const SessionList = schemaFor<contract.SessionList>()(
  v.object({ sessions: v.array(Session), total: optional(v.number()) }),
);
/** Of the account's settings only the lists of sites. */
export const SettingsResponse = v.object({
  settings: v.object({
    excluded_domains: v.array(v.string()),
    allowed_domains: v.array(v.string()),
  }),
});

const Verdict = v.object({
  event_id: optional(v.string()),
  verdict: v.picklist(["stored", "duplicate", "excluded", "invalid"]),
  reason: optional(v.string()),
});

export const EventsResponse = schemaFor<contract.EventsReply>()(
  v.object({
    processed: v.number(),
    total: v.number(),
    verdicts: optional(v.array(Verdict)),
  }),
);

export const MindmapResponse = schemaFor<contract.MindmapEnvelope>()(
  v.object({
    mindmap: v.object({
      status: v.string(),
      percent: optional(v.number()),
      error_code: optional(v.string()),
    }),
  }),
);

export const ReceiptResponse = schemaFor<contract.ReceiptEnvelope>()(
  v.object({
    receipt: v.object({
      stored: v.number(),
      duplicate: v.number(),
      excluded: v.number(),
      missing: optional(v.number()),
    }),
  }),
);

/** `model_vendors`: the companies that page text can be sent to after the user agreed. */
export const ServerInfoResponse = v.object({
  server: v.object({ model_vendors: v.array(v.string()), sends_mail: v.optional(v.boolean(), false) }),
});

export const UsageResponse = schemaFor<contract.UsageEnvelope>()(
  v.object({ usage: v.object({ period_end: v.string() }) }),
);

export const LinkCodeResponse = v.object({ code: v.string() });

export const GoogleConfig = schemaFor<contract.GoogleConfig>()(v.object({ enabled: v.boolean() }));
export const GoogleAuthorization = schemaFor<contract.GoogleBegun>()(
  v.object({ authorization_url: v.pipe(v.string(), v.url()), state: v.string() }),
);

export type User = v.InferOutput<typeof User>;
export type SignIn = v.InferOutput<typeof SignIn>;
export type Renewal = v.InferOutput<typeof Renewal>;
export type Session = v.InferOutput<typeof Session>;
export type EventsResponse = v.InferOutput<typeof EventsResponse>;
export type ServerReceipt = v.InferOutput<typeof ReceiptResponse>["receipt"];
