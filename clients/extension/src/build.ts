/** Build-time constants. A build for another server sets WXT_* in its environment. */

const env: Record<string, string | undefined> =
  typeof import.meta.env === "object" ? (import.meta.env as Record<string, string | undefined>) : {};
const fromProcess: Record<string, string | undefined> =
  typeof process === "object" && typeof process.env === "object" ? process.env : {};

const read = (name: string): string | undefined => env[name] || fromProcess[name] || undefined;

/** The default origin of the server; the API is under `/v1`. */
export const SERVER_URL = read("WXT_SERVER_URL") ?? "http://127.0.0.1:9000";

/** The build was made for one server. */
export const IS_SERVER_BUILT_IN = read("WXT_SERVER_URL") !== undefined;

/** Pages that may send a sign-in code to the extension. The manifest needs them at build time, without ports. */
export const WEB_MATCHES = [
  "http://127.0.0.1/*",
  "http://localhost/*",
  ...(read("WXT_WEB_ORIGIN") ? [`${read("WXT_WEB_ORIGIN")}/*`] : []),
];
