/** What stands beside an article, in its markup: the comments of readers, and the note about the author. */

/** Words of class names, ids and roles. `discussion-forum` has them, `commentary` does not. */
const COMMENTS =
  /(^|[\s_-])(comments?|comment-?(list|section|area|thread)|disqus(-thread)?|discussions?|repl(y|ies)|respond|responses?|reactions|reader-?letters|talkback)($|[\s_-])/i;
const AUTHOR =
  /(^|[\s_-])(about|about-?(the-?)?(author|writer|me)|(author|writer|contributor)(-?(bio|box|card|info|note|profile|about|description))?|bio|biography|byline|post-?author)($|[\s_-])/i;

/** Less than this that remains is not the article: the page is a discussion, or about a person. */
const MIN_REMAINING_CHARS = 200;
/** A note about the author stands behind the text, not in front of it. */
const MIN_BEFORE_AUTHOR_CHARS = 150;
const KEPT = "html, body, main, article";

const textLength = (node: Node): number => (node.textContent ?? "").replace(/\s+/g, " ").length;
const nameOf = (element: Element): string => `${element.className} ${element.id}`;

/** Removes comments and notes about the author from a copy of a page, unless they are what the page is about. */
export function removeBeside(document: Document): void {
  const { body } = document;
  remove(body, (element) => COMMENTS.test(nameOf(element)) || element.getAttribute("itemprop") === "comment");
  remove(body, (element) => AUTHOR.test(nameOf(element)) && lengthBefore(body, element) >= MIN_BEFORE_AUTHOR_CHARS);
}

function remove(body: HTMLElement, isBeside: (element: Element) => boolean): void {
  const found = [...body.querySelectorAll("[class], [id], [itemprop]")].filter(
    (element) => !element.matches(KEPT) && isBeside(element),
  );
  const outer = found.filter((element) => !found.some((other) => other !== element && other.contains(element)));
  const remaining = textLength(body) - outer.reduce((sum, element) => sum + textLength(element), 0);
  if (remaining < MIN_REMAINING_CHARS) return;
  for (const element of outer) element.remove();
}

function lengthBefore(body: HTMLElement, element: Element): number {
  const range = body.ownerDocument.createRange();
  range.setStart(body, 0);
  range.setEndBefore(element);
  return range.toString().replace(/\s+/g, " ").length;
}
