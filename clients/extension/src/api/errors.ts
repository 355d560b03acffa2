/** Failures without a response, beside the shared `ApiError` for a response outside 2xx. */

/** No usable response arrived. Whether the server acted on the request is unknown: resend it as it was. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** No user is signed in, or the server no longer accepts the refresh token. */
export class SignedOutError extends Error {
  override readonly name = "SignedOutError";
}
