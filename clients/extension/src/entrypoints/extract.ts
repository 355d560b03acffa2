import { defineUnlistedScript } from "wxt/utils/define-unlisted-script";

import { OwnWords, type ReadingState } from "../capture/own-words";
import { hasVisiblePasswordField } from "../capture/password";
import { truncate } from "../capture/plain-text";
import { allOpenRoots } from "../capture/shadow";
import { readPage } from "../capture/text";

/** Injected for each reading; returns the text of the page, null on a page with a password field. */
export default defineUnlistedScript(() => {
  if (hasVisiblePasswordField(document, allOpenRoots(document))) return null;
  const page = readPage(document);
  const state = globalThis as typeof globalThis & ReadingState;
  state.trailmindOwnWords ??= new OwnWords();
  return {
    title: truncate(document.title.trim(), 1_000),
    url: location.href,
    referrer: document.referrer,
    ...page,
    text: state.trailmindOwnWords.of(state.trailmindVisitId ?? null, page.text),
  };
});
