/** Whether a page that replaced its own address is still the same page. */

import { type ContentState, isSameText } from "./content";

/** What is known of a page when it is compared. `canonical` is null if the page states none. */
export interface PageState {
  url: string;
  canonical: string | null;
  content: ContentState;
}

export const canonicalOf = (document: Document): string | null =>
  document.querySelector<HTMLLinkElement>('link[rel="canonical"]')?.href || null;

/** A title without the counter of unread messages. */
const plainTitle = (title: string): string => title.replace(/^\s*[([]\d+\+?[)\]]\s*/, "");

const pathOf = (address: string): string => {
  const { origin, pathname } = new URL(address);
  return origin + pathname.replace(/\/+$/, "");
};
const isWithin = (path: string, base: string): boolean => path === base || path.startsWith(`${base}/`);

/**
 * A map, a filter or a thread moves its state into the address while the page stays: same text, or same title and an
 * address below the one of the page. A list that shows the next article has another title or one more heading.
 */
export function isSamePage(before: PageState, now: PageState): boolean {
  if (plainTitle(before.content.title) !== plainTitle(now.content.title)) return false;
  if (isSameText(before.content, now.content)) return true;
  const [from, to] = [pathOf(before.url), pathOf(now.url)];
  if (isWithin(to, from) || isWithin(from, to)) return true;
  const { canonical } = now;
  if (canonical !== null && canonical === before.canonical && isWithin(to, pathOf(canonical))) return true;
  return now.content.numHeadings <= before.content.numHeadings;
}
