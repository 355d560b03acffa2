import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";

import { evaluatePolicy, isPrivateHost, parseHost } from "./policy";

const CONTEXT = {
  excludedHosts: ["mine.example"],
  allowedHosts: [],
  allowsIncognito: false,
  isIncognito: false,
  ownOrigins: ["http://localhost:9000"],
};
const reason = (url: string, context = {}) => {
  const decision = evaluatePolicy(url, { ...CONTEXT, ...context });
  return decision.allowed ? "allowed" : decision.reason;
};

test.each([
  ["https://en.wikipedia.org/wiki/Coral", "allowed"],
  ["http://news.example.com:8080/a?b=c#d", "allowed"],
  ["https://github.com/login-design/kit", "allowed"],
  ["https://example.com/blog/how-we-built-login", "allowed"],
  ["https://pay.dev/article", "allowed"],
  ["https://mail.google.com/mail/u/0/", "mail"],
  ["https://webmail.uni.example/inbox", "mail"],
  ["https://www.kakaobank.com/", "banking"],
  ["https://secure.chase.com/web", "banking"],
  ["https://ebanking.smallbank.example/", "banking"],
  ["https://mychart.clinic.example/", "health"],
  ["https://accounts.google.com/v3/signin", "login"],
  ["https://sso.company.example/", "login"],
  ["https://shop.example.com/checkout", "login"],
  ["https://example.com/users/sign_in".replace("_", "-"), "login"],
  ["https://example.com/account/reset-password?x=1", "login"],
  ["https://example.com/app#/login", "login"],
  ["https://my.1password.com/vaults", "passwords"],
  ["https://www.hometax.go.kr/", "government"],
  ["https://web.whatsapp.com/", "messages"],
  ["https://mine.example/", "user"],
  ["https://deep.mine.example/x", "user"],
  ["https://notmine.example/", "allowed"],
  ["http://localhost:3000/", "private_network"],
  ["http://localhost:9000/sessions/1", "own_site"],
  ["http://192.168.0.1/admin", "private_network"],
  ["chrome://settings", "not_a_page"],
  ["file:///home/me/notes.txt", "not_a_page"],
  ["about:blank", "not_a_page"],
  ["", "not_a_page"],
])("%s: %s", (url, expected) => {
  expect(reason(url)).toBe(expected);
});

// The server's tests read the same file.
const TABLE = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../../../../tests/unit/models/sites.json"), "utf8"),
) as [string, string][];

test.each(TABLE)("as the server decides: %s: %s", (url, expected) => {
  expect(reason(url)).toBe(expected);
});

describe("the user's own lists", () => {
  test.each([
    ["https://www.chase.com/", { allowedHosts: ["chase.com"] }, "allowed"],
    ["http://wiki/a", { allowedHosts: ["wiki"] }, "allowed"],
    ["https://uni.example/login", { allowedHosts: ["uni.example"] }, "allowed"],
    ["https://www.chase.com/", { allowedHosts: ["secure.chase.com"] }, "banking"],
    ["https://docs.mine.example/", { allowedHosts: ["docs.mine.example"] }, "allowed"],
    ["https://mine.example/", { allowedHosts: ["docs.mine.example"] }, "user"],
    ["https://mine.example/", { allowedHosts: ["mine.example"] }, "user"],
    ["https://a.docs.mine.example/", { excludedHosts: ["docs.mine.example"], allowedHosts: ["mine.example"] }, "user"],
    ["chrome://settings", { allowedHosts: ["settings"] }, "not_a_page"],
  ])("%s with %j: %s", (url, context, expected) => {
    expect(reason(url, context)).toBe(expected);
  });
});

test("a trailing dot and capitals are normalised", () => {
  expect(reason("https://MAIL.Google.com./")).toBe("mail");
});

test("private windows are recorded only if allowed", () => {
  expect(reason("https://example.com/", { isIncognito: true })).toBe("incognito");
  expect(reason("https://example.com/", { isIncognito: true, allowsIncognito: true })).toBe("allowed");
  expect(reason("https://mail.google.com/", { isIncognito: true, allowsIncognito: true })).toBe("mail");
});

describe("private networks", () => {
  test.each([
    "10.1.2.3",
    "127.0.0.1",
    "169.254.1.1",
    "172.16.0.1",
    "172.31.255.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
  ])("%s", (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });
  test.each([
    "[::1]",
    "[fd00::1]",
    "[fe80::1]",
    "[::ffff:c0a8:101]",
    "router",
    "nas.local",
    "wiki.corp",
    "a.home.arpa",
  ])("%s", (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });
  test.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "[2001:db8::1]", "example.com", "local.example.com"])(
    "%s is public",
    (host) => {
      expect(isPrivateHost(host)).toBe(false);
    },
  );
});

test.each([
  ["https://www.Example.com/path?x", "example.com"],
  ["*.example.com", "example.com"],
  ["  example.com ", "example.com"],
  ["한국.kr", "xn--3e0b707e.kr"],
  ["", null],
  ["http://", null],
])("parseHost: %s", (typed, host) => {
  expect(parseHost(typed)).toBe(host);
});
