import { defineUnlistedScript } from "wxt/utils/define-unlisted-script";

import { hasVisiblePasswordField } from "../capture/password";
import { readPage } from "../capture/text";

/** Injected for one answer: the page's text, or null on a page that asks for a password. */
export default defineUnlistedScript(() => {
  if (hasVisiblePasswordField(document)) return null;
  return {
    title: document.title.trim().slice(0, 1_000),
    url: location.href,
    referrer: document.referrer,
    ...readPage(document),
  };
});
