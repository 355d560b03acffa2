/** The permission to read pages, which Chrome asks the user for and takes back when the user says so. */

import { browser } from "wxt/browser";

const ALL_SITES = { origins: ["http://*/*", "https://*/*"] };

export const hasPagePermission = (): Promise<boolean> => browser.permissions.contains(ALL_SITES);

/** Asks unless it is granted already. Chrome wants the call to come straight from a click. */
export const requestPagePermission = (): Promise<boolean> => browser.permissions.request(ALL_SITES).catch(() => false);
