import { browser } from "wxt/browser";
import { defineUnlistedScript } from "wxt/utils/define-unlisted-script";

import { RecordedFrame, RecordedPage } from "../capture/page";
import type { WorkerMessage } from "../protocol";

interface InstalledRecorder {
  isAlive: () => boolean;
  again: () => void;
}

/** Injected into every document while a recording runs, and into no document otherwise. */
export default defineUnlistedScript(() => {
  const slot = globalThis as typeof globalThis & { trailmindRecorder?: InstalledRecorder };
  // Injected twice (registered, and on start): the first one stays. One left behind by an update is replaced.
  if (slot.trailmindRecorder?.isAlive()) {
    slot.trailmindRecorder.again();
    return;
  }
  const end = new AbortController();
  const isTop = window.top === window;
  const subject = isTop ? new RecordedPage(window, end.signal) : new RecordedFrame(window, end.signal);
  const { id } = browser.runtime;
  slot.trailmindRecorder = {
    isAlive: () => {
      const isAlive = browser.runtime?.id === id;
      if (!isAlive) end.abort();
      return isAlive;
    },
    again: () => subject.onWorkerMessage({ kind: "begin" }),
  };
  browser.runtime.onMessage.addListener((message: WorkerMessage, sender, respond) => {
    if (sender.id === id) respond(subject.onWorkerMessage(message));
  });
  if (subject instanceof RecordedPage) {
    subject.begin(document.readyState === "loading" ? "load" : "start");
  }
});
