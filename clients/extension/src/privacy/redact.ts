/** Redacts secrets in addresses before they are stored. The server redacts them again. */

const SECRET_NAMES = new Set(
  (
    "token auth authorization apikey key secret password passwd pwd pass code sig signature session sessionid sid " +
    "jwt otp pin credential credentials ticket samlresponse assertion nonce"
  ).split(" "),
);
const SECRET_ENDINGS = new Set(["token", "secret", "password", "passwd", "apikey", "signature", "jwt"]);
const SECRET_COMPOUND =
  /(^|[_.-])(access|refresh|id|api|auth|session|reset|csrf|xsrf|oauth|client)[_.-]?(token|key|secret|code|id)$/i;
const SECRET_VALUE =
  /^(eyJ[\w-]+\.[\w-]+\.[\w-]*|(sk|pk|rk)_(live|test)_\w+|gh[pousr]_\w{20,}|xox[abprs]-[\w-]+|AKIA[0-9A-Z]{16})$/;

const REDACTED = "REDACTED";

function isSecret(name: string, value: string): boolean {
  const parts = name
    .toLowerCase()
    .split(/[_.\-[\]]/)
    .filter(Boolean);
  if (SECRET_VALUE.test(value)) return true;
  if (parts.length === 0) return false;
  return (
    (parts.length === 1 && SECRET_NAMES.has(parts[0] as string)) ||
    SECRET_ENDINGS.has(parts.at(-1) as string) ||
    SECRET_COMPOUND.test(name)
  );
}

function redactPairs(text: string): string {
  if (!text.includes("=")) return text;
  return text
    .split("&")
    .map((pair) => {
      const equals = pair.indexOf("=");
      if (equals < 0 || equals === pair.length - 1) return pair;
      return isSecret(pair.slice(0, equals), pair.slice(equals + 1)) ? `${pair.slice(0, equals)}=${REDACTED}` : pair;
    })
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
  return (
    base +
    (questionMark < 0 ? "" : `?${redactPairs(query)}`) +
    (hash < 0 ? "" : `#${fragment.includes("=") ? redactPairs(fragment) : fragment}`)
  );
}
