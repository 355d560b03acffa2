import { expect, test } from "vitest";

import { uuid } from "../src/index.ts";

test("makes version 4 UUIDs without crypto.randomUUID", () => {
  const ids = Array.from({ length: 500 }, uuid);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(500);
});
