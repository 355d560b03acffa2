/** The permission to read pages, which Chrome asks the user for and takes back when the user says so. */

import { browser } from "wxt/browser";

const EVERY_SITE = { origins: ["http://*/*", "https://*/*"] };

export const mayReadPages = (): Promise<boolean> => browser.permissions.contains(EVERY_SITE);

/** Asks unless it is granted already. Chrome wants the call to come straight from a click. */
export const askToReadPages = (): Promise<boolean> => browser.permissions.request(EVERY_SITE).catch(() => false);
