/** The records in IndexedDB. Times are epoch milliseconds. Field names are stored: renaming one needs a migration. */

type EventType =
  | "page_visit"
  | "page_leave"
  /** Corrects the title or the text of a visit that was sent already. */
  | "page_update"
  | "scroll"
  | "highlight"
  | "tab_activated"
  | "window_focus"
  | "window_blur"
  | "idle"
  | "active";

/** An event as it is sent, except for `seq`, which the queue assigns. */
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

/** An event that waits for its verdict. A visit is held until `heldUntil` for its title and text. */
export interface QueuedEvent {
  recording: string;
  /** Its position in this queue. */
  place: number;
  /**
   * Its sequence number, assigned when it is sent for the first time: an event that is withdrawn before leaves no gap,
   * so a gap in the numbers that the server received is a lost event.
   */
  seq: number | null;
  eventId: string;
  heldUntil: number;
  /** Its text is being read: the end of the visit does not release it. */
  isAwaitingText?: boolean;
  queuedAt: number;
  bytes: number;
  body: EventBody;
}

export type VerdictKind = "stored" | "duplicate" | "excluded" | "invalid";

/** The verdict of an event that left the queue: its id, without content. */
export interface SettledEvent {
  eventId: string;
  recording: string;
  verdict: VerdictKind;
  reason: string | null;
}

/** An event that the server rejected as invalid, with its content, so that the user can export it. */
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
  /** The browser ended during the recording; the user decides whether to continue. */
  | "interrupted"
  /** Collecting has ended; events or the stop are still to be sent. */
  | "stopping"
  /** The server has all events and closed the session. */
  | "completed"
  /** The server no longer has the session or accepts no more events for it; the user decides. */
  | "lost";

export type Scope = { kind: "all" } | { kind: "window"; windowId: number } | { kind: "tab"; tabId: number };

export interface Counts {
  pages: number;
  highlights: number;
  /** All events in scope, including excluded ones. */
  seen: number;
  /** Verdict `stored`, or `duplicate`: the response to an earlier attempt was lost, and the event is stored. */
  stored: number;
  excluded: number;
  invalid: number;
  /** The part of `excluded` that was never sent; absent in recordings of earlier versions. */
  excludedHere?: number;
}

/** Why events are not being sent. `since`: the first failure; `retryAt`: the next attempt. */
export interface SendError {
  /**
   * `limit`: the plan allows no further concurrent recording; sending starts when another one has ended. `full`: the
   * storage of the plan is used up; sending starts when the user has deleted recordings.
   */
  kind: "offline" | "server" | "throttled" | "limit" | "full" | "signed_out";
  since: number;
  retryAt: number;
  failures: number;
}

export interface Recording {
  id: string;
  userId: string;
  origin: string;
  serverId: string | null;
  /** The last known status of the session on the server. */
  serverStatus: "none" | "recording" | "paused" | "closed";
  status: RecordingStatus;
  /** What the user typed; empty until then, so that the server makes a title from the pages. */
  title: string;
  isTitleSynced: boolean;
  scope: Scope;
  startedAt: number;
  endedAt: number | null;
  pausedAt: number | null;
  pausedMs: number;
  /** The last heartbeat; an interrupted recording ends here. */
  lastAliveAt: number;
  nextPlace: number;
  nextSeq: number;
  counts: Counts;
  /** The value of `counts.excludedHere` that the server has. */
  reportedExcluded?: number;
  /** The last error of sending, null after a success. `trouble` is the stored field name. */
  trouble: SendError | null;
  lostReason: "gone" | "closed" | null;
}

/** A visit without a final event. */
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
  /** When the measurements above were taken. */
  snapshotAt: number;
  /** The deepest quarter of the page that a `scroll` event reported. */
  scrollQuarter: number;
  /** When the document may have been unloaded; if its final event does not arrive, the worker creates it. */
  goneAt: number | null;
  /** The page's own final measurements are in, taken at this time. A document that loads the same page continues it. */
  leftAt?: number | null;
  /** It was not read if another document replaces it. */
  isTransit?: boolean;
  /** The page was in front and used when it was left. */
  wasActive?: boolean;
  /** The active time in former documents of this visit. */
  carriedMs?: number;
  /** When its present document began, if it is not the first one. */
  continuedAt?: number;
  /** Its present address, if the page changed it and is still the same page. */
  currentUrl?: string;
  /** What was sent last. */
  read?: { title: string; numChars: number };
}
