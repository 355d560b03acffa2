import { type Hit, splitByMarks } from "./results";

/** A text with the parts that match marked. */
export function MarkedText({ text, marks }: { text: string; marks: Hit["marks"] }) {
  return splitByMarks(text, marks).map((part, i) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: a text's pieces never change their order
    part.isMatch ? <mark key={i}>{part.text}</mark> : part.text,
  );
}
