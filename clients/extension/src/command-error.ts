/** A command cannot be carried out, for a reason that the popup has words for. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(readonly code: string) {
    super(code);
  }
}
