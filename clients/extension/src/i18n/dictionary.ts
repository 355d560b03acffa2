/** The messages in the user's language. The setting wins over the browser. */

import { type Language, type LanguageChoice, selectLanguage } from "@trailmind/api";
import { browser } from "wxt/browser";

import { en, type Words } from "./en";
import { ko } from "./ko";

export type { Words };

const CATALOGUES: Record<Language, Words> = { en, ko };

export function dictionaryFor(choice: LanguageChoice): Words {
  return CATALOGUES[selectLanguage(choice, () => browser.i18n?.getUILanguage?.() ?? navigator.language)];
}
