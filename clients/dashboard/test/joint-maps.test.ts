import { describe, expect, it } from "vitest";
import { dayRange, isDrawing, isRedrawn } from "~/maps/queries";

describe("dayRange", () => {
  it("holds the whole of the last day, also over the end of a month", () => {
    const { since, until } = dayRange("2026-11-29", "2026-11-30");
    expect(new Date(since).getTime()).toBe(new Date("2026-11-29T00:00").getTime());
    expect(new Date(until).getTime()).toBe(new Date("2026-12-01T00:00").getTime());
  });
});

describe("isDrawing", () => {
  it("is true until the map is completed or has failed", () => {
    const map = { id: "m", percent: 0, session_ids: [], created_at: "", updated_at: "" };
    expect(
      ["pending", "generating", "completed", "failed"].map((status) => isDrawing({ ...map, status } as never)),
    ).toEqual([true, true, false, false]);
    expect(isDrawing(undefined)).toBe(false);
  });
});

describe("isRedrawn", () => {
  it("is true once the server has finished after the click, also without a new version", () => {
    const at = (status: string, updated_at: string) => ({ status, updated_at, version: 1 }) as never;
    const before = at("completed", "10:00");
    expect(isRedrawn(before, before)).toBe(false);
    expect(isRedrawn(before, at("generating", "10:01"))).toBe(false);
    expect(isRedrawn(before, at("completed", "10:02"))).toBe(true);
    expect(isRedrawn(before, at("failed", "10:02"))).toBe(true);
  });
});
