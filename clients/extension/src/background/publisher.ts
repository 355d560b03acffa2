/** Publishes the state of the worker: the view for the popup, the badge, and the heartbeat alarm. */

import { browser } from "wxt/browser";
import type { Account } from "../account/account";
import { messagesFor } from "../i18n/messages";
import type { QueueStore } from "../queue/store";
import { HEARTBEAT_ALARM } from "../recording/alarm-clock";
import { makeView } from "../recording/make-view";
import { badgeOf, type Generation, viewItem } from "../recording/view";
import { readSettings } from "../settings";

/** A burst of events is published once. */
const DEBOUNCE_MS = 50;
const HEARTBEAT_MINUTES = 0.5;

export class Publisher {
  /** The last known state of the map generation. In memory: the popup requests it again with `refresh`. */
  generation: Generation | null = null;
  private isScheduled = false;
  private isPending = false;

  constructor(
    private readonly store: QueueStore,
    private readonly account: Account,
  ) {}

  publishSoon(): void {
    this.isPending = true;
    if (this.isScheduled) return;
    this.isScheduled = true;
    setTimeout(() => {
      this.isScheduled = false;
      if (this.isPending) void this.publish();
    }, DEBOUNCE_MS);
  }

  async publish(): Promise<void> {
    this.isPending = false;
    const view = await makeView(this.store, this.account, this.generation, Date.now());
    await viewItem.setValue(view);
    await updateHeartbeatAlarm(view.current?.status === "recording");
    const badge = badgeOf(view);
    const messages = messagesFor((await readSettings()).language);
    await browser.action.setBadgeBackgroundColor({ color: badge.color });
    await browser.action.setBadgeText({ text: badge.text });
    await browser.action.setTitle({ title: messages.tooltip(view) });
  }
}

/** Heartbeats date a crash, so they are needed during a recording only; without one the worker may stay stopped. */
async function updateHeartbeatAlarm(isRecording: boolean): Promise<void> {
  const isSet = (await browser.alarms.get(HEARTBEAT_ALARM)) !== undefined;
  if (isRecording && !isSet) await browser.alarms.create(HEARTBEAT_ALARM, { periodInMinutes: HEARTBEAT_MINUTES });
  if (!isRecording && isSet) await browser.alarms.clear(HEARTBEAT_ALARM);
}
