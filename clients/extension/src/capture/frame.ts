/** A frame inside a recorded page. Only its highlights are recorded; the visit belongs to the page. */

import type { PageMessage, WorkerMessage } from "../protocol";
import { highlightMessage, MarkedPassages, passageOf, watchHighlights } from "./highlight";
import { Messenger } from "./messenger";

export class RecordedFrame {
  constructor(
    private readonly window: Window,
    signal: AbortSignal,
    messenger = new Messenger(),
  ) {
    watchHighlights(
      window,
      new MarkedPassages(),
      (passage) => void messenger.deliver(highlightMessage(window, passage, null)),
      signal,
    );
  }

  onWorkerMessage(message: WorkerMessage): PageMessage | null {
    if (message.kind !== "highlight-selection") return null;
    const passage = passageOf(this.window, message.via, 1);
    return passage && highlightMessage(this.window, passage, null);
  }
}
