/** Times, durations and numbers for display. Pure: the language and the current time are arguments. */
import type { Language } from "./messages.ts";

const TIME_LOCALE: Record<Language, string> = { ko: "ko-KR", en: "en-GB" };

/**
 * 5,520,000 → "1 h 32 min" / "1시간 32분". Under a minute in seconds; at most two units. Rounded as `format_duration` in
 * `cluster/mindmap/render/canvas.py`, so that a time is the same on the screen, in mails and pictures.
 */
export function duration(ms: number, language: Language): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.round(s / 60);
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  const units = language === "ko" ? { h: "시간", m: "분", s: "초" } : { h: " h", m: " min", s: " s" };
  if (s < 60) return `${s}${units.s}`;
  if (h === 0) return `${m}${units.m}`;
  return m === 0 ? `${h}${units.h}` : `${h}${units.h} ${m}${units.m}`;
}

/** 3,725,000 → "1:02:05", 65,000 → "1:05": a running clock. */
export function stopwatch(ms: number): string {
  const total = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const padded = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${padded(m)}:${padded(s)}` : `${m}:${padded(s)}`;
}

/** "09:05", on a clock of 24 hours in both languages. */
export function timeOfDay(at: Date | number, language: Language): string {
  return new Date(at).toLocaleTimeString(TIME_LOCALE[language], { hour: "2-digit", minute: "2-digit", hour12: false });
}

/**
 * "09:05–11:20". A recording that was imported took less time than its pages were read for: then only the end is
 * shown, because the start would contradict the reading time.
 */
export function timeRange(began: Date, ended: Date | null, readingMs: number, language: Language): string {
  if (!ended) return timeOfDay(began, language);
  const isImported = ended.getTime() - began.getTime() + 60_000 < readingMs;
  return isImported ? timeOfDay(ended, language) : `${timeOfDay(began, language)}–${timeOfDay(ended, language)}`;
}

/** "3 minutes ago" up to a day, `shortDate` after that. */
export function relativeTime(at: Date, now: Date, language: Language): string {
  const ago = (now.getTime() - at.getTime()) / 1000;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (ago >= 0 && ago < 45) return relative.format(0, "second");
  if (ago >= 0 && ago < 3600) return relative.format(-Math.round(ago / 60), "minute");
  if (ago >= 0 && ago < 86_400) return relative.format(-Math.round(ago / 3600), "hour");
  return shortDate(at, now, language);
}

/** "20 Nov" / "11월 20일"; with the year when it is not the current one. */
export function shortDate(at: Date, now: Date, language: Language): string {
  const isThisYear = at.getFullYear() === now.getFullYear();
  return at.toLocaleDateString(TIME_LOCALE[language], {
    day: "numeric",
    month: language === "ko" ? "long" : "short",
    ...(isThisYear ? {} : { year: "numeric" }),
  });
}

/** "Nov 20, 9:05 AM" / "11월 20일 오전 9:05". */
export function dateTime(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language === "ko" ? "ko-KR" : "en-US", {
    month: "short",
    day: "numeric",
    hour: "numeric",
    minute: "2-digit",
  }).format(at);
}

/** The name of a session until it has a title: "Browsing, Nov 20, 9:05 AM" / "11월 20일 오전 9:05 브라우징". */
export function provisionalName(startedAt: number, language: Language): string {
  const at = dateTime(startedAt, language);
  return language === "ko" ? `${at} 브라우징` : `Browsing, ${at}`;
}

/** The title of a session, or its provisional name while it has none. */
export function sessionName(
  { title, startedAt }: { title?: string | null | undefined; startedAt: number },
  language: Language,
): string {
  return title || provisionalName(startedAt, language);
}

/** 1,234 → "1.2K". */
export function compactNumber(value: number, language: Language): string {
  return new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** 41,943,040 → "40 MB". */
export function readableBytes(bytes: number, language: Language): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: UNITS[power],
    unitDisplay: power === 0 ? "long" : "short",
    maximumFractionDigits: 1,
  }).format(bytes / 1024 ** power);
}

/**
 * A text in quotation marks. Quotation marks inside become single ones, as in print: “About ‘this’”. A straight mark
 * opens a quotation at the beginning and after a space or a bracket, and else closes it.
 */
export function quoted(text: string): string {
  const inside = text
    .replace(/[“„‟〝]/gu, "‘")
    .replace(/[”〞]/gu, "’")
    .replace(/(^|[\s([{‘])"/gu, "$1‘")
    .replaceAll('"', "’");
  return `“${inside}”`;
}
