/** The words in the user's language. The setting wins over the browser. */

import { browser } from "wxt/browser";

import { en, type Words } from "./en";
import { ko } from "./ko";

export type { Words };

export function dictionaryFor(choice: "auto" | "ko" | "en"): Words {
  if (choice !== "auto") return choice === "ko" ? ko : en;
  const language = browser.i18n?.getUILanguage?.() ?? navigator.language;
  return language.toLowerCase().startsWith("ko") ? ko : en;
}
