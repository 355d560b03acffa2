import { describe, expect, it } from "vitest";
import { dayRange, isDrawing } from "~/maps/queries";

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
