/** The Trailmind API, typed by the contract in `docs/openapi.json`, and what its clients share. */
export * from "./client.ts";
export * from "./errors.ts";
export * from "./format.ts";
export * from "./ids.ts";
export * from "./messages.ts";
export * from "./passage.ts";
export type * from "./schema.ts";
export * from "./server-errors.ts";
