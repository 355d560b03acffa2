/**
 * Schedules the sender. A timer is precise but ends with the worker; an alarm starts a stopped worker, but at the
 * earliest after 30 s. Both are set, and the first to fire counts.
 */

export const SEND_ALARM = "send";
export const HEARTBEAT_ALARM = "beat";
const MIN_ALARM_MS = 30_000;

export interface Alarms {
  create(name: string, info: { when: number }): Promise<void> | void;
  clear(name: string): Promise<boolean> | unknown;
}

export class AlarmClock {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private dueAt = Infinity;

  constructor(
    private readonly alarms: Alarms,
    private readonly onAlarm: () => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** Fires at `at` at the latest; an earlier time stays. */
  setNoLaterThan(at: number): void {
    if (this.timer !== null && this.dueAt <= at) return;
    this.arm(at);
  }

  /** Replaces the time; null cancels it. */
  set(at: number | null): void {
    if (at !== null) {
      this.arm(at);
      return;
    }
    this.disarm();
    void this.alarms.clear(SEND_ALARM);
  }

  private arm(at: number): void {
    this.disarm();
    this.dueAt = at;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.onAlarm();
      },
      Math.min(Math.max(0, at - this.now()), 2 ** 31 - 1),
    );
    void this.alarms.create(SEND_ALARM, { when: Math.max(at, this.now() + MIN_ALARM_MS) });
  }

  private disarm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}
