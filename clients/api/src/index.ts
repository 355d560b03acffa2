/** The Trailmind API, typed by the contract in `docs/openapi.json`. */
export * from "./client.ts";
export * from "./errors.ts";
export type * from "./schema.ts";
