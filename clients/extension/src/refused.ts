/** A command cannot be carried out, for a reason that the popup has words for. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(readonly code: string) {
    super(code);
  }
}
