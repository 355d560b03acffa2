import { expect, test } from "vitest";

import { redactUrl } from "./redact";

test.each([
  ["https://a.com/p?q=reef&page=2#top", "https://a.com/p?q=reef&page=2#top"],
  ["https://a.com/p?access_token=abc&q=1", "https://a.com/p?access_token=REDACTED&q=1"],
  ["https://a.com/p?code=abc", "https://a.com/p?code=REDACTED"],
  ["https://a.com/p?zipcode=12345&barcode=9", "https://a.com/p?zipcode=12345&barcode=9"],
  ["https://a.com/#access_token=abc&state=x", "https://a.com/#access_token=REDACTED&state=x"],
  ["https://user:pass@a.com/p", "https://a.com/p"],
  ["https://a.com/p?x=eyJhbGciOiJI.eyJzdWIi.c2ln", "https://a.com/p?x=REDACTED"],
  ["https://a.com/p?X-Amz-Signature=abcd", "https://a.com/p?X-Amz-Signature=REDACTED"],
  ["https://a.com/p?token=", "https://a.com/p?token="],
  ["https://a.com/@name/post?x=1", "https://a.com/@name/post?x=1"],
  ["not a url", "not a url"],
])("%s", (url, expected) => {
  expect(redactUrl(url)).toBe(expected);
});
