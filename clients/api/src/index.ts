/** The Trailmind API, typed by the contract in `docs/openapi.json`. */
export * from "./client.ts";
export { ApiError, errorOf } from "./errors.ts";
export type * from "./schema.ts";
