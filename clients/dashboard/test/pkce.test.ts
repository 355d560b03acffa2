import { afterEach, expect, it, vi } from "vitest";
import { challengeOf } from "~/api/pkce";

afterEach(() => vi.unstubAllGlobals());

it.each([true, false])("makes the challenge of RFC 7636, appendix B, in a secure context: %s", async (isSecure) => {
  vi.stubGlobal("isSecureContext", isSecure);
  if (!isSecure) vi.stubGlobal("crypto", { getRandomValues: () => null });
  const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  expect(await challengeOf(verifier)).toBe("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
});
