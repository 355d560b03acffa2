import { browser } from "wxt/browser";
import { defineUnlistedScript } from "wxt/utils/define-unlisted-script";

import { RecordedFrame } from "../capture/frame";
import { RecordedPage } from "../capture/page";
import type { WorkerMessage } from "../protocol";

interface InstalledRecorder {
  isAlive: () => boolean;
  rejoin: () => void;
}

/** Injected into every document while a recording is running, otherwise into none. */
export default defineUnlistedScript(() => {
  const slot = globalThis as typeof globalThis & { trailmindRecorder?: InstalledRecorder };
  // The registered script and the start of a recording can both inject: the first instance stays. An instance of an
  // older version of the extension is replaced.
  if (slot.trailmindRecorder?.isAlive()) {
    slot.trailmindRecorder.rejoin();
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
    rejoin: () => subject.onWorkerMessage({ kind: "begin" }),
  };
  browser.runtime.onMessage.addListener((message: WorkerMessage, sender, respond) => {
    if (sender.id === id) respond(subject.onWorkerMessage(message));
  });
  if (subject instanceof RecordedPage) {
    subject.begin(document.readyState === "loading" ? "load" : "start");
  }
});
