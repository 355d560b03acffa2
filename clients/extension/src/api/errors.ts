/** What can go wrong beside the `ApiError` of a response: told apart by what the caller can do about it. */

/** No usable response arrived. Whether the server acted on the request is unknown: resend it as it was. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** Nobody is signed in, or the server no longer accepts the refresh token. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
}
