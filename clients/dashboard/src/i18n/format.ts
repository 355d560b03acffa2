/** Times and durations as people say them. Pure: language and "now" are passed in. */
export type Language = "ko" | "en";

/** 5,520,000 → "1 h 32 min" / "1시간 32분". Under a minute in seconds; never more than two units. */
export function duration(ms: number, language: Language): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  const units = language === "ko" ? { h: "시간", m: "분", s: "초" } : { h: " h", m: " min", s: " s" };
  if (s < 60) return `${s}${units.s}`;
  if (h === 0) return `${Math.round(s / 60)}${units.m}`;
  return m === 0 ? `${h}${units.h}` : `${h}${units.h} ${m}${units.m}`;
}

export function clock(at: Date, language: Language): string {
  return at.toLocaleTimeString(language === "ko" ? "ko-KR" : "en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}

/**
 * From when to when. A recording that was played in later took less time than was read in it: of such a one only the
 * end is said, which is true of both.
 */
export function span(began: Date, ended: Date | null, readingMs: number, language: Language): string {
  if (!ended) return clock(began, language);
  const isPlayed = ended.getTime() - began.getTime() + 60_000 < readingMs;
  return isPlayed ? clock(ended, language) : `${clock(began, language)}–${clock(ended, language)}`;
}

/** Relative up to a day, then dated; with the year only when it is another one. */
export function when(at: Date, now: Date, language: Language): string {
  const ago = (now.getTime() - at.getTime()) / 1000;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (ago >= 0 && ago < 45) return relative.format(0, "second");
  if (ago >= 0 && ago < 3600) return relative.format(-Math.round(ago / 60), "minute");
  if (ago >= 0 && ago < 86_400) return relative.format(-Math.round(ago / 3600), "hour");
  return date(at, now, language);
}

export function date(at: Date, now: Date, language: Language): string {
  const isThisYear = at.getFullYear() === now.getFullYear();
  return at.toLocaleDateString(language === "ko" ? "ko-KR" : "en-GB", {
    day: "numeric",
    month: language === "ko" ? "long" : "short",
    ...(isThisYear ? {} : { year: "numeric" }),
  });
}

/** 1,234 → "1.2K". For tokens. */
export function compact(value: number, language: Language): string {
  return new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}
