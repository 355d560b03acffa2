import { describe, expect, it } from "vitest";

import { ApiError, errorOf, reached, retryAfterS, toApiError } from "../src/index.ts";

describe("retryAfterS", () => {
  it.each([
    [null, null],
    ["", null],
    ["12", 12],
    ["-3", 0],
    ["999999", 3_600],
    ["Thu, 01 Jan 1970 00:00:30 GMT", 30],
    ["soon", null],
  ])("reads %s", (header, expected) => {
    expect(retryAfterS(header, 0)).toBe(expected);
  });
});

describe("errorOf", () => {
  it.each([
    [400, "bad_request"],
    [402, "payment"],
    [404, "missing"],
    [418, "bad_request"],
    [429, "too_many"],
    [500, "server"],
    [503, "unavailable"],
  ])("sorts %d into the kind %s", (status, kind) => {
    const error = errorOf(new Response(null, { status }), { error: { message: "m", code: "C" } });
    expect(error).toMatchObject({ status, kind, code: "C", message: "m", isFromServer: true });
  });

  it("keeps a proxy's page apart from the API's own errors", () => {
    const error = errorOf(new Response(null, { status: 502 }), "<h1>Bad gateway</h1>");
    expect(error).toMatchObject({ code: "", message: "HTTP 502", isFromServer: false });
  });
});

describe("toApiError", () => {
  it.each([
    [new TypeError("crypto.randomUUID is not a function"), "program"],
    [new DOMException("slow", "TimeoutError"), "timeout"],
    [new SyntaxError("Unexpected token '<'"), "server"],
    [new Error("bug"), "program"],
  ])("turns %s into the kind %s", (thrown, kind) => {
    expect(toApiError(thrown)).toMatchObject({ kind, status: 0, isFromServer: false });
  });

  it("returns an ApiError as it is", () => {
    const error = new ApiError(404, "NOT_FOUND", "No such session.");
    expect(toApiError(error)).toBe(error);
  });
});

describe("reached", () => {
  it.each([
    [new TypeError("Failed to fetch"), "offline"],
    [new DOMException("slow", "TimeoutError"), "timeout"],
  ])("turns the rejection %s into the kind %s", async (reason, kind) => {
    await expect(reached(Promise.reject(reason))).rejects.toMatchObject({ kind, status: 0 });
  });
});
