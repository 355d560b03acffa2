/** The parts of the API's answers that the extension reads. Anything else in an answer is ignored. */

import * as v from 'valibot';

const optional = <T extends v.GenericSchema>(schema: T) => v.nullish(schema);

export const User = v.object({ id: v.string(), email: v.string() });

export const SignIn = v.object({
  user: User,
  token: v.string(),
  refresh_token: optional(v.string()),
  expires_in: optional(v.number()),
});

export const Renewal = v.object({
  token: v.string(),
  refresh_token: optional(v.string()),
  expires_in: optional(v.number()),
});

export const Session = v.object({
  id: v.string(),
  title: optional(v.string()),
  session_status: v.string(),
  started_at: v.string(),
  ended_at: optional(v.string()),
  page_count: optional(v.number()),
  highlight_count: optional(v.number()),
});

export const SessionAnswer = v.object({ session: Session });
export const SessionList = v.object({ sessions: v.array(Session), total: optional(v.number()) });

export const Verdict = v.object({
  event_id: optional(v.string()),
  verdict: v.picklist(['stored', 'duplicate', 'excluded', 'invalid']),
  reason: optional(v.string()),
});

export const EventsAnswer = v.object({
  processed: v.number(),
  total: v.number(),
  verdicts: optional(v.array(Verdict)),
});

export const MindmapAnswer = v.object({
  mindmap: v.object({
    status: v.string(),
    stage: optional(v.string()),
    percent: optional(v.number()),
    error_message: optional(v.string()),
  }),
});

export const ReceiptAnswer = v.object({
  receipt: v.object({ stored: v.number(), duplicate: v.number(), excluded: v.number(), missing: optional(v.number()) }),
});

export const GoogleConfig = v.object({ enabled: v.boolean() });
export const GoogleBegun = v.object({ authorization_url: v.pipe(v.string(), v.url()), state: v.string() });

export const ErrorAnswer = v.object({ error: v.object({ message: v.string(), code: optional(v.string()) }) });

export type User = v.InferOutput<typeof User>;
export type SignIn = v.InferOutput<typeof SignIn>;
export type Renewal = v.InferOutput<typeof Renewal>;
export type Session = v.InferOutput<typeof Session>;
export type EventsAnswer = v.InferOutput<typeof EventsAnswer>;
export type Verdict = v.InferOutput<typeof Verdict>;
export type ServerReceipt = v.InferOutput<typeof ReceiptAnswer>['receipt'];
