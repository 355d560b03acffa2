/** What the extension keeps on disk. Times are epoch milliseconds unless the name says otherwise. */

type EventType =
  | "page_visit"
  | "page_leave"
  | "scroll"
  | "highlight"
  | "tab_activated"
  | "window_focus"
  | "window_blur"
  | "idle"
  | "active";

/** An event as it goes over the wire, except for `seq`, which the queue assigns. */
export interface EventBody {
  event_id: string;
  type: EventType;
  timestamp: number;
  url?: string;
  title?: string;
  content?: string;
  text?: string;
  selector?: string;
  referrer?: string;
  duration_ms?: number;
  max_scroll_depth?: number;
  scroll_depth?: number;
  metadata?: Record<string, unknown>;
}

/** An event waiting for its verdict. `heldUntil` lets a visit wait for its title and text. */
export interface QueuedEvent {
  recording: string;
  /** Its place in this queue. */
  place: number;
  /**
   * Its number for the server, given when it is sent for the first time: an event that is taken back before leaves no
   * gap, and a gap in what the server got means a loss.
   */
  seq: number | null;
  eventId: string;
  heldUntil: number;
  /** Its text is being read elsewhere: the end of the visit does not let it go. */
  isAwaitingText?: boolean;
  queuedAt: number;
  bytes: number;
  body: EventBody;
}

export type VerdictKind = "stored" | "duplicate" | "excluded" | "invalid";

/** What is left of an event once its verdict arrived: enough to recognise it, nothing to read. */
export interface SettledEvent {
  eventId: string;
  recording: string;
  verdict: VerdictKind;
  reason: string | null;
}

/** An event the server called invalid, kept whole so that nothing disappears unseen. */
export interface QuarantinedEvent {
  eventId: string;
  recording: string;
  seq: number | null;
  reason: string;
  at: number;
  body: EventBody;
}

export type RecordingStatus =
  /** Events are being collected. */
  | "recording"
  | "paused"
  /** The browser ended in the middle; the user decides what to do with it. */
  | "interrupted"
  /** Collecting has ended; events and the stop itself are still on their way. */
  | "stopping"
  /** The server has everything and has closed the session. */
  | "completed"
  /** The server no longer has the session, or takes no more events for it; the user decides. */
  | "lost";

export type Scope = { kind: "all" } | { kind: "window"; windowId: number } | { kind: "tab"; tabId: number };

export interface Counts {
  pages: number;
  highlights: number;
  /** Everything that happened in scope, whether it may be sent or not. */
  seen: number;
  /** Verdict `stored`, or `duplicate`: an earlier answer was lost, but the event is there. */
  stored: number;
  excluded: number;
  invalid: number;
}

/** Why events are waiting. `sinceMs` is when the trouble began, `retryAt` when we try again. */
export interface SendError {
  /** `limit`: the plan allows no further recording at once; it begins on the server when another has ended. */
  kind: "offline" | "server" | "throttled" | "limit" | "signed_out";
  since: number;
  retryAt: number;
  failures: number;
}

export interface Recording {
  id: string;
  userId: string;
  origin: string;
  serverId: string | null;
  /** What the server was last known to think. */
  serverStatus: "none" | "recording" | "paused" | "closed";
  status: RecordingStatus;
  title: string;
  isTitleSynced: boolean;
  scope: Scope;
  startedAt: number;
  endedAt: number | null;
  pausedAt: number | null;
  pausedMs: number;
  /** The last time we know the recorder was alive; an interrupted recording ends here. */
  lastAliveAt: number;
  nextPlace: number;
  nextSeq: number;
  counts: Counts;
  trouble: SendError | null;
  lostReason: "gone" | "closed" | null;
}

/** A visit that has begun and not ended. */
export interface OpenVisit {
  /** The id of its `page_visit` event. */
  id: string;
  recording: string;
  tabId: number;
  documentId: string;
  url: string;
  startedAt: number;
  activeMs: number;
  maxScroll: number;
  isActive: boolean;
  /** When the numbers above were true. */
  snapshotAt: number;
  /** Highest quarter of the page that was reported as a `scroll` event. */
  scrollQuarter: number;
  /** The document that held this visit is gone; if its own farewell does not arrive, we write it. */
  goneAt: number | null;
}
