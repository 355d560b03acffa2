/** A recorded document: its visits, one after the other, and what is measured during each. */

import { uuid } from "@trailmind/api";
import type { PageMessage, PageMessageOf, PageResponse, WorkerMessage } from "../protocol";
import { DwellClock, type Presence, presenceOf, watchPresence } from "./dwell";
import { highlightMessage, MarkedPassages, type Passage, passageOf, watchHighlights } from "./highlight";
import { Messenger } from "./messenger";
import { hasVisiblePasswordField } from "./password";
import { routeKey, watchRoutes } from "./route";
import { ScrollMeter, watchScroll } from "./scroll";
import { whenSettled } from "./settled";

/** An active page reports to the worker at this interval, so that a crash loses at most this much active time. */
const HEARTBEAT_MS = 10_000;

type Via = PageMessageOf<"visit">["via"];

interface OngoingVisit {
  id: string;
  routeKey: string;
  visitMessage?: PageMessage;
  /** The worker records this page. */
  isAccepted: boolean;
  /** The `settled` message was sent. */
  isSettled: boolean;
  end: AbortController;
}

export class RecordedPage {
  private visit: OngoingVisit | null = null;
  private recording: AbortController | null = null;
  private isWatching = false;
  private reportedQuarter = 0;
  private isIdle = false;
  private isAudible = false;
  private isPaused = false;
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
        else if (!this.recording) this.begin("start");
        return null;
      case "pause":
        this.isPaused = true;
        this.updatePresence({ isPaused: true });
        return null;
      case "resume":
        this.isPaused = false;
        this.updatePresence({ isPaused: false });
        if (!this.visit) {
          this.endRecording();
          this.begin("start");
        } else if (routeKey(this.window.location.href) !== this.visit.routeKey) this.onRouteChange();
        return null;
      case "finish": {
        const finalEvent = this.endVisit();
        this.endRecording();
        return finalEvent;
      }
      case "presence":
        if (message.isIdle !== undefined) this.isIdle = message.isIdle;
        if (message.isAudible !== undefined) this.isAudible = message.isAudible;
        this.updatePresence({ isIdle: this.isIdle, ...this.presence() });
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
    const signal = AbortSignal.any([this.recording.signal, this.signal]);
    const { window } = this;
    // Until the worker accepts the page, only time is measured: no content of the page is read.
    watchPresence(window, () => this.updatePresence(this.presence()), signal);
    window.addEventListener("pagehide", () => this.onPageHide(), { signal });
    window.addEventListener(
      "pageshow",
      (event) => {
        if (event.persisted && !this.isPaused) this.openVisit("restore");
      },
      { signal },
    );
    const heartbeat = setInterval(() => {
      if (this.visit && this.clock.isActive) this.snapshot();
    }, HEARTBEAT_MS);
    signal.addEventListener("abort", () => clearInterval(heartbeat));
    this.openVisit(via);
  }

  private watchPage(): void {
    if (!this.recording || this.isWatching) return;
    this.isWatching = true;
    const signal = AbortSignal.any([this.recording.signal, this.signal]);
    signal.addEventListener("abort", () => (this.isWatching = false));
    watchScroll(this.window, () => this.scroll.measure() && this.reportDepth(), signal);
    watchRoutes(this.window, () => this.onRouteChange(), signal);
    watchHighlights(this.window, this.marked, (passage) => this.sendHighlight(passage), signal);
  }

  private endRecording(): void {
    this.recording?.abort();
    this.recording = null;
    this.visit = null;
    this.isPaused = false;
    this.clock.update({ isPaused: false });
  }

  private presence(): Pick<Presence, "isVisible" | "isFocused" | "isPlaying"> {
    const presence = presenceOf(this.window.document);
    return { ...presence, isPlaying: presence.isPlaying || this.isAudible };
  }

  private openVisit(via: Via): void {
    const visit: OngoingVisit = {
      id: uuid(),
      routeKey: routeKey(this.window.location.href),
      isAccepted: false,
      isSettled: false,
      end: new AbortController(),
    };
    this.visit = visit;
    this.marked.clear();
    this.clock.update({ ...this.presence(), isPaused: this.isPaused });
    this.clock.restart();
    this.scroll.restart();
    this.reportedQuarter = 0;
    const message = { kind: "visit", ...this.measurements(visit.id), url: this.window.location.href, via } as const;
    visit.visitMessage = message;
    void this.messenger.deliver(message).then((response) => this.onVisitResponse(visit, response));
  }

  private onVisitResponse(visit: OngoingVisit, response: PageResponse | null): void {
    if (!response?.ok) return;
    if (!response.records) {
      if (this.visit === visit) this.visit = null;
      // In an app, a recordable route can follow an excluded one: keep watching routes.
      if (!this.isWatching) this.endRecording();
      return;
    }
    if (response.isPaused) {
      if (this.visit === visit) this.visit = null;
      this.isPaused = true;
      this.clock.update({ isPaused: true });
    } else if (this.visit === visit) {
      visit.isAccepted = true;
      whenSettled(this.window, () => this.sendSettled(visit), visit.end.signal);
    }
    this.watchPage();
  }

  private sendSettled(visit: OngoingVisit): void {
    if (this.visit !== visit || visit.isSettled || this.signal.aborted) return;
    visit.isSettled = true;
    this.scroll.measure();
    const { referrer } = this.window.document;
    const message: PageMessage = {
      kind: "settled",
      visitId: visit.id,
      ...this.titleAndPassword(),
      referrer: referrer.slice(0, 8_192),
    };
    void this.messenger.deliver(message).then((response) => {
      if (response?.ok && response.records === false && this.visit === visit) this.visit = null;
    });
  }

  private titleAndPassword(): { title: string; hasPasswordField: boolean } {
    const { document } = this.window;
    return { title: document.title.trim().slice(0, 1_000), hasPasswordField: hasVisiblePasswordField(document) };
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
    void this.messenger.deliver({ kind: "snapshot", ...this.measurements(visit.id) }).then((response) => {
      // The worker has closed this visit. If a recording is running, the page starts a new visit.
      if (!response?.ok || response.records || this.visit !== visit || !visit.isAccepted) return;
      this.endRecording();
      this.begin("start");
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
    const { visit } = this;
    if (!visit) return null;
    this.visit = null;
    visit.end.abort();
    if (visit.isSettled) this.scroll.measure();
    const { title, hasPasswordField } = visit.isAccepted
      ? this.titleAndPassword()
      : { title: "", hasPasswordField: false };
    return {
      kind: "leave",
      ...this.measurements(visit.id),
      title,
      // A settled page had no password field; a field that appeared later does not withdraw the visit.
      hasPasswordField: !visit.isSettled && hasPasswordField,
    };
  }

  /** The document is being unloaded: messages without a response are also written to the outbox. */
  private onPageHide(): void {
    const { visit } = this;
    if (!visit) return;
    const finalEvent = this.endVisit();
    if (!visit.isAccepted && visit.visitMessage) this.messenger.deliverOnUnload(visit.visitMessage);
    if (finalEvent) this.messenger.deliverOnUnload(finalEvent);
  }

  private onRouteChange(): void {
    if (this.isPaused) return;
    // The document's title already belongs to the new route: the old visit keeps the title it settled with.
    const finalEvent = this.endVisit();
    if (finalEvent) void this.messenger.deliver({ ...finalEvent, title: "" });
    this.openVisit("route");
  }

  private sendHighlight(passage: Passage): void {
    if (this.visit && !this.isPaused) void this.messenger.deliver(this.highlight(passage));
  }

  private highlight(passage: Passage): PageMessageOf<"highlight"> {
    return highlightMessage(this.window, passage, this.visit?.id ?? null);
  }
}
