/** The optional permission to read pages, which the user grants and can revoke. */

import { browser } from "wxt/browser";

const ALL_SITES = { origins: ["http://*/*", "https://*/*"] };

export const hasPagePermission = (): Promise<boolean> => browser.permissions.contains(ALL_SITES);

/** Requests the permission unless it is granted. Chrome accepts the call only in the handler of a click. */
export const requestPagePermission = (): Promise<boolean> => browser.permissions.request(ALL_SITES).catch(() => false);
