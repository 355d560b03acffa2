import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";

import { redactUrl } from "./redact";

interface Row {
  url: string;
  name: string;
  meaning: "secret" | "identity" | "campaign" | "position";
}

// The server's tests measure its rules on the same table.
const TABLE = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../../../../tests/unit/models/url_parameters.json"), "utf8"),
) as Row[];

function valueIn(url: string, name: string): string | undefined {
  const hash = url.indexOf("#");
  const fragment = hash < 0 ? "" : url.slice(hash + 1);
  const query = (hash < 0 ? url : url.slice(0, hash)).split("?")[1] ?? "";
  const pairs = [...query.split("&"), ...(fragment.split("?").at(-1) ?? "").split("&")];
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

describe("the shared table of parameters", () => {
  test("is there", () => {
    expect(TABLE.length).toBeGreaterThan(150);
  });
  test.each(TABLE.filter(({ meaning }) => meaning === "secret"))("secret: $url", ({ url, name }) => {
    expect(valueIn(redactUrl(url), name)).toBe("REDACTED");
  });
  test.each(TABLE.filter(({ meaning }) => meaning === "identity"))("kept: $url", ({ url, name }) => {
    expect(valueIn(redactUrl(url), name)).toBe(valueIn(url, name));
  });
});

test.each([
  ["https://a.com/p?q=reef&page=2#top", "https://a.com/p?q=reef&page=2#top"],
  ["https://a.com/p?access_token=abcdef&q=1", "https://a.com/p?access_token=REDACTED&q=1"],
  ["https://a.com/p?code=abc", "https://a.com/p?code=abc"],
  ["https://a.com/p?code=abc&state=f81", "https://a.com/p?code=REDACTED&state=f81"],
  ["https://a.com/p?zipcode=12345&barcode=9", "https://a.com/p?zipcode=12345&barcode=9"],
  ["https://a.com/#access_token=abcdef&state=x", "https://a.com/#access_token=REDACTED&state=x"],
  ["https://a.com/#session_id=keynote", "https://a.com/#session_id=REDACTED"],
  ["https://a.com/#/callback?code=abc", "https://a.com/#/callback?code=REDACTED"],
  ["https://user:pass@a.com/p", "https://a.com/p"],
  ["https://a.com/p?x=eyJhbGciOiJI.eyJzdWIi.c2ln", "https://a.com/p?x=REDACTED"],
  ["https://a.com/p?X-Amz-Signature=abcd", "https://a.com/p?X-Amz-Signature=REDACTED"],
  ["https://a.com/p?token=", "https://a.com/p?token="],
  ["https://a.com/@name/post?x=1", "https://a.com/@name/post?x=1"],
  ["https://a.com/%zz?code=%E0%A4%A", "https://a.com/%zz?code=%E0%A4%A"],
  ["not a url", "not a url"],
])("%s", (url, expected) => {
  expect(redactUrl(url)).toBe(expected);
});

test("an address of 100 kB takes bounded time", () => {
  const started = performance.now();
  redactUrl(`https://a.com/?${"a=%zz&".repeat(17_000)}`);
  redactUrl(`https://a.com/?key=${"aB3".repeat(34_000)}`);
  expect(performance.now() - started).toBeLessThan(2_000);
});
