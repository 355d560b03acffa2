import { describe, expect, it } from "vitest";
import {
  compactNumber,
  duration,
  provisionalName,
  quoted,
  relativeTime,
  shortDate,
  stopwatch,
  timeOfDay,
  timeRange,
} from "../src/index.ts";

describe("duration", () => {
  it.each([
    [0, "0 s", "0초"],
    [59_400, "59 s", "59초"],
    [90_000, "2 min", "2분"],
    [150_000, "3 min", "3분"],
    [3_590_000, "1 h", "1시간"],
    [5_510_000, "1 h 32 min", "1시간 32분"],
    [3_600_000, "1 h", "1시간"],
    [5_520_000, "1 h 32 min", "1시간 32분"],
    [-5, "0 s", "0초"],
    [42_000, "42 s", "42초"],
  ])("formats %d ms", (ms, en, ko) => {
    expect(duration(ms, "en")).toBe(en);
    expect(duration(ms, "ko")).toBe(ko);
  });
});

it("names a session without a title by its start", () => {
  const startedAt = new Date(2026, 10, 28, 12, 57).getTime();
  expect(provisionalName(startedAt, "en").replaceAll("\u202f", " ")).toBe("Browsing, Nov 28, 12:57 PM");
  expect(provisionalName(startedAt, "ko")).toBe("11월 28일 오후 12:57 브라우징");
});

describe("relativeTime", () => {
  const now = new Date(2026, 10, 23, 12, 0);
  it("is relative up to a day, then dated", () => {
    expect(relativeTime(new Date(2026, 10, 23, 11, 57), now, "en")).toBe("3 minutes ago");
    expect(relativeTime(new Date(2026, 10, 23, 9, 0), now, "ko")).toBe("3시간 전");
    expect(relativeTime(new Date(2026, 10, 20, 9, 0), now, "en")).toBe("20 Nov");
  });
  it("names another year", () => {
    expect(shortDate(new Date(2025, 0, 2), now, "en")).toBe("2 Jan 2025");
    expect(shortDate(new Date(2025, 0, 2), now, "ko")).toBe("2025년 1월 2일");
  });
  it("writes the time of day the same in both languages", () => {
    expect(timeOfDay(new Date(2026, 0, 1, 9, 5), "en")).toBe("09:05");
    expect(timeOfDay(new Date(2026, 0, 1, 9, 5), "ko")).toBe("09:05");
  });
});

describe("timeRange", () => {
  const [began, ended] = [new Date(2026, 0, 1, 9, 5), new Date(2026, 0, 1, 11, 20)];
  it("formats start and end", () => {
    expect(timeRange(began, ended, 3_600_000, "en")).toBe("09:05–11:20");
    expect(timeRange(began, null, 0, "ko")).toBe("09:05");
  });
  it("shows only the end when the reading time is longer than the range", () => {
    expect(timeRange(began, new Date(2026, 0, 1, 9, 6), 7_200_000, "en")).toBe("09:06");
  });
});

it("shows a running clock", () => {
  expect(stopwatch(65_000)).toBe("1:05");
  expect(stopwatch(3_725_000)).toBe("1:02:05");
});

it("shortens large numbers", () => {
  expect(compactNumber(1_234, "en")).toBe("1.2K");
});

it("quotes a text that has quotation marks with single ones inside", () => {
  expect(quoted("Git")).toBe("“Git”");
  expect(quoted("About “merge” and “rebase”")).toBe("“About ‘merge’ and ‘rebase’”");
  expect(quoted('"Attention" is (not "all") you need')).toBe("“‘Attention’ is (not ‘all’) you need”");
  expect(quoted("“셀 범위” 고르기")).toBe("“‘셀 범위’ 고르기”");
  expect(quoted("It's 12'")).toBe("“It's 12'”");
});
