/** One document's part in a recording: its visits, one after the other, and what happens in them. */

import { uuid } from "../ids";
import type { PageAnswer, PageMessage, WorkerMessage } from "../messages";
import { Courier } from "./courier";
import { DwellClock, type Presence, presenceOf, watchPresence } from "./dwell";
import { MarkedPassages, type Passage, passageOf, watchHighlights } from "./highlight";
import { hasVisiblePasswordField } from "./password";
import { routeKey, watchRoutes } from "./route";
import { ScrollMeter, watchScroll } from "./scroll";

/** While somebody reads, the worker hears from the page this often; a crash costs at most this much dwell. */
const BEAT_MS = 10_000;
const LOADED_AT_LATEST_MS = 6_000;
const SETTLE_MS = 600;

type Via = Extract<PageMessage, { kind: "visit" }>["via"];

interface OngoingVisit {
  id: string;
  route: string;
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
  private isLooking = false;
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
    private readonly courier = new Courier(),
  ) {
    this.clock = new DwellClock({ ...presenceOf(window.document), isIdle: false, isPaused: false });
    this.scroll = new ScrollMeter(window);
  }

  /** Joins the recording as soon as somebody looks at this page; before that the page is not even announced. */
  begin(via: Via): void {
    const { document } = this.window;
    const isSeen = document.visibilityState === "visible" && !(document as { prerendering?: boolean }).prerendering;
    if (isSeen) {
      this.join(via);
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
  hear(message: WorkerMessage): PageMessage | null {
    switch (message.kind) {
      case "begin":
        // What we hold may belong to a recording whose end we slept through; the worker knows.
        if (this.visit) this.snapshot();
        else if (!this.recording) this.begin("start");
        return null;
      case "pause":
        this.isPaused = true;
        this.change({ isPaused: true });
        return null;
      case "resume":
        this.isPaused = false;
        this.change({ isPaused: false });
        if (!this.visit) {
          this.leaveRecording();
          this.begin("start");
        } else if (routeKey(this.window.location.href) !== this.visit.route) this.route();
        return null;
      case "finish": {
        const farewell = this.farewell();
        this.leaveRecording();
        return farewell;
      }
      case "presence":
        if (message.isIdle !== undefined) this.isIdle = message.isIdle;
        if (message.isAudible !== undefined) this.isAudible = message.isAudible;
        this.change({ isIdle: this.isIdle, ...this.presence() });
        return null;
      case "highlight-selection": {
        const passage = passageOf(this.window, message.via, 1);
        if (!passage) return null;
        this.marked.take(passage.text, passage.anchor?.position ?? null);
        return this.highlight(passage);
      }
    }
  }

  private join(via: Via): void {
    if (this.recording) return;
    this.recording = new AbortController();
    const signal = AbortSignal.any([this.recording.signal, this.signal]);
    const { window } = this;
    // Until the worker agreed, only time is measured: nothing on the page is looked at.
    watchPresence(window, () => this.change(this.presence()), signal);
    window.addEventListener("pagehide", () => this.depart(), { signal });
    window.addEventListener(
      "pageshow",
      (event) => {
        if (event.persisted && !this.isPaused) this.open("restore");
      },
      { signal },
    );
    const beat = setInterval(() => {
      if (this.visit && this.clock.isActive) this.snapshot();
    }, BEAT_MS);
    signal.addEventListener("abort", () => clearInterval(beat));
    this.open(via);
  }

  private look(): void {
    if (!this.recording || this.isLooking) return;
    this.isLooking = true;
    const signal = AbortSignal.any([this.recording.signal, this.signal]);
    signal.addEventListener("abort", () => (this.isLooking = false));
    watchScroll(this.window, () => this.scroll.measure() && this.reportDepth(), signal);
    watchRoutes(this.window, () => this.route(), signal);
    watchHighlights(this.window, this.marked, (passage) => this.mark(passage), signal);
  }

  private leaveRecording(): void {
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

  private open(via: Via): void {
    const visit: OngoingVisit = {
      id: uuid(),
      route: routeKey(this.window.location.href),
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
    const opening = { kind: "visit", ...this.numbers(visit.id), url: this.window.location.href, via } as const;
    visit.opening = opening;
    void this.courier.deliver(opening).then((answer) => this.accept(visit, answer));
  }

  private accept(visit: OngoingVisit, answer: PageAnswer | null): void {
    if (!answer?.ok) return;
    if (!answer.records) {
      if (this.visit === visit) this.visit = null;
      // On an app an excluded route may be followed by one that is not.
      if (!this.isLooking) this.leaveRecording();
      return;
    }
    if (answer.isPaused) {
      if (this.visit === visit) this.visit = null;
      this.isPaused = true;
      this.clock.update({ isPaused: true });
    } else if (this.visit === visit) {
      visit.isAccepted = true;
      this.settleLater(visit);
    }
    this.look();
  }

  /** Title and text are there a moment after the load; both are asked for once. */
  private settleLater(visit: OngoingVisit): void {
    const { window } = this;
    const settle = () => {
      if (this.visit !== visit || visit.isSettled || this.signal.aborted) return;
      visit.isSettled = true;
      this.scroll.measure();
      const { referrer } = window.document;
      const message: PageMessage = {
        kind: "settled",
        visitId: visit.id,
        ...this.face(),
        referrer: referrer.slice(0, 8_192),
      };
      void this.courier.deliver(message).then((answer) => {
        if (answer?.ok && answer.records === false && this.visit === visit) this.visit = null;
      });
    };
    const soon = () => setTimeout(() => window.requestIdleCallback(settle, { timeout: 2_000 }), SETTLE_MS);
    if (window.document.readyState === "complete") soon();
    else {
      window.addEventListener("load", soon, { once: true, signal: visit.end.signal });
      setTimeout(settle, LOADED_AT_LATEST_MS);
    }
  }

  private face(): { title: string; hasPasswordField: boolean } {
    const { document } = this.window;
    return { title: document.title.trim().slice(0, 1_000), hasPasswordField: hasVisiblePasswordField(document) };
  }

  private numbers(visitId: string) {
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
    void this.courier.deliver({ kind: "snapshot", ...this.numbers(visit.id) }).then((answer) => {
      // The worker has no such visit: it ended without us. If a recording runs, this is a new one.
      if (!answer?.ok || answer.records || this.visit !== visit || !visit.isAccepted) return;
      this.leaveRecording();
      this.begin("start");
    });
  }

  private change(change: Partial<Presence>): void {
    if (this.clock.update({ ...change, isPaused: this.isPaused })) this.snapshot();
  }

  private reportDepth(): void {
    const quarter = Math.floor(this.scroll.max * 4);
    if (quarter <= this.reportedQuarter) return;
    this.reportedQuarter = quarter;
    this.snapshot();
  }

  private farewell(): Extract<PageMessage, { kind: "leave" }> | null {
    const { visit } = this;
    if (!visit) return null;
    this.visit = null;
    visit.end.abort();
    if (visit.isSettled) this.scroll.measure();
    const face = visit.isAccepted ? this.face() : { title: "", hasPasswordField: false };
    return {
      kind: "leave",
      ...this.numbers(visit.id),
      title: face.title,
      // A page that settled was found free of password fields; a dialog that came later does not undo the visit.
      hasPasswordField: !visit.isSettled && face.hasPasswordField,
    };
  }

  /** The document goes away: whatever was not confirmed yet is sent once more, both ways. */
  private depart(): void {
    const { visit } = this;
    if (!visit) return;
    const message = this.farewell();
    if (!visit.isAccepted && visit.opening) this.courier.dispatch(visit.opening);
    if (message) this.courier.dispatch(message);
  }

  private route(): void {
    if (this.isPaused) return;
    // By now the title belongs to the new route, so the old visit keeps the one it settled with.
    const farewell = this.farewell();
    if (farewell) void this.courier.deliver({ ...farewell, title: "" });
    this.open("route");
  }

  private mark(passage: Passage): void {
    if (this.visit && !this.isPaused) void this.courier.deliver(this.highlight(passage));
  }

  private highlight(passage: Passage): Extract<PageMessage, { kind: "highlight" }> {
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
    private readonly courier = new Courier(),
  ) {
    watchHighlights(window, this.marked, (passage) => void this.courier.deliver(this.message(passage)), signal);
  }

  hear(message: WorkerMessage): PageMessage | null {
    if (message.kind !== "highlight-selection") return null;
    const passage = passageOf(this.window, message.via, 1);
    return passage && this.message(passage);
  }

  private message(passage: Passage): PageMessage {
    const url = this.window.location.href;
    return { kind: "highlight", highlightId: uuid(), visitId: null, url, at: Date.now(), ...passage };
  }
}
