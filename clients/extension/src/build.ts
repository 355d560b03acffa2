/** Build-time constants. A hosted edition sets WXT_* in the environment of the build. */

const env: Record<string, string | undefined> =
  typeof import.meta.env === "object" ? (import.meta.env as Record<string, string | undefined>) : {};
const fromProcess: Record<string, string | undefined> =
  typeof process === "object" && typeof process.env === "object" ? process.env : {};

const read = (name: string): string | undefined => env[name] || fromProcess[name] || undefined;

/** Where the server is unless the user says otherwise. Origin only; the API lives under `/v1`. */
export const SERVER_URL = read("WXT_SERVER_URL") ?? "http://127.0.0.1:9000";

/** Pages that may hand the extension a sign-in code. Chrome needs them at build time, without ports. */
export const WEB_MATCHES = [
  "http://127.0.0.1/*",
  "http://localhost/*",
  ...(read("WXT_WEB_ORIGIN") ? [`${read("WXT_WEB_ORIGIN")}/*`] : []),
];
