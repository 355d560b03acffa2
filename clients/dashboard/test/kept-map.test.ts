import { describe, expect, it } from "vitest";
import type { Mindmap } from "~/api/queries";
import { keptMap, whileGenerating } from "~/session/kept-map";

const shown: Mindmap = {
  id: "m",
  session_id: "s",
  status: "completed",
  version: 3,
  version_created_at: "2026-11-20T10:00:00Z",
  provider: "openai",
  data: { nodes: [] },
  created_at: "2026-11-20T10:00:00Z",
  updated_at: "2026-11-21T10:00:00Z",
};

describe("keptMap", () => {
  it("is null unless the last generation failed", () => {
    expect(keptMap(shown)).toBeNull();
    expect(keptMap({ ...shown, status: "generating", error_code: "MAP_FAILED" })).toBeNull();
    const { data: _, ...first } = shown;
    expect(keptMap({ ...first, status: "failed", error_code: "MAP_FAILED" })).toBeNull();
  });
  it("has the reason and the version shown", () => {
    expect(keptMap({ ...shown, error_code: "MAP_FAILED" })).toEqual({
      code: "MAP_FAILED",
      version: 3,
      shownSince: "2026-11-20T10:00:00Z",
      provider: "openai",
      offered: null,
      notes: [],
    });
  });
  it("has the version that is offered, and why it is weaker", () => {
    const notes = [{ code: "models_late", values: {} }];
    const offered_version = { number: 4, notes, created_at: "2026-11-21T10:00:00Z" };
    expect(keptMap({ ...shown, error_code: "WEAKER_MAP", offered_version })).toMatchObject({ offered: 4, notes });
  });
});

describe("whileGenerating", () => {
  const { data: _data, version_created_at: _at, ...rest } = shown;
  const reply: Mindmap = { ...rest, status: "generating" };
  it("keeps the version shown and clears the failure", () => {
    const next = whileGenerating({ ...shown, error_code: "MAP_FAILED" }, reply);
    expect(next).toMatchObject({
      status: "generating",
      data: shown.data,
      version_created_at: shown.version_created_at,
    });
    expect(next.error_code).toBeUndefined();
  });
  it("shows nothing before the first version", () => {
    expect(whileGenerating(null, reply)).toBe(reply);
  });
});
