/**
 * Redacts secrets in addresses before they are stored. The server redacts them again.
 *
 * What the server cannot restore must not be cut here: a parameter is judged by the form of its value and by what stands
 * beside it, as `models/url_parameters.py` does. Both read `url-rules.json` and are tested with one table.
 */

import rules from "./url-rules.json";

const { secret } = rules;
const ALWAYS = new Set(secret.always);
const COIN_NAMES = new Set(secret.coin_names);
/** What `token=` says on a page about a currency; no service gives out tokens of these forms. */
const COIN_FORMS = new RegExp(secret.coin_forms.join("|"));
const ENDINGS = new Set(secret.endings);
const BY_VALUE = new Set(secret.by_value);
const OAUTH_COMPANIONS = new Set(secret.oauth_companions);
const PERSON_COMPANIONS = new Set(secret.person_companions);
const ENTRY_SEGMENTS = new Set(secret.entry_segments);
const SIGNED_WITH = new Set(secret.signed_with);
const SIGNATURES = new Set(["signature", "sig", "sign"]);
const VALUE_FORMS = new RegExp(secret.value_forms.join("|"));

const REDACTED = "REDACTED";
const MIN_RANDOM_CHARS = 16;
const MAX_VALUE_CHARS = 512;
const WORD_RUN = /[A-Z]?[a-z]{3,}|[A-Z]{4,}|\d{3,}|[\u0080-\uffff]+/g;

const someIn = (names: ReadonlySet<string>, companions: ReadonlySet<string>): boolean =>
  [...names].some((name) => companions.has(name));

/** The words of a parameter's name: `accessToken`, `access_token` and `access-token` have the same. */
function nameWords(name: string): string[] {
  return name
    .slice(0, 100)
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_")
    .toLowerCase()
    .split(/[_.\-[\]\s]+/)
    .filter(Boolean);
}

type Secrecy = "always" | "coin" | "by_value" | "no";

function secrecyOf(words: readonly string[]): Secrecy {
  const last = words.at(-1);
  if (last === undefined) return "no";
  const compact = words.join("");
  if (COIN_NAMES.has(compact)) return "coin";
  if (ALWAYS.has(compact) || secret.always_prefixes.some((prefix) => compact.startsWith(prefix))) return "always";
  if (ENDINGS.has(last) || compact.endsWith("token")) {
    return secret.paging_words.some((word) => compact.startsWith(word)) ? "no" : "always";
  }
  return BY_VALUE.has(compact) || last === "signature" ? "by_value" : "no";
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Whether a value is long and mixes letters and digits in runs that are no words. */
function looksRandom(raw: string): boolean {
  const cut = raw.slice(0, MAX_VALUE_CHARS);
  const core = (cut.includes("%") ? decoded(cut) : cut).replace(/=+$/, "");
  if (core.length < MIN_RANDOM_CHARS || !/\p{L}/u.test(core) || core.includes(" ")) return false;
  const hasDigit = /\d/.test(core);
  if (/^[0-9A-Fa-f-]+$/.test(core)) return hasDigit && core.replaceAll("-", "").length >= MIN_RANDOM_CHARS;
  const inWords = (core.match(WORD_RUN) ?? []).reduce((sum, run) => sum + run.length, 0);
  const isMixed = hasDigit || (core !== core.toLowerCase() && core !== core.toUpperCase());
  return isMixed && inWords < 0.55 * core.length;
}

/** True where a login, an invitation or a mailed link arrives: `/oauth/callback`, `/verify`. */
const isEntryPath = (path: string): boolean =>
  path
    .slice(-200)
    .toLowerCase()
    .split("/")
    .some((segment) => ENTRY_SEGMENTS.has(segment.split(".")[0] as string));

function grantsAccess(name: string, last: string, value: string, names: ReadonlySet<string>, path: string): boolean {
  if (someIn(names, PERSON_COMPANIONS) && !PERSON_COMPANIONS.has(name.toLowerCase())) return true;
  if (SIGNATURES.has(last) && someIn(names, SIGNED_WITH)) return true;
  if (last === "code" && someIn(names, OAUTH_COMPANIONS) && !/^\d+$/.test(value)) return true;
  return isEntryPath(path);
}

/** `names` are the lower-case names of all parameters beside it, `path` the path of the address. */
function isSecret(name: string, value: string, names: ReadonlySet<string>, path: string): boolean {
  if (value === "") return false;
  if (VALUE_FORMS.test(value.slice(0, MAX_VALUE_CHARS))) return true;
  const words = nameWords(name);
  const last = words.at(-1) ?? "";
  switch (secrecyOf(words)) {
    case "no":
      return false;
    case "always":
      return true;
    case "coin":
      return !COIN_FORMS.test(value) || grantsAccess(name, last, value, names, path);
    case "by_value":
      if (looksRandom(value)) return true;
      // `sessionid` in one word is a cookie's name; a conference numbers its sessions.
      if (name.toLowerCase() === "sessionid") return !/^\d+$/.test(value);
      return grantsAccess(name, last, value, names, path);
  }
}

/** Stricter than `isSecret`: true where the name alone suggests a secret. */
function isSecretByName(name: string, value: string): boolean {
  return value !== "" && (secrecyOf(nameWords(name)) !== "no" || VALUE_FORMS.test(value.slice(0, MAX_VALUE_CHARS)));
}

function redactPairs(text: string, path: string, byName = false): string {
  if (!text.includes("=")) return text;
  const pairs = text.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    return equals < 0
      ? { pair, name: pair, value: "" }
      : { pair, name: pair.slice(0, equals), value: pair.slice(equals + 1) };
  });
  const names = new Set(pairs.map(({ name }) => name.toLowerCase()));
  return pairs
    .map(({ pair, name, value }) =>
      (byName ? isSecretByName(name, value) : isSecret(name, value, names, path)) ? `${name}=${REDACTED}` : pair,
    )
    .join("&");
}

/** `url` without user-info and without the values of secret-looking parameters, in query and fragment alike. */
export function redactUrl(url: string): string {
  const hash = url.indexOf("#");
  const fragment = hash < 0 ? "" : url.slice(hash + 1);
  const beforeFragment = hash < 0 ? url : url.slice(0, hash);
  const questionMark = beforeFragment.indexOf("?");
  const query = questionMark < 0 ? "" : beforeFragment.slice(questionMark + 1);
  const base = (questionMark < 0 ? beforeFragment : beforeFragment.slice(0, questionMark)).replace(
    /^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i,
    "$1",
  );
  const path = base.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "");
  const routeEnd = fragment.lastIndexOf("?");
  const route = fragment.slice(0, routeEnd + 1);
  // Parameters in a fragment that is no route identify no page; OAuth puts tokens there.
  const isRoute = /^[/!]/.test(fragment);
  const routeQuery = redactPairs(
    fragment.slice(routeEnd + 1),
    route === "" ? path : route.slice(0, -1),
    !isRoute && route === "",
  );
  return base + (questionMark < 0 ? "" : `?${redactPairs(query, path)}`) + (hash < 0 ? "" : `#${route}${routeQuery}`);
}
