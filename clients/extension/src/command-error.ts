/** A command failed. `code` selects the message in the catalogue. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(readonly code: string) {
    super(code);
  }
}
