/** A recorded document: its visits, one after the other, and what is measured during each. */

import { uuid } from "@trailmind/api";
import type { PageMessage, PageMessageOf, PageResponse, WorkerMessage } from "../protocol";
import { type ContentState, contentState, isSameText, watchContent } from "./content";
import { DwellClock, type Presence, presenceOf, watchPresence } from "./dwell";
import { highlightMessage, MarkedPassages, type Passage, passageOf, watchHighlights } from "./highlight";
import { watchInput } from "./input";
import { Messenger } from "./messenger";
import type { ReadingState } from "./own-words";
import { hasVisiblePasswordField } from "./password";
import { MAX_TEXT_CHARS, normalizeShown, truncate } from "./plain-text";
import { type RouteWatch, routeKey, watchRoutes } from "./route";
import { canonicalOf, isSamePage, type PageState } from "./same-page";
import { ScrollMeter, watchScroll } from "./scroll";

/** An active page reports to the worker at this interval, so that a crash loses at most this much active time. */
const HEARTBEAT_MS = 10_000;
/** Visibility, focus and media are read again at this interval: Chrome changes them without an event now and then. */
const TICK_MS = 500;
/** A route of an app that still shows the text of the route before is read after this time nevertheless. */
const SAME_TEXT_TIMEOUT_MS = 10_000;
/** An app that sets its title after its route has this long; until then the title may be that of the route before. */
const SAME_TITLE_TIMEOUT_MS = 5_000;
/** A page that replaces its own address has this long to replace its text, too. */
const REPLACED_DELAY_MS = 1_000;
/** A page that left by itself, before it rested and within this time, was not read. */
const TRANSIT_MS = 1_500;
/** A page that was shown this long is read when it is left, if it has changed since. */
const MIN_READ_MS = 2_000;
/** A page that goes on to an excluded address within this time was excluded from the start. */
const YOUNG_MS = 2_500;
/** Reading a larger document would delay the navigation noticeably. */
const MAX_LEAVE_ELEMENTS = 5_000;

type Via = PageMessageOf<"visit">["via"];

interface OngoingVisit {
  id: string;
  /** The address as the worker knows it. */
  url: string;
  openedAt: number;
  visitMessage?: PageMessage;
  /** The worker records this page. */
  isAccepted: boolean;
  /** A `settled` message was sent. */
  isSettled: boolean;
  hasInput: boolean;
  /** The page before this route, whose title and text may still be shown. */
  before: PageState | null;
  /** The page as it was read last. */
  state: PageState | null;
  /** The document rested before the worker had accepted its new address. */
  isRestMissed: boolean;
  /** The page is looked at again: its text or title may still be that of the route before. */
  timer: ReturnType<typeof setTimeout> | null;
  /** The document changed since it was read, or was never read. */
  hasUnreadChange: () => boolean;
  end: AbortController;
}

export class RecordedPage {
  private visit: OngoingVisit | null = null;
  private recording: AbortController | null = null;
  /** The listeners in the document. `document.open()` removes them. */
  private ears: AbortController | null = null;
  private root: Element | null = null;
  private routeUrl = "";
  private routes: RouteWatch | null = null;
  /** The address was replaced, and the text may follow. */
  private replaced: { timer: ReturnType<typeof setTimeout>; activeMs: number; at: number } | null = null;
  private isWatching = false;
  private reportedQuarter = 0;
  private isIdle = false;
  private isAudible = false;
  private isPaused = false;
  private port: { disconnect: () => void } | null = null;
  private isUnloading = false;
  /** Reports a passage that was marked just now. */
  private flushHighlight = (): void => {};
  private readonly marked = new MarkedPassages();
  private readonly clock: DwellClock;
  private readonly scroll: ScrollMeter;

  constructor(
    private readonly window: Window,
    private readonly signal: AbortSignal,
    private readonly messenger = new Messenger(),
  ) {
    this.clock = new DwellClock({ ...presenceOf(window.document), isIdle: false, isPaused: false });
    this.scroll = new ScrollMeter(window);
  }

  /** Starts recording when the page is visible. A page that was never visible sends no message. */
  begin(via: Via): void {
    const { document } = this.window;
    const isVisible = document.visibilityState === "visible" && !(document as { prerendering?: boolean }).prerendering;
    if (isVisible) {
      this.startRecording(via);
      return;
    }
    const retry = () => {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", retry);
      document.removeEventListener("prerenderingchange", retry);
      this.begin(via);
    };
    document.addEventListener("visibilitychange", retry, { signal: this.signal });
    document.addEventListener("prerenderingchange", retry, { signal: this.signal });
  }

  /** Returns the response to the worker: for `finish` the final event, for `highlight-selection` the highlight. */
  onWorkerMessage(message: WorkerMessage): PageMessage | null {
    switch (message.kind) {
      case "begin":
        // The visit may belong to a recording that ended while this page was frozen; the worker's response decides.
        if (this.visit) this.snapshot();
        else if (!this.isWatching) {
          this.endRecording();
          this.begin("start");
        }
        return null;
      case "pause":
        this.flushHighlight();
        this.isPaused = true;
        this.updatePresence({ isPaused: true });
        return null;
      case "resume":
        this.isPaused = false;
        this.updatePresence({ isPaused: false });
        if (!this.visit) {
          this.endRecording();
          this.begin("start");
        } else if (routeKey(this.window.location.href) !== routeKey(this.visit.url)) this.openRoute();
        return null;
      case "finish": {
        const finalEvent = this.endVisit();
        this.endRecording();
        return finalEvent;
      }
      case "presence":
        if (message.isIdle !== undefined) this.isIdle = message.isIdle;
        if (message.isAudible !== undefined) this.isAudible = message.isAudible;
        this.updatePresence(this.presence());
        return null;
      case "highlight-selection": {
        const passage = passageOf(this.window, message.via, 1);
        if (!passage) return null;
        this.marked.add(passage.text, passage.anchor?.position ?? null);
        return this.highlight(passage);
      }
    }
  }

  private startRecording(via: Via): void {
    if (this.recording) return;
    this.recording = new AbortController();
    const { signal } = this.recording;
    this.routeUrl = this.window.location.href;
    this.listen();
    let beatAt = Date.now();
    const timer = setInterval(() => {
      this.tick();
      if (!this.visit || !this.clock.isActive) beatAt = Date.now();
      else if (Date.now() - beatAt >= HEARTBEAT_MS) {
        beatAt = Date.now();
        this.snapshot();
      }
    }, TICK_MS);
    const stop = () => clearInterval(timer);
    signal.addEventListener("abort", stop);
    this.signal.addEventListener("abort", stop, { signal });
    this.openVisit(via);
  }

  /** Attaches the listeners; those of an earlier call end. Before the worker accepts the page, none reads content. */
  private listen(): void {
    if (!this.recording) return;
    this.ears?.abort();
    this.ears = new AbortController();
    const signal = AbortSignal.any([this.ears.signal, this.recording.signal, this.signal]);
    const { window } = this;
    this.root = window.document.documentElement;
    watchPresence(
      window,
      (isArrival) => {
        // A user who opens or chooses this page is there, although Chrome has not said so yet.
        if (isArrival) this.isIdle = false;
        this.updatePresence(this.presence());
      },
      signal,
    );
    const onInput = () => {
      if (this.visit) this.visit.hasInput = true;
    };
    watchInput(window, onInput, signal);
    window.addEventListener("pagehide", () => this.onPageHide(), { signal });
    window.addEventListener(
      "pageshow",
      (event) => {
        if (!event.persisted) return;
        // What the worker said before this document was frozen is no longer true.
        this.isIdle = false;
        this.isAudible = false;
        if (!this.isPaused) this.openVisit("restore");
      },
      { signal },
    );
    this.routes = watchRoutes(window, (url) => this.onRoute(url), signal, undefined, this.routeUrl);
    if (this.isWatching) this.watchPage(signal);
  }

  private watchPage(signal: AbortSignal): void {
    const onScroll = (target: EventTarget | null) => {
      this.scroll.onScroll(target);
      this.reportDepth();
    };
    watchScroll(this.window, onScroll, signal);
    this.flushHighlight = watchHighlights(this.window, this.marked, (passage) => this.sendHighlight(passage), signal);
  }

  private tick(): void {
    if (!this.visit) return;
    if (this.window.document.documentElement !== this.root) this.listen();
    else this.routes?.check();
    this.updatePresence(this.presence());
    this.clock.total();
  }

  private endRecording(): void {
    this.recording?.abort();
    this.recording = null;
    this.ears = null;
    this.isWatching = false;
    this.visit?.end.abort();
    this.visit = null;
    this.clearReplaced();
    this.isPaused = false;
    this.clock.update({ isPaused: false });
    this.port?.disconnect();
    this.port = null;
  }

  private presence(): Omit<Presence, "isPaused"> {
    const presence = presenceOf(this.window.document);
    return { ...presence, isPlaying: presence.isPlaying || this.isAudible, isIdle: this.isIdle };
  }

  private openVisit(via: Via, before: PageState | null = null, activeMs = 0, at = Date.now()): void {
    const url = this.window.location.href;
    const visit: OngoingVisit = {
      id: uuid(),
      url,
      openedAt: Date.now(),
      isAccepted: false,
      isSettled: false,
      hasInput: false,
      before,
      state: null,
      isRestMissed: false,
      timer: null,
      hasUnreadChange: () => true,
      end: new AbortController(),
    };
    this.visit = visit;
    (this.window as Window & ReadingState).trailmindVisitId = visit.id;
    this.routeUrl = url;
    this.marked.clear();
    this.clock.update({ ...this.presence(), isPaused: this.isPaused });
    this.clock.restart(activeMs);
    this.scroll.restart();
    this.reportedQuarter = 0;
    const measured = { ...this.measurements(visit.id), at };
    const message = { kind: "visit", ...measured, url, via, ...this.navigation(via) } as const;
    visit.visitMessage = message;
    void this.messenger.deliver(message).then((response) => this.onVisitResponse(visit, url, response));
  }

  /** How the document was loaded: again, or as an error page. Empty for every other one. */
  private navigation(via: Via): { isReload?: true; httpStatus?: number } {
    if (via !== "load" && via !== "start") return {};
    const [entry] = this.window.performance.getEntriesByType?.("navigation") ?? [];
    const { type, responseStatus = 0 } = (entry ?? {}) as { type?: string; responseStatus?: number };
    return {
      ...(type === "reload" ? { isReload: true as const } : {}),
      ...(responseStatus >= 400 && responseStatus <= 599 ? { httpStatus: responseStatus } : {}),
    };
  }

  /** A port tells the worker when this document crashes. It closes with the worker, and is opened again with a beat. */
  private connect(): void {
    this.port ??= this.messenger.connect(() => (this.port = null));
  }

  private onVisitResponse(visit: OngoingVisit, url: string, response: PageResponse | null): void {
    if (!response?.ok) return;
    if (!response.records) {
      // Routes are watched further: in an app, a recordable route can follow an excluded one.
      if (this.visit !== visit) return;
      this.dropVisit();
      if (routeKey(url) !== routeKey(this.routeUrl)) this.openVisit("route");
      return;
    }
    if (response.isPaused) {
      if (this.visit === visit) this.dropVisit();
      this.isPaused = true;
      this.clock.update({ isPaused: true });
    } else if (this.visit === visit) {
      visit.isAccepted = true;
      // The page was loaded again: its visit goes on.
      if (response.visitId) visit.id = response.visitId;
      this.onResponse(response);
      this.connect();
      const onRest = (state: ContentState, isResting: boolean) => this.onRest(visit, state, isResting);
      visit.hasUnreadChange = watchContent(this.window, onRest, visit.end.signal);
    }
    if (!this.isWatching && this.recording && this.ears) {
      this.isWatching = true;
      this.watchPage(AbortSignal.any([this.ears.signal, this.recording.signal, this.signal]));
    }
  }

  private onResponse(response: PageResponse): void {
    const isAudible = response.ok && response.isAudible === true;
    if (isAudible === this.isAudible) return;
    this.isAudible = isAudible;
    this.updatePresence(this.presence());
  }

  private dropVisit(): void {
    this.visit?.end.abort();
    this.visit = null;
    this.clearReplaced();
  }

  private onRest(visit: OngoingVisit, content: ContentState, isResting: boolean): void {
    if (this.visit !== visit || this.signal.aborted) return;
    // The address has changed, and the worker has not said yet whether the page may be read there.
    visit.isRestMissed = routeKey(this.window.location.href) !== routeKey(visit.url) || this.replaced !== null;
    if (visit.isRestMissed) return;
    const { document } = this.window;
    const age = Date.now() - visit.openedAt;
    const before = visit.before?.content;
    if (before && !visit.isSettled && isSameText(before, content) && age < SAME_TEXT_TIMEOUT_MS) {
      this.lookAgain(visit, SAME_TEXT_TIMEOUT_MS - age);
      return;
    }
    if (visit.isSettled && hasVisiblePasswordField(document)) return;
    // The first address, not the one that a map or a thread moved to.
    visit.state = { url: visit.state?.url ?? visit.url, canonical: canonicalOf(document), content };
    let { title } = content;
    if (before && title === before.title && age < SAME_TITLE_TIMEOUT_MS) {
      title = "";
      this.lookAgain(visit, SAME_TITLE_TIMEOUT_MS - age);
    }
    this.sendSettled(visit, title, isResting);
  }

  private lookAgain(visit: OngoingVisit, delayMs: number): void {
    if (visit.timer !== null) clearTimeout(visit.timer);
    visit.timer = setTimeout(() => {
      visit.timer = null;
      this.onRest(visit, contentState(this.window.document), true);
    }, delayMs);
  }

  private sendSettled(visit: OngoingVisit, title: string, isResting: boolean): void {
    visit.isSettled = true;
    if (title && visit.timer !== null) clearTimeout(visit.timer);
    this.scroll.measure();
    const { document } = this.window;
    const message: PageMessage = {
      kind: "settled",
      visitId: visit.id,
      title,
      hasPasswordField: hasVisiblePasswordField(document),
      referrer: document.referrer.slice(0, 8_192),
      isResting,
    };
    void this.messenger.deliver(message).then((response) => {
      if (response?.ok && response.records === false && this.visit === visit) this.dropVisit();
    });
  }

  private measurements(visitId: string) {
    return {
      visitId,
      at: Date.now(),
      activeMs: this.clock.total(),
      maxScroll: this.scroll.max,
      isActive: this.clock.isActive,
    };
  }

  private snapshot(): void {
    const { visit } = this;
    if (!visit) return;
    this.connect();
    void this.messenger.deliver({ kind: "snapshot", ...this.measurements(visit.id) }).then((response) => {
      if (!response?.ok || this.visit !== visit) return;
      if (response.records) this.onResponse(response);
      else if (visit.isAccepted) {
        // The worker has closed this visit. If a recording is running, the page starts a new visit.
        this.endRecording();
        this.begin("start");
      }
    });
  }

  private updatePresence(change: Partial<Presence>): void {
    if (this.clock.update({ ...change, isPaused: this.isPaused })) this.snapshot();
  }

  private reportDepth(): void {
    const quarter = Math.floor(this.scroll.max * 4);
    if (quarter <= this.reportedQuarter) return;
    this.reportedQuarter = quarter;
    this.snapshot();
  }

  /** Ends the visit and returns its final event, null if no visit is open. */
  private endVisit(): PageMessageOf<"leave"> | null {
    this.flushHighlight();
    const { visit } = this;
    if (!visit) return null;
    this.visit = null;
    visit.end.abort();
    if (visit.timer !== null) clearTimeout(visit.timer);
    this.clearReplaced();
    const maxScroll = visit.isSettled ? this.scroll.final() : this.scroll.max;
    const { document, location } = this.window;
    // Of a page at another address than the accepted one, nothing is read.
    const isReadable = visit.isAccepted && routeKey(location.href) === routeKey(visit.url);
    // A settled page had no password field; a field that appeared later does not withdraw the visit.
    const hasPasswordField = isReadable && !visit.isSettled && hasVisiblePasswordField(document);
    const text = isReadable && !hasPasswordField ? this.unreadText(visit) : "";
    return {
      kind: "leave",
      ...this.measurements(visit.id),
      maxScroll,
      title: isReadable ? this.finalTitle(visit) : "",
      hasPasswordField,
      ...(text ? { text } : {}),
    };
  }

  /** The text of a page that is left before it rested, empty if it was read already or was shown for a moment. */
  private unreadText(visit: OngoingVisit): string {
    const { document } = this.window;
    if (!visit.hasUnreadChange() || this.clock.total() < MIN_READ_MS) return "";
    if (!document.body || document.getElementsByTagName("*").length > MAX_LEAVE_ELEMENTS) return "";
    if (hasVisiblePasswordField(document)) return "";
    const known = visit.state ?? visit.before;
    if (known && isSameText(known.content, contentState(document))) return "";
    // What the user types is not recorded, and `innerText` contains it.
    if (document.querySelector("[contenteditable]")) return "";
    // biome-ignore lint/performance/useDomNodeTextContent: textContent includes what the page hides
    return truncate(normalizeShown(document.body.innerText ?? ""), MAX_TEXT_CHARS);
  }

  /** The title of the page, empty if it may be that of the route before. */
  private finalTitle({ before, isSettled }: OngoingVisit): string {
    const title = truncate(this.window.document.title.trim(), 1_000);
    return before && !isSettled && before.content.title === title ? "" : title;
  }

  /** The document is being unloaded: messages without a response are also written to the outbox. */
  private onPageHide(): void {
    const { visit } = this;
    if (!visit) return;
    const isTransit = !visit.isSettled && !visit.hasInput && Date.now() - visit.openedAt < TRANSIT_MS;
    this.isUnloading = true;
    const finalEvent = this.endVisit();
    this.isUnloading = false;
    if (!visit.isAccepted && visit.visitMessage) this.messenger.deliverOnUnload(visit.visitMessage);
    if (finalEvent) this.messenger.deliverOnUnload({ ...finalEvent, isUnload: true, isTransit });
    this.port?.disconnect();
    this.port = null;
  }

  private onRoute(url: string): void {
    this.routeUrl = url;
    const { visit } = this;
    if (this.isPaused) return;
    if (!visit) this.openVisit("route");
    // A page that changes its address while it loads is one page, at the address where it rests.
    else if (!visit.isSettled && !visit.hasInput && !visit.before) this.moveVisit(visit, url);
    else if (this.routes?.isReplaced() && visit.state) this.onReplaced(visit, visit.state, url);
    else this.openRoute();
  }

  /** Ends the visit and opens one for the new route. */
  private openRoute(activeMs?: number, at?: number): void {
    const before = this.visit?.state ?? this.visit?.before ?? null;
    const finalEvent = this.endVisit();
    const restMs = finalEvent && activeMs !== undefined ? Math.max(0, finalEvent.activeMs - activeMs) : 0;
    if (finalEvent) {
      // The document's title already belongs to the new route: the old visit keeps the title it settled with.
      const measured = activeMs === undefined || at === undefined ? {} : { activeMs, at };
      void this.messenger.deliver({ ...finalEvent, ...measured, title: "" });
    }
    this.openVisit("route", before, restMs, at);
  }

  /** Asks the worker whether the page is recorded at its new address. The visit goes on if it is. */
  private moveVisit(visit: OngoingVisit, url: string): void {
    visit.url = url;
    const isRead = visit.isSettled;
    const isYoung = !visit.hasInput && Date.now() - visit.openedAt < YOUNG_MS;
    const message = {
      kind: "address",
      visitId: visit.id,
      at: Date.now(),
      url,
      countId: uuid(),
      isRead,
      isYoung,
    } as const;
    // A visit that the worker does not know yet is sent once more with its address.
    if (visit.visitMessage?.kind === "visit") visit.visitMessage = { ...visit.visitMessage, url };
    void this.messenger.deliver(message).then((response) => {
      if (!response?.ok || this.visit !== visit || !visit.isAccepted) return;
      if (response.records !== false) {
        if (visit.isRestMissed && !this.replaced) this.onRest(visit, contentState(this.window.document), true);
        return;
      }
      const finalEvent = isRead ? this.endVisit() : null;
      if (finalEvent) void this.messenger.deliver({ ...finalEvent, title: "" });
      this.dropVisit();
    });
  }

  private onReplaced(visit: OngoingVisit, before: PageState, url: string): void {
    this.moveVisit(visit, url);
    const { activeMs, at } = this.replaced ?? { activeMs: this.clock.total(), at: Date.now() };
    this.clearReplaced();
    const timer = setTimeout(() => {
      this.replaced = null;
      if (this.visit !== visit) return;
      const { document } = this.window;
      const now = { url, canonical: canonicalOf(document), content: contentState(document) };
      if (!isSamePage(before, now)) this.openRoute(activeMs, at);
      else if (!isSameText(before.content, now.content)) this.onRest(visit, now.content, true);
    }, REPLACED_DELAY_MS);
    this.replaced = { timer, activeMs, at };
  }

  private clearReplaced(): void {
    if (this.replaced) clearTimeout(this.replaced.timer);
    this.replaced = null;
  }

  private sendHighlight(passage: Passage): void {
    if (!this.visit || this.isPaused) return;
    const message = this.highlight(passage);
    if (this.isUnloading) this.messenger.deliverOnUnload(message);
    else void this.messenger.deliver(message);
  }

  private highlight(passage: Passage): PageMessageOf<"highlight"> {
    return highlightMessage(this.window, passage, this.visit?.id ?? null);
  }
}
