/** One document's part in a recording: its visits, one after the other, and what happens in them. */

import { uuid } from "../ids";
import type { PageMessage, PageResponse, WorkerMessage } from "../protocol";
import { DwellClock, type Presence, presenceOf, watchPresence } from "./dwell";
import { MarkedPassages, type Passage, passageOf, watchHighlights } from "./highlight";
import { Messenger } from "./messenger";
import { hasVisiblePasswordField } from "./password";
import { routeKey, watchRoutes } from "./route";
import { ScrollMeter, watchScroll } from "./scroll";

/** While somebody reads, the worker hears from the page this often; a crash costs at most this much dwell. */
const HEARTBEAT_MS = 10_000;
const LOAD_TIMEOUT_MS = 6_000;
const SETTLE_MS = 600;

type Via = Extract<PageMessage, { kind: "visit" }>["via"];

interface OngoingVisit {
  id: string;
  routeKey: string;
  opening?: PageMessage;
  /** The worker agreed to record this page. */
  isAccepted: boolean;
  /** Title and text were asked for. */
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

  /** Joins the recording as soon as somebody looks at this page; before that the page is not even announced. */
  begin(via: Via): void {
    const { document } = this.window;
    const isSeen = document.visibilityState === "visible" && !(document as { prerendering?: boolean }).prerendering;
    if (isSeen) {
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

  /** Answers the worker; `finish` returns this page's farewell. */
  onWorkerMessage(message: WorkerMessage): PageMessage | null {
    switch (message.kind) {
      case "begin":
        // What we hold may belong to a recording whose end we slept through; the worker knows.
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
        return this.highlightMessage(passage);
      }
    }
  }

  private startRecording(via: Via): void {
    if (this.recording) return;
    this.recording = new AbortController();
    const signal = AbortSignal.any([this.recording.signal, this.signal]);
    const { window } = this;
    // Until the worker agreed, only time is measured: nothing on the page is looked at.
    watchPresence(window, () => this.updatePresence(this.presence()), signal);
    window.addEventListener("pagehide", () => this.onPageHide(), { signal });
    window.addEventListener(
      "pageshow",
      (event) => {
        if (event.persisted && !this.isPaused) this.openVisit("restore");
      },
      { signal },
    );
    const beat = setInterval(() => {
      if (this.visit && this.clock.isActive) this.snapshot();
    }, HEARTBEAT_MS);
    signal.addEventListener("abort", () => clearInterval(beat));
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
    const seen = presenceOf(this.window.document);
    return { ...seen, isPlaying: seen.isPlaying || this.isAudible };
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
    const opening = { kind: "visit", ...this.measurements(visit.id), url: this.window.location.href, via } as const;
    visit.opening = opening;
    void this.messenger.deliver(opening).then((answer) => this.onVisitResponse(visit, answer));
  }

  private onVisitResponse(visit: OngoingVisit, answer: PageResponse | null): void {
    if (!answer?.ok) return;
    if (!answer.records) {
      if (this.visit === visit) this.visit = null;
      // On an app an excluded route may be followed by one that is not.
      if (!this.isWatching) this.endRecording();
      return;
    }
    if (answer.isPaused) {
      if (this.visit === visit) this.visit = null;
      this.isPaused = true;
      this.clock.update({ isPaused: true });
    } else if (this.visit === visit) {
      visit.isAccepted = true;
      this.scheduleSettled(visit);
    }
    this.watchPage();
  }

  /** Title and text are there a moment after the load; both are asked for once. */
  private scheduleSettled(visit: OngoingVisit): void {
    const { window } = this;
    const settle = () => {
      if (this.visit !== visit || visit.isSettled || this.signal.aborted) return;
      visit.isSettled = true;
      this.scroll.measure();
      const { referrer } = window.document;
      const message: PageMessage = {
        kind: "settled",
        visitId: visit.id,
        ...this.titleAndPassword(),
        referrer: referrer.slice(0, 8_192),
      };
      void this.messenger.deliver(message).then((answer) => {
        if (answer?.ok && answer.records === false && this.visit === visit) this.visit = null;
      });
    };
    const soon = () => setTimeout(() => window.requestIdleCallback(settle, { timeout: 2_000 }), SETTLE_MS);
    if (window.document.readyState === "complete") soon();
    else {
      window.addEventListener("load", soon, { once: true, signal: visit.end.signal });
      setTimeout(settle, LOAD_TIMEOUT_MS);
    }
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
    void this.messenger.deliver({ kind: "snapshot", ...this.measurements(visit.id) }).then((answer) => {
      // The worker has no such visit: it ended without us. If a recording runs, this is a new one.
      if (!answer?.ok || answer.records || this.visit !== visit || !visit.isAccepted) return;
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

  private endVisit(): Extract<PageMessage, { kind: "leave" }> | null {
    const { visit } = this;
    if (!visit) return null;
    this.visit = null;
    visit.end.abort();
    if (visit.isSettled) this.scroll.measure();
    const face = visit.isAccepted ? this.titleAndPassword() : { title: "", hasPasswordField: false };
    return {
      kind: "leave",
      ...this.measurements(visit.id),
      title: face.title,
      // A page that settled was found free of password fields; a dialog that came later does not undo the visit.
      hasPasswordField: !visit.isSettled && face.hasPasswordField,
    };
  }

  /** The document goes away: whatever was not confirmed yet is sent once more, both ways. */
  private onPageHide(): void {
    const { visit } = this;
    if (!visit) return;
    const message = this.endVisit();
    if (!visit.isAccepted && visit.opening) this.messenger.deliverOnUnload(visit.opening);
    if (message) this.messenger.deliverOnUnload(message);
  }

  private onRouteChange(): void {
    if (this.isPaused) return;
    // By now the title belongs to the new route, so the old visit keeps the one it settled with.
    const finalEvent = this.endVisit();
    if (finalEvent) void this.messenger.deliver({ ...finalEvent, title: "" });
    this.openVisit("route");
  }

  private sendHighlight(passage: Passage): void {
    if (this.visit && !this.isPaused) void this.messenger.deliver(this.highlightMessage(passage));
  }

  private highlightMessage(passage: Passage): Extract<PageMessage, { kind: "highlight" }> {
    const visitId = this.visit?.id ?? null;
    const url = this.window.location.href;
    return { kind: "highlight", highlightId: uuid(), visitId, url, at: Date.now(), ...passage };
  }
}

/** A frame inside a page: only its highlights count; the page around it is the visit. */
export class RecordedFrame {
  private readonly marked = new MarkedPassages();

  constructor(
    private readonly window: Window,
    signal: AbortSignal,
    private readonly messenger = new Messenger(),
  ) {
    watchHighlights(window, this.marked, (passage) => void this.messenger.deliver(this.message(passage)), signal);
  }

  onWorkerMessage(highlightMessage: WorkerMessage): PageMessage | null {
    if (highlightMessage.kind !== "highlight-selection") return null;
    const passage = passageOf(this.window, highlightMessage.via, 1);
    return passage && this.message(passage);
  }

  private message(passage: Passage): PageMessage {
    const url = this.window.location.href;
    return { kind: "highlight", highlightId: uuid(), visitId: null, url, at: Date.now(), ...passage };
  }
}
