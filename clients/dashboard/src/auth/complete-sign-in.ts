import { unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { signInInstalledExtension } from "~/api/extension";
import { acceptLogin } from "~/api/login";
import { language, type Messages } from "~/i18n";
import { toast } from "~/ui/toast";

/** Stores the login of a sign-in response, and signs in the extension with it. */
export function completeSignIn(reply: unknown, t: Messages): void {
  acceptLogin(reply);
  void signInInstalledExtension().then((isLinked) => isLinked && toast(t.extension.linkedToo));
}

/** The same for a new account; also stores the language for its e-mails. */
export function completeSignUp(reply: unknown, t: Messages): void {
  completeSignIn(reply, t);
  void unwrap(api.PATCH("/v1/users/me/settings", { body: { language: language() } })).catch(() => undefined);
}
