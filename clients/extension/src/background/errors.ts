/** An error as the popup shows it: a code it has words for, and the server's own sentence if there is one. */

import { ApiError } from "@trailmind/api";
import { SignedOut, Unreachable } from "../api/errors";
import { Refused } from "../refused";

export function explain(error: unknown): { ok: false; code: string; message: string } {
  if (error instanceof Refused) return { ok: false, code: error.code, message: "" };
  if (error instanceof SignedOut) return { ok: false, code: "signed_out", message: "" };
  if (error instanceof Unreachable) return { ok: false, code: "unreachable", message: "" };
  if (error instanceof ApiError) return { ok: false, code: `http_${error.status}`, message: error.message };
  return { ok: false, code: "unexpected", message: error instanceof Error ? error.message : String(error) };
}
