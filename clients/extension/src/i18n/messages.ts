/** The messages in the language of the settings, or of the browser for `auto`. */

import { type Language, type LanguageChoice, selectLanguage } from "@trailmind/api";
import { browser } from "wxt/browser";

import { en, type Messages } from "./en";
import { ko } from "./ko";

export type { Messages };

const CATALOGUES: Record<Language, Messages> = { en, ko };

export function messagesFor(choice: LanguageChoice): Messages {
  return CATALOGUES[selectLanguage(choice, () => browser.i18n?.getUILanguage?.() ?? navigator.language)];
}
