import { describe, expect, it } from "vitest";

import { ApiError, errorOf, SERVER_ERRORS, wordError } from "../src/index.ts";
import { pluralFaults } from "./plural-faults.ts";

describe("the words of a server's error", () => {
  it.each(Object.keys(SERVER_ERRORS))("exist in both languages for %s, with and without values", (code) => {
    const values = { resets_at: "2026-12-01T00:00:00Z", allowed: "2", num_pages: "900", max_pages: "500" };
    for (const language of ["en", "ko"] as const)
      for (const each of [{}, values]) {
        const words = wordError(new ApiError(400, code, "English", { values: each }), language) ?? "";
        expect(words).not.toBe("");
        expect(words).not.toContain("undefined");
        expect(/[가-힣]/.test(words)).toBe(language === "ko");
      }
  });

  it("say one page, not one pages", () => {
    expect(Object.entries(SERVER_ERRORS).flatMap(([code, { en }]) => pluralFaults(en, code))).toEqual([]);
  });

  it("names the day on which tokens are renewed", () => {
    const body = {
      error: { message: "English", code: "TOKEN_LIMIT_EXCEEDED", values: { resets_at: "2031-12-01T12:00:00Z" } },
    };
    const error = errorOf(new Response(null, { status: 402 }), body);
    expect(wordError(error, "en")).toContain("1 Dec 2031");
    expect(wordError(error, "ko")).toContain("2031년 12월 1일");
  });

  it("are missing for a proxy's error", () => {
    expect(wordError(new ApiError(502, "", "Bad gateway"), "en")).toBeNull();
  });
});
