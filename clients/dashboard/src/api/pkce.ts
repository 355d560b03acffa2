/** PKCE (RFC 7636), method S256. */
const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

export async function makePkce(): Promise<{ verifier: string; challenge: string }> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  return { verifier, challenge: await challengeOf(verifier) };
}

export async function challengeOf(verifier: string): Promise<string> {
  const bytes = new TextEncoder().encode(verifier);
  if (isSecureContext) return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  // `crypto.subtle` exists on https and on this machine only, not at a plain http address of a home network.
  const { sha256 } = await import("@noble/hashes/sha2.js");
  return base64url(sha256(bytes));
}
