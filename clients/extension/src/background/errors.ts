/** An error as the popup shows it: a code with a message in the catalogue, and the server's message if there is one. */

import { ApiError } from "@trailmind/api";
import { SignedOutError, UnreachableError } from "../api/errors";
import { CommandError } from "../command-error";

export function errorResponse(error: unknown): { ok: false; code: string; message: string } {
  if (error instanceof CommandError) return { ok: false, code: error.code, message: "" };
  if (error instanceof SignedOutError) return { ok: false, code: "signed_out", message: "" };
  if (error instanceof UnreachableError) return { ok: false, code: "unreachable", message: "" };
  if (error instanceof ApiError) return { ok: false, code: `http_${error.status}`, message: error.message };
  return { ok: false, code: "unexpected", message: error instanceof Error ? error.message : String(error) };
}
