import { unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { greetExtension } from "~/api/extension";
import { accept } from "~/api/login";
import { language, type Words } from "~/i18n";
import { say } from "~/ui/say";

/** Takes the answer of a sign-in, and signs the extension in along with it. */
export function signedIn(reply: unknown, t: Words): void {
  accept(reply);
  void greetExtension().then((isLinked) => isLinked && say(t.extension.linkedToo));
}

/** The same for a new account, which is also told the language its mails are to be in. */
export function signedUp(reply: unknown, t: Words): void {
  signedIn(reply, t);
  void unwrap(api.PATCH("/v1/users/me/settings", { body: { language: language() } })).catch(() => undefined);
}
