/** An error as the popup shows it: a code with a message in the catalogue, and the code of the server's error. */

import { ApiError } from "@trailmind/api";
import { SignedOutError, UnreachableError } from "../api/errors";
import { CommandError } from "../command-error";
import type { CommandFailure } from "../protocol";

export function errorResponse(error: unknown): CommandFailure {
  if (error instanceof CommandError) return { ok: false, code: error.code };
  if (error instanceof SignedOutError) return { ok: false, code: "signed_out" };
  if (error instanceof UnreachableError) return { ok: false, code: "unreachable" };
  if (error instanceof ApiError)
    return { ok: false, code: `http_${error.status}`, server: { code: error.code, values: error.values } };
  console.error(error);
  return { ok: false, code: "unexpected" };
}
