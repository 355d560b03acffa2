/** For the tests of every Korean catalogue: particles that can begin a line, away from the word they belong to. */

/** What keeps no Korean word together in Chromium, not even with `word-break: keep-all`. */
const BEFORE = /(?:[’”」』)\]%…]|quoted\([^()]*\)\})(?=[가-힣])/;

/** The lines of a catalogue's `source` with such a place. A word joiner (`\u2060`) between the two closes it. */
export function particleFaults(source: string): string[] {
  return source.split("\n").filter((line) => BEFORE.test(line));
}
