/** Numbers, times and spans as people say them. */

export type Language = "ko" | "en";

/** 1:02:03 or 4:05, for a running clock. */
export function clock(ms: number): string {
  const total = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** 1시간 32분 / 1 h 32 min. */
export function span(ms: number, language: Language): string {
  const total = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const [hour, minute, second] = language === "ko" ? ["시간", "분", "초"] : [" h", " min", " s"];
  if (h > 0) return m > 0 ? `${h}${hour} ${m}${minute}` : `${h}${hour}`;
  return m > 0 ? `${m}${minute}` : `${s}${second}`;
}

/** Relative up to a day, dated afterwards. */
export function when(at: number, now: number, language: Language): string {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return language === "ko" ? "방금" : "just now";
  if (minutes < 60) return language === "ko" ? `${minutes}분 전` : `${minutes} min ago`;
  if (minutes < 24 * 60) {
    const hours = Math.round(minutes / 60);
    return language === "ko" ? `${hours}시간 전` : `${hours} h ago`;
  }
  return dateTime(at, language);
}

export function dateTime(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language === "ko" ? "ko-KR" : "en-US", {
    month: "short",
    day: "numeric",
    hour: "numeric",
    minute: "2-digit",
  }).format(at);
}

export function timeOfDay(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language === "ko" ? "ko-KR" : "en-US", { hour: "numeric", minute: "2-digit" }).format(
    at,
  );
}
