/** The direction in which a label is written: that of its first letter, as the Unicode algorithm (UAX 9) decides it. */

const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}\p{Script=Hanifi_Rohingya}]/u;
const FIRST_LETTER = /\p{L}/u;
/** Before these there is no letter of a script that is written from right to left. */
const FIRST_RIGHT_TO_LEFT = "\u0590";

/**
 * "rtl" or "ltr". A canvas lays out each line by one base direction: with the wrong one, the parts of a line in two
 * scripts change places, and a full stop or an ellipsis stands at its beginning.
 */
export function directionOf(text: string): "rtl" | "ltr" {
  const letter = FIRST_LETTER.exec(text)?.[0] ?? "";
  return letter >= FIRST_RIGHT_TO_LEFT && RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}
