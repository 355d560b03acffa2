import { defineUnlistedScript } from "wxt/utils/define-unlisted-script";

import { hasVisiblePasswordField } from "../capture/password";
import { readPage } from "../capture/text";

/** Injected once; returns the text of the page, null on a page with a password field. */
export default defineUnlistedScript(() => {
  if (hasVisiblePasswordField(document)) return null;
  return {
    title: document.title.trim().slice(0, 1_000),
    url: location.href,
    referrer: document.referrer,
    ...readPage(document),
  };
});
